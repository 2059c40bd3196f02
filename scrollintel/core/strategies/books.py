"""What one circuit has counted."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import FailureSummary
from ..locks import new_lock
from ..machines.sketch import CLASSIC_BOUNDS, LatencySketch
from ..outcome import Verdict
from .meter import BATCH, Counter, Counts

if TYPE_CHECKING:
    from ..snapshot import Tally

SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED
_RAN = (SUCCESS, FAILURE)
NO_TIMES: Sequence[int] = (0,) * (len(CLASSIC_BOUNDS) + 1)


class Books:
    """Counts, response times and last failure, and the lock that guards all of them but what takes the short way.

    Drivers leave a success there without the lock: they append its duration to `durations` and call `fold` when there
    are enough of them, or call `next_success` when durations are not measured. A circuit is its books instead of
    holding them, because a call would pay for the step from one to the other.
    """

    __slots__ = (
        "_counts", "_failure", "_lock", "_plain", "_pulled", "_rejected", "_sketch", "_summary", "durations",
        "next_success",
    )  # fmt: skip

    def __init__(self) -> None:
        self._lock = new_lock()
        self._forget_counts()

    def _forget_counts(self, *, plain: bool = False) -> None:
        self.durations = array("d")
        self._sketch: LatencySketch | None = None
        self._counts: Counts | None = None
        self._plain: Counter | None = Counter() if plain else None
        self._rejected: Counter | None = None
        self._failure: tuple[str, str, float] | None = None
        self._summary: tuple[tuple[str, str, float], FailureSummary] | None = None
        self._pulled = 0
        self.next_success: Callable[[], object] = _unprepared if self._plain is None else self._plain.step

    def fold(self) -> None:
        """Move the buffered durations into the sketch."""
        # Not `acquire(blocking=False)`: what a signal handler raises right behind that would leave the lock taken.
        with self._lock:
            self._fold()

    def count_plainly(self) -> None:
        """Make the counter for successes whose durations are not measured."""
        with self._lock:
            if self._plain is None:
                self._plain = Counter()
                self.next_success = self._plain.step

    def count_refusal(self) -> None:
        """Count an attempt that did not start."""
        rejected = self._rejected
        if rejected is None:
            with self._lock:
                rejected = self._rejected = self._rejected or Counter()
        rejected.step()

    @property
    def last_failure(self) -> FailureSummary | None:
        """The failure seen last, or None."""
        failure = self._failure
        if failure is None:
            return None
        # Read and kept without the lock: what is kept tells what it was made from, so no newer failure is lost.
        made = self._summary
        if made is not None and made[0] is failure:
            return made[1]
        summary = FailureSummary(*failure)
        self._summary = (failure, summary)
        return summary

    def sketch(self) -> LatencySketch | None:
        """Return a copy of the measured response times, or None without any."""
        with self._lock:
            self._fold()
            return None if self._sketch is None else self._sketch.merge(())

    def quantile(self, q: float) -> tuple[float | None, int]:
        """Return a quantile of the response times in seconds, and how many it rests on."""
        with self._lock:
            self._fold()
            sketch = self._sketch
            return (None, 0) if sketch is None else (sketch.quantile(q), sketch.count)

    # ------------------------------------------------------------------ inside; the lock is held

    def _count(
        self,
        verdict: Verdict,
        failure: tuple[str, str, float] | None,
        elapsed: float | None,
        slow: bool,
        timed_out: bool,
    ) -> None:
        """Count an attempt that took the long way; `elapsed` is None when its duration is not to be recorded."""
        counts = self._counts
        if counts is None:
            counts = self._counts = Counts()
        if verdict is SUCCESS:
            counts.successes += 1
        elif failure is not None:
            counts.failures += 1
            counts.timeouts += timed_out
            self._failure = failure
        elif verdict is IGNORED:
            counts.ignored += 1
        else:
            counts.abandoned += 1
        if slow:
            counts.slow += 1
        if elapsed is not None and verdict in _RAN:
            counts.durations += 1
            self.durations.append(elapsed)
            if len(self.durations) >= BATCH:
                self._fold()

    def _fold(self) -> None:
        durations = self.durations
        number = len(durations)
        if number:
            batch = durations[:number]
            del durations[:number]
            if self._sketch is None:
                self._sketch = LatencySketch()
            self._sketch.add(batch)

    def _unlocked_successes(self) -> int:
        """Return the successes that took the short way: appended durations but those of `_count`, plus plain ones."""
        number = len(self.durations) + (0 if self._sketch is None else self._sketch.count)
        if self._counts is not None:
            number -= self._counts.durations
        return number if self._plain is None else number + self._plain.read()

    def _pull(self) -> int:
        """Return how many successes took the short way since the last pull."""
        number = self._unlocked_successes()
        news, self._pulled = number - self._pulled, number
        return news

    def _ends(self, late: int) -> tuple[int, int, int, int, int, int, int, int]:
        """Return the counts in the order of `ReportMark`; what took the short way has been pulled just now."""
        counts = self._counts or Counts()
        rejections = 0 if self._rejected is None else self._rejected.read()
        return (
            self._pulled + counts.successes, counts.failures, counts.slow, rejections, counts.timeouts,
            late, counts.ignored, counts.abandoned,
        )  # fmt: skip

    def _tally(self, late: int) -> Tally:
        from ..snapshot import Tally

        counts = self._counts or Counts()
        return Tally(
            successes=self._unlocked_successes() + counts.successes,
            failures=counts.failures,
            slow=counts.slow,
            ignored=counts.ignored,
            abandoned=counts.abandoned,
            late=late,
            rejections=0 if self._rejected is None else self._rejected.read(),
            timeouts=counts.timeouts,
        )

    def _buckets(self) -> tuple[Sequence[int], float]:
        """Return the response times in coarse buckets, and their sum."""
        sketch = self._sketch
        return (NO_TIMES, 0.0) if sketch is None else sketch.classic()


def _unprepared() -> object:
    raise AssertionError("a lane that does not measure durations makes the counter first")
