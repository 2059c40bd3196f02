"""When outcomes open a circuit, and for how long: what a configuration says of both."""

from __future__ import annotations

from ..config.breaker import CircuitBreakerConfig, WindowKind
from .window import CountWindow, FailureLog, TimeWindow, Window


def window_of(config: CircuitBreakerConfig, now: float) -> Window | None:
    """Return an empty window of the configured kind; None when only failures in a row count."""
    if config.window_kind is WindowKind.COUNT:
        return CountWindow(int(config.window_size))
    if config.window_kind is WindowKind.TIME:
        return TimeWindow(config.window_size, now)
    if config.window_kind is WindowKind.COUNT_IN_TIME:
        return FailureLog(config.window_size, config.failure_threshold)
    return None


def extent(config: CircuitBreakerConfig) -> tuple[object, ...]:
    """Return what decides how much a window remembers."""
    kind = config.window_kind
    if kind is WindowKind.CONSECUTIVE:
        return (kind,)
    if kind is WindowKind.COUNT_IN_TIME:
        return (kind, config.window_size, config.failure_threshold)
    return (kind, config.window_size)


def reason_to_open(config: CircuitBreakerConfig, window: Window | None, failures: int, failed: bool) -> str | None:
    """Return why the circuit opens after an outcome, or None.

    Arguments:
        config: The configuration of the circuit.
        window: What it remembers, that outcome included.
        failures: Failures in a row.
        failed: Whether that outcome was a failure.
    """
    if window is None:
        if failed and failures >= config.failure_threshold:
            return f"{failures} failures in a row"
        return None
    if config.window_kind is WindowKind.COUNT_IN_TIME:
        if failed and window.failures >= config.failure_threshold:
            return f"{window.failures} failures within {config.window_size:g} s"
        return None
    calls = window.calls
    if calls < config.minimum_calls:
        return None
    if window.failures and window.failures / calls >= config.failure_rate:
        return f"{window.failures} of {calls} calls failed"
    if window.slow and window.slow / calls >= config.slow_call_rate:
        return f"{window.slow} of {calls} calls were slow"
    return None


def open_period(config: CircuitBreakerConfig, openings: int) -> float:
    """Return the seconds for which a circuit opens after `openings` earlier ones in a row, before jitter."""
    if config.open_backoff <= 1.0:
        return config.recovery_timeout
    # The exponent is bounded so that a power of any base stays finite; the cap is reached long before.
    grown = config.recovery_timeout * config.open_backoff ** min(openings, 150)
    return min(config.max_recovery_timeout, grown)
