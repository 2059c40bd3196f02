"""Parameters of one circuit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum

from ..errors import Violation
from ..outcome import ErrorPredicate, ErrorSpec, HealthProbe, ResultPredicate
from .base import Config, boolean, choice, errors, hook, integer, name, number


class WindowKind(StrEnum):
    """What a circuit remembers of recent results.

    `CONSECUTIVE` counts failures in a row, `COUNT` judges the last calls, `TIME` the last seconds,
    `COUNT_IN_TIME` opens after a number of failures within a time, for calls too rare for a rate.
    """

    CONSECUTIVE = "consecutive"
    COUNT = "count"
    TIME = "time"
    COUNT_IN_TIME = "count_in_time"


class RampKind(StrEnum):
    """How traffic returns after closing: `TIME` over the seconds of `ramp`, `SUCCESS` with every call that succeeds."""

    TIME = "time"
    SUCCESS = "success"


class BreakerMode(StrEnum):
    """`ENABLED` protects, `DISABLED` neither records nor opens, `METRICS_ONLY` records and never opens."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    METRICS_ONLY = "metrics_only"


@dataclass(frozen=True, slots=True)
class CircuitBreakerConfig(Config):
    """When a circuit opens, how long it stays open, and what it takes to close it again.

    Arguments:
        name: Circuits are shared by name; 1 to 200 characters without control characters.
        failure_threshold: Failures that open the circuit: in a row, or within `window` seconds for
            `COUNT_IN_TIME`; unused with a rate window. At least 1 call, default 5.
        recovery_timeout: Seconds from opening to the first probe; above 0, default 60.
        success_threshold: Probes that must succeed to close; at least 1 call, default 3.
        timeout: Seconds that one attempt may take, or None for no limit; default 30.
        window_kind: What is remembered; default `CONSECUTIVE`.
        window: Calls (`COUNT`) or seconds (`TIME`, `COUNT_IN_TIME`) that are remembered; default 100 calls
            or 30 s.
        failure_rate: Share of failures in a window that opens, inclusive, 0 to 1; default 0.5.
        minimum_calls: Calls that a window must hold before rates are judged; default 10.
        slow_call_duration: Seconds above which a call is slow, or None to judge no slowness.
        slow_call_rate: Share of slow calls in a window that opens, inclusive; default 1.0.
        probes: Probes admitted at once while half-open; default 1.
        probe_margin: Seconds that a probe's lease exceeds `timeout`; default 5.
        probe_lease: Seconds of a probe's lease when there is no `timeout`; default 60.
        open_backoff: Factor by which the open period grows over consecutive openings; 1 (off) by default.
        max_recovery_timeout: Cap of the growing open period in seconds; default 900.
        open_jitter: Share by which an open period varies at random, 0 to 1; 0 by default.
        health_probe: Asks beside the calls, while the circuit is open, whether the service is well; plain or coroutine
            function, called with the key where the circuit has one. It says no by raising or by returning False.
            A yes makes the circuit half-open at once, so that calls decide; a no changes nothing. None by default.
        probe_interval: Seconds between two of its questions, spread by a quarter; above 0, default 5. It grows as the
            open period does.
        probe_timeout: Seconds after which a question counts as a no; above 0, default 5.
        ramp: Seconds over which traffic returns after closing, or None (the default) for all at once.
        ramp_start: Share of calls admitted when the ramp begins; default 0.1.
        ramp_kind: `TIME` (the default) for the ramp of those two fields. `SUCCESS` admits one call at a time after
            closing, one more with every success and half as many, at least one, with every failure.
        ramp_limit: Calls at once from which a success-driven ramp is over; at least 2, default 64.
        failure_exceptions: Errors that count as failures; every `Exception` by default.
        ignored_exceptions: Errors that count for nothing; none by default.
        failure_predicate: Decides on an error instead of `failure_exceptions`; True counts as a failure. An error
            in `ignored_exceptions` is ignored before it is asked.
        result_predicate: True for a returned value that counts as a failure, such as an HTTP 503.
        mode: Enabled, disabled or metrics only; default enabled.
        response_times: Whether response times are measured; default True.
        history: State changes that are kept; default 32.

    Raises:
        ConfigError: with every violation.

    Defaults follow Polly, resilience4j and gobreaker; the lease and the success-driven ramp are this library's own.
    """

    name: str = field(metadata=name())
    failure_threshold: int = field(default=5, metadata=integer(minimum=1, unit="calls"))
    recovery_timeout: float = field(default=60.0, metadata=number(above=True, unit="seconds"))
    success_threshold: int = field(default=3, metadata=integer(minimum=1, unit="calls"))
    timeout: float | None = field(default=30.0, metadata=number(above=True, unit="seconds", optional=True))
    _: KW_ONLY
    window_kind: WindowKind = field(default=WindowKind.CONSECUTIVE, metadata=choice(WindowKind))
    window: float | None = field(default=None, metadata=number(above=True, unit="calls or seconds", optional=True))
    failure_rate: float = field(default=0.5, metadata=number(above=True, maximum=1.0))
    minimum_calls: int = field(default=10, metadata=integer(minimum=1, unit="calls"))
    slow_call_duration: float | None = field(default=None, metadata=number(above=True, unit="seconds", optional=True))
    slow_call_rate: float = field(default=1.0, metadata=number(above=True, maximum=1.0))
    probes: int = field(default=1, metadata=integer(minimum=1, unit="calls"))
    probe_margin: float = field(default=5.0, metadata=number(unit="seconds"))
    probe_lease: float = field(default=60.0, metadata=number(above=True, unit="seconds"))
    open_backoff: float = field(default=1.0, metadata=number(minimum=1.0, maximum=100.0))
    max_recovery_timeout: float = field(default=900.0, metadata=number(above=True, unit="seconds"))
    open_jitter: float = field(default=0.0, metadata=number(maximum=1.0))
    health_probe: HealthProbe | None = field(default=None, metadata=hook())
    probe_interval: float = field(default=5.0, metadata=number(above=True, unit="seconds"))
    probe_timeout: float = field(default=5.0, metadata=number(above=True, unit="seconds"))
    ramp: float | None = field(default=None, metadata=number(above=True, unit="seconds", optional=True))
    ramp_start: float = field(default=0.1, metadata=number(above=True, maximum=1.0))
    ramp_kind: RampKind = field(default=RampKind.TIME, metadata=choice(RampKind))
    ramp_limit: int = field(default=64, metadata=integer(minimum=2, maximum=100_000, unit="calls"))
    failure_exceptions: Iterable[ErrorSpec] = field(default=(Exception,), metadata=errors())
    ignored_exceptions: Iterable[ErrorSpec] = field(default=(), metadata=errors())
    failure_predicate: ErrorPredicate | None = field(default=None, metadata=hook())
    result_predicate: ResultPredicate | None = field(default=None, metadata=hook())
    mode: BreakerMode = field(default=BreakerMode.ENABLED, metadata=choice(BreakerMode))
    response_times: bool = field(default=True, metadata=boolean())
    history: int = field(default=32, metadata=integer(minimum=1, maximum=10_000, unit="state changes"))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check the fields that must agree with each other."""
        if "open_backoff" not in broken and self.open_backoff > 1.0 and not broken & _OPEN_FIELDS:
            if self.max_recovery_timeout < self.recovery_timeout:
                allowed = f"at least recovery_timeout ({self.recovery_timeout:g} seconds)"
                yield Violation("max_recovery_timeout", self.max_recovery_timeout, allowed)
        if not broken & {"ramp", "ramp_kind"} and self.ramp is not None and self.ramp_kind is RampKind.SUCCESS:
            yield Violation("ramp", self.ramp, "None when ramp_kind is success, because calls and not seconds end it")
        if broken & {"window", "window_kind"}:
            return
        if self.window_kind is WindowKind.CONSECUTIVE:
            if self.window is not None:
                yield Violation("window", self.window, "None unless window_kind is count, time or count_in_time")
            if self.slow_call_duration is not None:
                allowed = "None unless window_kind is count or time, because slowness is judged as a rate"
                yield Violation("slow_call_duration", self.slow_call_duration, allowed)
        elif self.window_kind is WindowKind.COUNT:
            yield from self._count_window_conflicts(broken)
        else:
            if self.window_size < MIN_WINDOW_SECONDS:
                yield Violation("window", self.window, f"at least {MIN_WINDOW_SECONDS:g} seconds")
            if self.window_kind is WindowKind.COUNT_IN_TIME and self.slow_call_duration is not None:
                yield Violation("slow_call_duration", self.slow_call_duration, "None for window_kind count_in_time")

    def _count_window_conflicts(self, broken: set[str]) -> Iterator[Violation]:
        size = self.window_size
        if not 1 <= size <= MAX_WINDOW_CALLS or size != int(size):
            yield Violation("window", self.window, f"a whole number of 1 to {MAX_WINDOW_CALLS} calls")
        elif "minimum_calls" not in broken and self.minimum_calls > size:
            yield Violation("minimum_calls", self.minimum_calls, f"at most the window of {size:g} calls")

    @property
    def window_size(self) -> float:
        """Calls or seconds that the window holds, with the default for its kind."""
        if self.window is not None:
            return self.window
        return 100.0 if self.window_kind is WindowKind.COUNT else 30.0

    @property
    def lease(self) -> float:
        """Seconds after which a probe that did not return counts as failed."""
        return self.probe_lease if self.timeout is None else self.timeout + self.probe_margin


_OPEN_FIELDS = {"recovery_timeout", "max_recovery_timeout"}
MAX_WINDOW_CALLS = 10_000
MIN_WINDOW_SECONDS = 0.001
