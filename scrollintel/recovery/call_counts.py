"""How many calls of a service ended, and how many of them badly, over the last three days."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from .burn import HOUR, PAIRS, Bucket

FINE = 30.0
"""Seconds of one count while it is younger than an hour."""
COARSE = 600.0
"""Seconds of one count after that."""
KEPT = max(long for _, long, _ in PAIRS)


class CallCounts:
    """Pure state of bounded size: at most 553 counts; times are monotonic seconds.

    What was counted before this process began is not known, so that a long window is as long as the process at most.
    """

    def __init__(self) -> None:
        self._fine: deque[list[float]] = deque()  # begin, calls, failures
        self._coarse: deque[list[float]] = deque()

    def add(self, now: float, calls: int, failures: int) -> None:
        """Count calls that have just ended.

        Arguments:
            now: Seconds; never less than the time before.
            calls: All of them.
            failures: Those that failed, among `calls`.
        """
        self._age(now)
        _add(self._fine, now - now % FINE, calls, failures)

    def buckets(self, now: float) -> Iterator[Bucket]:
        """Return what is known, for `burning`."""
        self._age(now)
        for counts, width in ((self._coarse, COARSE), (self._fine, FINE)):
            for begin, calls, failures in counts:
                yield Bucket(max(0.0, now - begin - width / 2.0), int(calls), int(failures))

    def _age(self, now: float) -> None:
        while self._fine and self._fine[0][0] + FINE <= now - HOUR:
            begin, calls, failures = self._fine.popleft()
            _add(self._coarse, begin - begin % COARSE, calls, failures)
        while self._coarse and self._coarse[0][0] + COARSE <= now - KEPT:
            self._coarse.popleft()


def _add(counts: deque[list[float]], begin: float, calls: float, failures: float) -> None:
    if not counts or counts[-1][0] < begin:
        counts.append([begin, 0.0, 0.0])
    counts[-1][1] += calls
    counts[-1][2] += failures
