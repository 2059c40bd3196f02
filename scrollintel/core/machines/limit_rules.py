"""How an adaptive limit follows what is measured: AIMD, Gradient2 and Vegas."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf, log10, sqrt
from typing import NamedTuple

from ..config.limit import LimitAlgorithm

_SMOOTHING = 0.2
_STEEPEST = 0.5
_BACKOFF = 0.9
_PAIRS, _ENOUGH_PAIRS = 50, 10
_SIGNIFICANT = 2.0


class Reading(NamedTuple):
    """What one window says.

    Attributes:
        limit: The limit as it stands.
        ratio: The learnt response time divided by the present one, the latter less its noise; 1 when nobody queues.
        tolerance: How many times the learnt one the present one may be.
        overloads: Share of the samples that told of overload, from 0 to 1.
        peak: Calls in flight at most.
        throughput: Answers per second.
    """

    limit: float
    ratio: float
    tolerance: float
    overloads: float
    peak: int
    throughput: float

    @property
    def used(self) -> bool:
        """Whether at least half of the limit was in use; otherwise there is no reason to let it grow."""
        return self.peak >= self.limit / 2.0

    @property
    def gradient(self) -> float:
        """By how much the limit should be multiplied: 1 within the tolerance, and 0.5 at least."""
        return max(_STEEPEST, min(1.0, self.tolerance * self.ratio))


Rule = Callable[[Reading], float]
"""Returns the next limit, which the machine keeps within its bounds."""


class Aimd:
    """One slot more after each window within the tolerance, a tenth less after each beyond it.

    Source: TCP's additive increase and multiplicative decrease (Chiu and Jain, 1989), with the factor of Netflix
    concurrency-limits; the bound on the response time is learnt instead of given.
    """

    __slots__ = ()

    def __call__(self, reading: Reading) -> float:
        """Return the next limit."""
        if reading.gradient < 1.0:
            return reading.limit * _BACKOFF
        return reading.limit + 1.0 if reading.used else reading.limit


class Gradient2:
    """Shrinks by the gradient of the response time, and grows by the square root of the limit, a fifth of it a window.

    Source: Gradient2 of Netflix concurrency-limits, with three differences. It shrinks at once to what the gradient
    says, by half at most as TCP does, because at the start of an overload the queue grows while one hesitates. What it
    adds for queueing it adds only within the tolerance: otherwise a baseline that is too low would hold the limit where
    it is, and there it could never be corrected; so it goes down to the smallest limit, where the baseline is learnt
    anew. Up to half of the limit before the first or the last overload it grows by a fifth each window, as TCP does in
    slow start, so that what an overload has cost is back within seconds.
    """

    __slots__ = ("_shrinking", "_threshold")

    def __init__(self) -> None:
        self._threshold = inf
        self._shrinking = False

    def __call__(self, reading: Reading) -> float:
        """Return the next limit."""
        limit, gradient = reading.limit, reading.gradient
        if gradient < 1.0:
            if not self._shrinking:
                self._threshold = limit / 2.0
            self._shrinking = True
            return limit * gradient
        self._shrinking = False
        if not reading.used:
            return limit
        return limit + _SMOOTHING * (limit if limit < self._threshold else sqrt(limit))


class Correlation:
    """The correlation (Pearson's r) of the last 50 pairs of numbers."""

    __slots__ = ("_pairs",)

    def __init__(self) -> None:
        self._pairs: deque[tuple[float, float]] = deque(maxlen=_PAIRS)

    def add(self, x: float, y: float) -> None:
        """Add a pair."""
        self._pairs.append((x, y))

    def clear(self) -> None:
        """Forget all pairs."""
        self._pairs.clear()

    @property
    def negative(self) -> bool:
        """Whether one falls as the other grows, beyond what chance makes of so many pairs; at least ten are needed."""
        count = len(self._pairs)
        if count < _ENOUGH_PAIRS:
            return False
        mean_x = sum(x for x, _ in self._pairs) / count
        mean_y = sum(y for _, y in self._pairs) / count
        both = sum((x - mean_x) * (y - mean_y) for x, y in self._pairs)
        of_x = sum((x - mean_x) ** 2 for x, _ in self._pairs)
        of_y = sum((y - mean_y) ** 2 for _, y in self._pairs)
        if not of_x or not of_y:
            return False
        return both / sqrt(of_x * of_y) < -_SIGNIFICANT / sqrt(count)


class Vegas:
    """Keeps a few calls queued at the dependency, as many as the response time tells, and no more.

    Of `limit` calls in flight, `limit * (1 - ratio)` queue. Below 3 times the logarithm of the limit (at least 1) it
    grows, above 6 times it shrinks, by the logarithm or half of what is too much; half of it goes when half of the
    answers tell of overload. When more calls in flight go with fewer answers per second, it shrinks whatever the
    response time is, and it grows only while that is not so.

    Source: TCP Vegas (Brakmo and Peterson, 1995) as in Netflix concurrency-limits; the correlation of throughput and
    calls in flight as in failsafe-go and Uber's Cinnamon.
    """

    __slots__ = ("_correlation",)

    def __init__(self) -> None:
        self._correlation = Correlation()

    def __call__(self, reading: Reading) -> float:
        """Return the next limit."""
        limit = reading.limit
        if reading.used:
            self._correlation.add(reading.peak, reading.throughput)
        step = max(1.0, log10(limit))
        queue = limit * (1.0 - min(1.0, reading.ratio))
        if reading.overloads >= 0.5:
            return limit * _STEEPEST
        if queue > 6.0 * step:
            return limit - max(step, (queue - 6.0 * step) / 2.0)
        if not reading.used:
            return limit
        if self._correlation.negative:
            return limit - step
        if queue <= step:
            return limit + 6.0 * step
        return limit + step if queue < 3.0 * step else limit


RULES: dict[LimitAlgorithm, Callable[[], Rule]] = {
    LimitAlgorithm.AIMD: Aimd,
    LimitAlgorithm.GRADIENT2: Gradient2,
    LimitAlgorithm.VEGAS: Vegas,
}
