"""How long answers take now, and how long they take when nobody queues."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, sqrt
from typing import NamedTuple

CAP = 10.0
"""Times the baseline that one sample counts at most, so that a single call that never ends is one voice among many."""
FIRST_SAMPLES = 10
_ERRORS = 3.0  # standard errors: noise lets a healthy window look slow once in seven hundred times
_SPREAD = 1.25  # standard deviations in a mean deviation, for a normal distribution
_MOST, _MOST_ALONE = 0.1, 0.3  # share of one window in the baseline at most, which is what long response times need
_NEAR = 1.25
_FIRST_SECONDS, _FIRST_LATENCIES = 1.0, 10.0

STEADY = 20.0
ALONE = 2.5
FULL = 600.0
"""Seconds in which the baseline covers 63 % of the way to what is measured; see `Baseline.learn`."""


class Sample(NamedTuple):
    """The mean of some response times, and how sure it is.

    Attributes:
        number: Response times.
        mean, deviation: Their mean and their standard deviation, in seconds.
    """

    number: int
    mean: float
    deviation: float


class LatencyWindow:
    """Response times since `started`. Pure and not thread-safe; the owner locks.

    Attributes:
        answers: Response times.
        overloads: Ends that told of overload.
        peak: Calls in flight at most.
    """

    __slots__ = ("_squares", "_total", "answers", "overloads", "peak", "started")

    def __init__(self, now: float) -> None:
        self.restart(now, 0)

    def restart(self, now: float, running: int) -> None:
        """Begin anew with `running` calls in flight."""
        self.started = now
        self.answers = self.overloads = 0
        self._total = self._squares = 0.0
        self.peak = running

    def add(self, seconds: float) -> None:
        """Add one response time."""
        self.answers += 1
        self._total += seconds
        self._squares += seconds * seconds

    def sample(self, late: float = 0.0, overload: float = 0.0) -> Sample | None:
        """Return the mean of the response times; None when there is nothing to tell.

        Arguments:
            late: Seconds that calls which should have ended have run meanwhile, which count with what the others took.
            overload: Seconds that each overload counts; 0 to leave them out.
        """
        extra = self.overloads if overload else 0
        count = self.answers + extra
        if not count:
            return Sample(1, late, 0.0) if late else None
        mean = (self._total + extra * overload + late) / count
        squares = (self._squares + extra * overload * overload) / count
        variance = max(0.0, squares - (mean - late / count) ** 2)
        return Sample(count, mean, sqrt(variance * count / (count - 1)) if count > 1 else 0.0)

    def first(self, now: float, ages: Sequence[float]) -> Sample | None:
        """Return an estimate when there is enough to begin with, else None.

        The time of all calls, also of those that still run, is divided by the number of those that ended: the mean of
        the ended ones alone would prefer the fast ones.
        """
        if self.answers < FIRST_SAMPLES or self.overloads > self.answers:
            return None
        mean = (self._total + sum(ages)) / self.answers
        if now - self.started < max(_FIRST_SECONDS, _FIRST_LATENCIES * mean):
            return None
        ended = self.sample()
        assert ended is not None
        return ended._replace(mean=mean)


class Baseline:
    """The response time of the dependency when calls do not queue, as an average that follows slowly.

    Source: the long-term average of Gradient2 (Netflix concurrency-limits), whose memory of 600 samples is replaced by
    times, and mean and mean deviation after Jacobson and Karels, "Congestion Avoidance and Control", 1988.
    """

    __slots__ = ("_deviation", "mean")

    def __init__(self) -> None:
        self.mean: float | None = None
        self._deviation = 0.0

    @property
    def overdue(self) -> float:
        """Age from which a call in flight is late beyond doubt: mean and four mean deviations, as in TCP (RFC 6298)."""
        return inf if self.mean is None else self.mean + 4.0 * self._deviation

    @property
    def cap(self) -> float:
        """Seconds that one sample counts at most."""
        return inf if self.mean is None else self.mean * CAP

    def late(self, starts: Sequence[float], now: float, since: float) -> float:
        """Return the seconds that late calls have run since a window began, `cap` each at most.

        Only what falls into the window counts: a long call that is counted whole in each window anew outweighs many
        short ones, and heavy tails look like an overload.

        Arguments:
            starts: When each call in flight began, the oldest first.
            now: Seconds.
            since: When the window began.
        """
        latest, most, late = now - self.overdue, self.cap, 0.0
        for started in starts:
            if started >= latest:
                break
            late += min(most, now - max(started, since))
        return late

    def begin(self, sample: Sample) -> None:
        """Start with a first sample."""
        self.mean = max(sample.mean, 1e-9)
        self._deviation = sample.deviation / _SPREAD

    def lower_bound(self, sample: Sample) -> float:
        """Return what the response time is at least, beyond the noise of a small or scattered sample."""
        deviation = max(sample.deviation, _SPREAD * self._deviation)
        return max(1e-9, sample.mean - _ERRORS * deviation / sqrt(sample.number))

    def trails(self, sample: Sample) -> bool:
        """Tell whether a sample is longer by more than a quarter, beyond its noise."""
        return self.mean is not None and self.lower_bound(sample) > self.mean * _NEAR

    def learn(self, sample: Sample, elapsed: float, *, full: bool, alone: bool) -> None:
        """Move towards a sample, by the share that its time has.

        Up and down it goes within `STEADY` seconds while there are free slots: at the same pace, because one that fell
        faster would lie below the mean of response times that vary, and take healthy ones for slow. While all slots are
        taken (`full`) longer answers may be slow because of us, so it takes `FULL` seconds. At the smallest limit
        (`alone`) they cannot be, and what they take is taken over within `ALONE` seconds; Envoy measures its smallest
        response time in the same way.
        """
        assert self.mean is not None
        seconds = STEADY
        if sample.mean > self.mean and (alone or full):
            seconds = ALONE if alone else FULL
        share = min(_MOST_ALONE if seconds == ALONE else _MOST, 1.0 - exp(-elapsed / seconds))
        self.mean = max(1e-9, self.mean + (sample.mean - self.mean) * share)
        if sample.number > 1:
            self._deviation += (sample.deviation / _SPREAD - self._deviation) * share
