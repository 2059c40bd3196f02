"""Degradation levels and when they follow health."""

from __future__ import annotations

import pytest

from scrollintel.core.config import DegradationConfig, DegradationLevel
from scrollintel.core.errors import ConfigError


def test_degradation_levels_are_ordered_from_none_to_critical() -> None:
    """Five levels, comparable with each other."""
    assert [level.name for level in sorted(DegradationLevel)] == ["NONE", "MINIMAL", "MODERATE", "SEVERE", "CRITICAL"]
    assert DegradationLevel.SEVERE > DegradationLevel.MODERATE


def test_degradation_config_defaults_are_the_documented_ones() -> None:
    """Levels from 5, 20, 50 and 80 % errors, back one step after 30 s below half of that."""
    config = DegradationConfig()
    rates = (
        config.minimal_error_rate,
        config.moderate_error_rate,
        config.severe_error_rate,
        config.critical_error_rate,
    )
    assert rates == (0.05, 0.2, 0.5, 0.8)
    assert (config.latency, config.circuit_open_level, config.follow_dependencies) == (None, 3, True)
    assert (config.restore_factor, config.quiet_period, config.minimum_calls, config.automatic) == (0.5, 30.0, 10, True)


def test_degradation_config_level_as_member_is_accepted() -> None:
    """A level may be given as its number or as the member."""
    assert DegradationConfig(circuit_open_level=DegradationLevel.CRITICAL).circuit_open_level == 4


def test_degradation_config_thresholds_that_do_not_rise_are_all_reported() -> None:
    """Each threshold must lie above the one before it; equal is not above."""
    with pytest.raises(ConfigError) as caught:
        DegradationConfig(0.5, 0.5, 0.4, 0.9)
    assert [(violation.field, violation.allowed) for violation in caught.value.violations] == [
        ("moderate_error_rate", "above minimal_error_rate (0.5)"),
        ("severe_error_rate", "above moderate_error_rate (0.5)"),
    ]


def test_degradation_config_threshold_beside_a_bad_one_is_not_compared() -> None:
    """Only the threshold that is wrong by itself is reported."""
    with pytest.raises(ConfigError) as caught:
        DegradationConfig(0.5, 2.0, 0.4, 0.9)
    assert [violation.field for violation in caught.value.violations] == ["moderate_error_rate"]
