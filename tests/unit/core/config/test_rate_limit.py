"""Rate limit configuration: defaults and fields that must agree."""

from __future__ import annotations

import pytest

from scrollintel.core.config import RateLimitConfig
from scrollintel.core.errors import ConfigError


def violated(**fields: float) -> list[str]:
    """Return the fields that are refused."""
    with pytest.raises(ConfigError) as caught:
        RateLimitConfig(**fields)
    return [violation.field for violation in caught.value.violations]


def test_rate_limit_config_capacity_is_the_burst_or_a_period_worth_of_permits() -> None:
    """Without a burst the rate is saved up, at least one permit."""
    assert RateLimitConfig(10).capacity == 10.0
    assert RateLimitConfig(0.5).capacity == 1.0
    assert RateLimitConfig(10, burst=3).capacity == 3.0


def test_rate_limit_config_per_second_divides_by_the_period() -> None:
    """Thirty a minute are half a permit a second."""
    config = RateLimitConfig(30, period=60)
    assert (config.per_second, config.capacity, config.max_wait) == (0.5, 30.0, 0.0)


@pytest.mark.parametrize(("rate", "period"), [(1e9, 5e-324), (1e-300, 1e300), (5e-324, 1), (1e9, 0.5), (1, 2e9)])
def test_rate_limit_config_speed_that_arithmetic_cannot_carry_is_refused(rate: float, period: float) -> None:
    """A speed that is infinite, zero or beyond any use is refused by its period."""
    assert violated(rate=rate, period=period) == ["period"]


def test_rate_limit_config_speed_at_its_bounds_is_accepted() -> None:
    """Both bounds are inclusive."""
    assert RateLimitConfig(1e9).per_second == 1e9
    assert RateLimitConfig(1, period=1e9).per_second == 1e-9


def test_rate_limit_config_speed_of_a_bad_rate_is_not_judged() -> None:
    """Only the field that is wrong by itself is reported."""
    assert violated(rate=0) == ["rate"]
    assert violated(rate=1, period=0) == ["period"]
