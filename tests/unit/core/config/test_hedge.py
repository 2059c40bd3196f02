"""Hedge configuration: defaults and fields that must agree."""

from __future__ import annotations

import pytest

from scrollintel.core.config import HedgeConfig
from scrollintel.core.errors import ConfigError


def violated(**fields: float) -> list[str]:
    """Return the fields that are refused."""
    with pytest.raises(ConfigError) as caught:
        HedgeConfig(**fields)  # type: ignore[arg-type]
    return [violation.field for violation in caught.value.violations]


def test_hedge_config_defaults_are_one_hedge_after_two_seconds() -> None:
    """One more attempt after 2 s, by a fixed delay."""
    config = HedgeConfig()
    assert (config.delay, config.max_hedges, config.quantile, config.minimum_samples) == (2.0, 1, None, 20)
    assert config.budget is None


def test_hedge_config_quantile_of_one_is_refused() -> None:
    """No response time lies above the largest."""
    assert violated(quantile=1.0) == ["quantile"]
