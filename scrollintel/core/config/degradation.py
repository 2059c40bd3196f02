"""The five degradation levels and when a service moves between them by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise

from ..errors import Violation
from .base import Config, boolean, integer, number


class DegradationLevel(IntEnum):
    """How much of a service is given up to keep the rest; ordered from nothing to almost all."""

    NONE = 0
    MINIMAL = 1
    MODERATE = 2
    SEVERE = 3
    CRITICAL = 4


@dataclass(frozen=True, slots=True)
class DegradationConfig(Config):
    """When a service's level follows its health by itself.

    An error rate, a latency, an open circuit and the level of a dependency each suggest a level; the highest
    counts. It rises at once and falls one level for each quiet period. The error rates are conventions of this
    library; twice the evaluation interval is the shortest sensible quiet period.

    Arguments:
        minimal_error_rate, moderate_error_rate, severe_error_rate, critical_error_rate: Share of failed calls
            from which each level is suggested, inclusive; above 0, at most 1, rising; defaults 0.05, 0.2, 0.5, 0.8.
        latency: Seconds of the 95th percentile from which `MINIMAL` is suggested, twice as much `MODERATE`;
            above 0, None (default) judges no latency. Where only a snapshot of a circuit or policy is known, the
            mean since the last evaluation is judged, because the quantiles of a snapshot reach back to its start.
        circuit_open_level: Level while a circuit of the service is open and admits no probe; default 3
            (`SEVERE`), 0 for none.
        follow_dependencies: Whether a dependency at `SEVERE` or worse lifts its dependents to the level two
            steps below its own; default True.
        restore_factor: A level is left only when the error rate and the latency are below this share of the
            threshold that leads to it, above 0 and at most 1; default 0.5.
        quiet_period: Seconds without a reason for the present level before it falls by one; above 0, default 30.
        minimum_calls: Calls an error rate or a latency must rest on; at least 1, default 10.
        automatic: False leaves the level to operators; default True.

    Raises:
        ConfigError: with every violation.
    """

    minimal_error_rate: float = field(default=0.05, metadata=number(above=True, maximum=1.0))
    moderate_error_rate: float = field(default=0.2, metadata=number(above=True, maximum=1.0))
    severe_error_rate: float = field(default=0.5, metadata=number(above=True, maximum=1.0))
    critical_error_rate: float = field(default=0.8, metadata=number(above=True, maximum=1.0))
    latency: float | None = field(default=None, metadata=number(above=True, unit="seconds", optional=True))
    circuit_open_level: int = field(default=3, metadata=integer(maximum=4))
    follow_dependencies: bool = field(default=True, metadata=boolean())
    restore_factor: float = field(default=0.5, metadata=number(above=True, maximum=1.0))
    quiet_period: float = field(default=30.0, metadata=number(above=True, unit="seconds"))
    minimum_calls: int = field(default=10, metadata=integer(minimum=1, unit="calls"))
    automatic: bool = field(default=True, metadata=boolean())

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check that the thresholds rise with the levels."""
        names = ("minimal_error_rate", "moderate_error_rate", "severe_error_rate", "critical_error_rate")
        for lower, upper in pairwise(names):
            if not broken & {lower, upper} and getattr(self, upper) <= getattr(self, lower):
                yield Violation(upper, getattr(self, upper), f"above {lower} ({getattr(self, lower):g})")
