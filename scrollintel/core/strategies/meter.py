"""Counting without a lock: what a healthy call leaves behind."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Sequence
from operator import add
from typing import TYPE_CHECKING, NamedTuple

from ..locks import new_lock
from ..machines.sketch import LatencySketch
from ..states import CircuitState

if TYPE_CHECKING:
    from ..snapshot import ResponseTimes

BATCH = 64
"""Durations that are kept as they are before they go into the sketch."""


class Counter:
    """A number that many threads raise without a lock.

    `step` is the iteration of a counter, one indivisible operation of the interpreter. Reading takes a number as
    well, so reads are counted and subtracted; they need the owner's lock.
    """

    __slots__ = ("_reads", "step")

    def __init__(self) -> None:
        self._reads = 0
        self.step: Callable[[], int] = itertools.count().__next__

    def read(self) -> int:
        """Return how often `step` was called by others."""
        number = self.step() - self._reads
        self._reads += 1
        return number


class SharedCounter:
    """A number that many threads raise and any may read."""

    __slots__ = ("_lock", "_number")

    def __init__(self) -> None:
        self._lock = new_lock()
        self._number = 0

    def add(self, number: int = 1) -> None:
        """Raise the number; a negative `number` lowers it."""
        with self._lock:
            self._number += number

    @property
    def value(self) -> int:
        """The number as it stands."""
        return self._number


class Counts:
    """Ends of attempts that took the long way; the owner's lock guards them.

    `durations` of them were appended to the owner's buffer.
    """

    __slots__ = ("abandoned", "durations", "failures", "ignored", "slow", "successes", "timeouts")

    def __init__(self) -> None:
        self.successes = self.failures = self.ignored = self.abandoned = 0
        self.slow = self.timeouts = self.durations = 0


def summarise(sketch: LatencySketch | None) -> ResponseTimes:
    """Return the quantiles of a sketch."""
    from ..snapshot import ResponseTimes

    if sketch is None or not sketch.count:
        return ResponseTimes()
    p50, p95, p99, maximum = sketch.quantiles(0.5, 0.95, 0.99, 1.0)
    mean = sketch.total / sketch.count
    return ResponseTimes(count=sketch.count, mean=mean, p50=p50, p95=p95, p99=p99, maximum=maximum)


class ReportMark(NamedTuple):
    """What tells whether a circuit has changed.

    `tally` holds successes, failures, slow, rejections, timeouts, late, ignored and abandoned.
    """

    era: int
    tally: tuple[int, int, int, int, int, int, int, int]
    consecutive_failures: int
    openings: int
    probes_in_flight: int


class CircuitFigures(NamedTuple):
    """What a circuit has counted, cheap enough to be read of a thousand circuits at once.

    Attributes:
        state, since: Present state, and when it was entered (seconds since 1970-01-01 UTC).
        changes: Changes of state so far.
        tally: Successes, failures, slow, rejections, timeouts, late, ignored and abandoned, as in `ReportMark`.
        buckets: Response times in each of the buckets of `CLASSIC_BOUNDS`, those beyond last.
        seconds: Sum of the response times.
    """

    state: CircuitState
    since: float
    changes: int
    tally: tuple[int, ...]
    buckets: Sequence[int]
    seconds: float

    def plus(self, other: CircuitFigures) -> CircuitFigures:
        """Return this with the counts of another circuit added."""
        return self._replace(
            changes=self.changes + other.changes,
            tally=tuple(map(add, self.tally, other.tally)),
            buckets=list(map(add, self.buckets, other.buckets)),
            seconds=self.seconds + other.seconds,
        )


class CircuitReading(NamedTuple):
    """The figures of a circuit as a report needs them.

    Attributes:
        mark: Identifies the figures, and holds the counts; the next reading is compared with it.
        state, reason, since: Present state, why it was entered, and when (seconds since 1970-01-01 UTC).
        retry_after: Seconds until the next probe, or None when the circuit is not open.
        response_times: Quantiles in seconds.
        last_failure: Class, text and time of the failure seen last, or None.
        buckets: Response times in each of the buckets of `CLASSIC_BOUNDS`, those beyond last.
        durations: How many calls have taken how long, by the buckets of `LatencySketch`; or None.
    """

    mark: ReportMark
    state: CircuitState
    reason: str
    since: float
    retry_after: float | None
    response_times: ResponseTimes
    last_failure: tuple[str, str, float] | None
    buckets: Sequence[int]
    durations: array[int] | None = None
