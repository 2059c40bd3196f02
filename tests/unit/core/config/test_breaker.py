"""Circuit breaker configuration: defaults, and the fields that must agree with each other."""

from __future__ import annotations

from typing import Any

import pytest

from scrollintel.core.config import BreakerMode, CircuitBreakerConfig, RampKind, WindowKind
from scrollintel.core.errors import ConfigError


def violations(**fields: Any) -> dict[str, str]:
    """Return what is refused, by field."""
    with pytest.raises(ConfigError) as caught:
        CircuitBreakerConfig("orders", **fields)
    return {violation.field: violation.allowed for violation in caught.value.violations}


def test_breaker_config_defaults_are_the_documented_ones() -> None:
    """Five failures in a row open for 60 s, three successful probes close; all that is extra is off."""
    config = CircuitBreakerConfig("orders")
    assert (config.failure_threshold, config.recovery_timeout, config.success_threshold, config.timeout) == (
        5,
        60,
        3,
        30,
    )
    assert (config.window_kind, config.window, config.failure_rate) == (WindowKind.CONSECUTIVE, None, 0.5)
    assert (config.minimum_calls, config.slow_call_duration, config.slow_call_rate) == (10, None, 1.0)
    assert (config.probes, config.probe_margin, config.probe_lease) == (1, 5.0, 60.0)
    assert (config.open_backoff, config.max_recovery_timeout, config.open_jitter, config.ramp) == (
        1.0,
        900.0,
        0.0,
        None,
    )
    assert (config.ramp_kind, config.ramp_limit) == (RampKind.TIME, 64)
    assert (config.failure_exceptions, config.ignored_exceptions) == ((Exception,), ())
    assert (config.mode, config.response_times, config.history) == (BreakerMode.ENABLED, True, 32)


def test_breaker_config_takes_the_first_fields_by_position() -> None:
    """The five documented parameters come in the documented order; the rest are keyword-only."""
    config = CircuitBreakerConfig("orders", 2, 3.0, 4, 5.0)
    assert (config.failure_threshold, config.recovery_timeout, config.success_threshold, config.timeout) == (2, 3, 4, 5)
    with pytest.raises(TypeError):
        CircuitBreakerConfig("orders", 2, 3.0, 4, 5.0, WindowKind.COUNT)  # type: ignore[call-arg]


@pytest.mark.parametrize(("kind", "size"), [("consecutive", 30), ("count", 100), ("time", 30), ("count_in_time", 30)])
def test_breaker_config_window_size_without_a_window_is_the_default_of_its_kind(kind: Any, size: float) -> None:
    """A hundred calls or thirty seconds."""
    assert CircuitBreakerConfig("orders", window_kind=kind).window_size == size


def test_breaker_config_window_size_is_the_window_given() -> None:
    """A window that is given wins."""
    assert CircuitBreakerConfig("orders", window_kind=WindowKind.TIME, window=5).window_size == 5


def test_breaker_config_consecutive_with_a_window_or_slowness_is_refused() -> None:
    """Counting failures in a row has no window and no rate; both fields are reported."""
    found = violations(window=10, slow_call_duration=1)
    assert set(found) == {"window", "slow_call_duration"}


@pytest.mark.parametrize("window", [0.5, 10.5, 10_001, 1e300])
def test_breaker_config_count_window_that_is_no_whole_number_of_calls_is_refused(window: float) -> None:
    """A count window holds 1 to 10,000 calls."""
    assert violations(window_kind="count", window=window)["window"] == "a whole number of 1 to 10000 calls"


def test_breaker_config_count_window_smaller_than_its_minimum_of_calls_is_refused() -> None:
    """The minimum could never be reached."""
    found = violations(window_kind="count", window=5, minimum_calls=6)
    assert found == {"minimum_calls": "at most the window of 5 calls"}
    assert CircuitBreakerConfig("orders", window_kind=WindowKind.COUNT, window=5, minimum_calls=5).minimum_calls == 5


@pytest.mark.parametrize("kind", ["time", "count_in_time"])
def test_breaker_config_time_window_under_a_millisecond_is_refused(kind: str) -> None:
    """Time that short cannot be divided into buckets."""
    assert violations(window_kind=kind, window=5e-324) == {"window": "at least 0.001 seconds"}
    assert CircuitBreakerConfig("orders", window_kind=WindowKind(kind), window=0.001).window_size == 0.001


def test_breaker_config_count_in_time_with_slowness_is_refused() -> None:
    """Slowness is judged as a rate, and a number of failures in a time is none."""
    assert set(violations(window_kind="count_in_time", slow_call_duration=1)) == {"slow_call_duration"}


def test_breaker_config_growing_open_period_with_a_cap_below_its_start_is_refused() -> None:
    """The cap matters only when the period grows."""
    found = violations(open_backoff=2, recovery_timeout=60, max_recovery_timeout=30)
    assert found == {"max_recovery_timeout": "at least recovery_timeout (60 seconds)"}
    assert CircuitBreakerConfig("orders", recovery_timeout=1000).max_recovery_timeout == 900


def test_breaker_config_success_ramp_with_seconds_is_refused() -> None:
    """Calls and not seconds end a success-driven ramp, so a time beside it would mean nothing."""
    assert list(violations(ramp_kind="success", ramp=10)) == ["ramp"]


def test_breaker_config_conflict_over_a_bad_field_is_reported_once() -> None:
    """A field that is wrong by itself is not reported a second time for a conflict."""
    found = violations(open_backoff=2, recovery_timeout=-1, max_recovery_timeout=0, window=-1, slow_call_duration="x")
    assert list(found) == ["recovery_timeout", "window", "slow_call_duration", "max_recovery_timeout"]


def test_breaker_config_lease_is_the_timeout_plus_a_margin_or_the_lease_without_one() -> None:
    """A probe has the attempt's time and a margin, or 60 s when attempts have no limit."""
    assert CircuitBreakerConfig("orders", timeout=2.0).lease == 7.0
    assert CircuitBreakerConfig("orders", timeout=2.0, probe_margin=0).lease == 2.0
    assert CircuitBreakerConfig("orders", timeout=None).lease == 60.0
    assert CircuitBreakerConfig("orders", timeout=None, probe_lease=9).lease == 9.0
