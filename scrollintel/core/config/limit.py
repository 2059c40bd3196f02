"""Parameters of an adaptive concurrency limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from ..errors import Violation
from ..outcome import ErrorPredicate, ErrorSpec, ResultPredicate
from .base import Config, boolean, choice, errors, hook, integer, number

TIME_LIMITS: tuple[ErrorSpec, ...] = ("TimeoutError", "TimeoutException", "Timeout")
"""Errors that say that an answer did not come in time: Python's and this library's, and those of HTTP clients."""


class LimitAlgorithm(StrEnum):
    """How the limit follows what is measured; see `machines.limit_rules`."""

    AIMD = "aimd"
    GRADIENT2 = "gradient2"
    VEGAS = "vegas"


INITIAL_LIMIT = 20
"""Slots of a limit that nothing is said of."""


@dataclass(frozen=True, slots=True)
class AdaptiveLimitConfig(Config):
    """How many attempts may run at once, found out from response times instead of set by hand.

    Arguments:
        algorithm: `gradient2` (default), `vegas` or `aimd`.
        initial_limit: Slots until something has been learnt; default 20, or the bound that forbids these.
        min_limit: Fewest slots; default 1. With n clients of one server, n times this should not overload it.
        max_limit: Most slots; default 200.
        tolerance: Times the learnt response time that an answer may take on average before the limit shrinks; at
            least 1, default 1.5. `vegas` counts queued calls instead.
        max_waiting: Attempts that may wait for a slot, the most critical first; None (default) for `max_limit` in a
            burst and as many as there are slots when the line stands longer, 0 for none.
        max_wait: Seconds that an attempt may wait; None for as long as its deadline allows. Default 1.
        overload_exceptions: Errors that shrink the limit, as classes or names; time limits by default. Other errors
            count for nothing: they may be fast, and say nothing about the load.
        overload_predicate: True for errors that shrink the limit, instead of `overload_exceptions`.
        result_predicate: True for returned values that shrink the limit, such as responses with status 503.
        per_key: With `Policy.key`, whether each key has a limit of its own; default True.

    Raises:
        ConfigError: with every violation.

    Source: Netflix concurrency-limits (initial 20, up to 200, tolerance 1.5), failsafe-go (from 1).
    """

    algorithm: LimitAlgorithm = field(default=LimitAlgorithm.GRADIENT2, metadata=choice(LimitAlgorithm))
    initial_limit: int = field(default=INITIAL_LIMIT, metadata=integer(minimum=1, maximum=100_000, unit="calls"))
    min_limit: int = field(default=1, metadata=integer(minimum=1, maximum=100_000, unit="calls"))
    max_limit: int = field(default=200, metadata=integer(minimum=1, maximum=100_000, unit="calls"))
    tolerance: float = field(default=1.5, metadata=number(minimum=1.0, maximum=100.0))
    max_waiting: int | None = field(default=None, metadata=integer(maximum=1_000_000, unit="calls", optional=True))
    max_wait: float | None = field(default=1.0, metadata=number(above=True, unit="seconds", optional=True))
    overload_exceptions: tuple[ErrorSpec, ...] = field(default=TIME_LIMITS, metadata=errors())
    overload_predicate: ErrorPredicate | None = field(default=None, metadata=hook())
    result_predicate: ResultPredicate | None = field(default=None, metadata=hook())
    per_key: bool = field(default=True, metadata=boolean())

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Refuse bounds that contradict each other."""
        if broken & {"min_limit", "max_limit"}:
            return
        if self.min_limit > self.max_limit:
            yield Violation("min_limit", self.min_limit, f"at most max_limit ({self.max_limit})")
        elif "initial_limit" not in broken and self.initial_limit not in (INITIAL_LIMIT, self.first_limit):
            allowed = f"from min_limit ({self.min_limit}) to max_limit ({self.max_limit})"
            yield Violation("initial_limit", self.initial_limit, allowed)

    @property
    def first_limit(self) -> int:
        """Slots until something has been learnt, within the bounds."""
        return min(max(self.initial_limit, self.min_limit), self.max_limit)

    @property
    def longest_wait(self) -> float | None:
        """Seconds that an attempt may wait in line at most; None when only its deadline bounds that."""
        return 0.0 if self.max_waiting == 0 else self.max_wait
