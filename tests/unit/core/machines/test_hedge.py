"""When a further attempt starts: after the delay, or after a measured quantile."""

from __future__ import annotations

import pytest

from scrollintel.core.config import HedgeConfig
from scrollintel.core.machines.hedge import launches


def test_launches_without_a_quantile_uses_the_delay() -> None:
    """Measurements do not matter when no quantile is asked for."""
    assert launches(HedgeConfig(delay=2), 0.1, 1000) == 2.0
    assert launches(HedgeConfig(delay=0), 0.1, 1000) == 0.0


@pytest.mark.parametrize(("samples", "expected"), [(0, 2.0), (19, 2.0), (20, 0.3), (1000, 0.3)])
def test_launches_with_a_quantile_needs_enough_samples(samples: int, expected: float) -> None:
    """Until the minimum of samples is there the delay holds."""
    assert launches(HedgeConfig(delay=2, quantile=0.95), 0.3, samples) == expected


def test_launches_with_a_quantile_that_is_not_measured_uses_the_delay() -> None:
    """Response times may be switched off."""
    assert launches(HedgeConfig(delay=2, quantile=0.95), None, 1000) == 2.0
