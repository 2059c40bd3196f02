"""Parameters of a pool of hosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..errors import Violation
from ..outcome import ErrorPredicate, ErrorSpec
from .base import Config, errors, hook, integer, number


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierConfig(Config):
    """When a host of a pool is taken out, for how long, and how it comes back.

    Arguments:
        consecutive_failures: Failures in a row that eject a host; at least 1, default 5.
        success_rate_factor: Standard deviations below the mean success rate of the pool from which a host is
            ejected; default 1.9.
        minimum_hosts: Hosts with enough calls before success rates are compared; at least 2, default 5.
        minimum_calls: Calls of a host within an interval before its success rate is looked at; default 100.
        interval: Seconds between two comparisons; above 0, default 10.
        ejection_time: Seconds of the first ejection; the n-th lasts n times as long; default 30.
        max_ejection_time: Cap of an ejection in seconds; at least `ejection_time`, default 300.
        max_ejection_share: Share of the hosts that may be out at once, 0 to 1, but one host always; default 0.1.
        panic_threshold: Share of admitted hosts below which all hosts are used, because those that are left could not
            bear the load; 0 to 1, 0 is never; default 0.5.
        slow_start: Seconds over which a host that comes back gets its full share of the calls, or None for at once;
            default 60.
        slow_start_aggression: Above 1 the share grows faster at first, below 1 more slowly; above 0, default 1.
        failure_exceptions: Errors that count as failures; every `Exception` by default.
        ignored_exceptions: Errors that count for nothing; none by default.
        failure_predicate: Decides on an error instead of `failure_exceptions`.

    Raises:
        ConfigError: with every violation.

    Rules and defaults are those of Envoy's outlier detection; slow start is off there unless asked for.
    """

    consecutive_failures: int = field(default=5, metadata=integer(minimum=1, unit="calls"))
    success_rate_factor: float = field(default=1.9, metadata=number(above=True, maximum=100.0))
    minimum_hosts: int = field(default=5, metadata=integer(minimum=2, unit="hosts"))
    minimum_calls: int = field(default=100, metadata=integer(minimum=1, unit="calls"))
    interval: float = field(default=10.0, metadata=number(above=True, unit="seconds"))
    ejection_time: float = field(default=30.0, metadata=number(above=True, unit="seconds"))
    max_ejection_time: float = field(default=300.0, metadata=number(above=True, unit="seconds"))
    max_ejection_share: float = field(default=0.1, metadata=number(maximum=1.0))
    panic_threshold: float = field(default=0.5, metadata=number(maximum=1.0))
    slow_start: float | None = field(default=60.0, metadata=number(above=True, unit="seconds", optional=True))
    slow_start_aggression: float = field(default=1.0, metadata=number(above=True, maximum=100.0))
    failure_exceptions: Iterable[ErrorSpec] = field(default=(Exception,), metadata=errors())
    ignored_exceptions: Iterable[ErrorSpec] = field(default=(), metadata=errors())
    failure_predicate: ErrorPredicate | None = field(default=None, metadata=hook())

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check the fields that must agree with each other."""
        if not broken & {"ejection_time", "max_ejection_time"} and self.max_ejection_time < self.ejection_time:
            allowed = f"at least ejection_time ({self.ejection_time:g} seconds)"
            yield Violation("max_ejection_time", self.max_ejection_time, allowed)
