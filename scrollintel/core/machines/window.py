"""What a circuit remembers of recent results, as totals that are always at hand."""

from __future__ import annotations

import sys
from array import array
from collections import deque
from math import floor
from typing import Protocol

BUCKETS = 10
"""Buckets of a time window; totals drop a whole bucket at a time (the scheme of Polly and resilience4j)."""

_FAILED, _SLOW = 1, 2


class Window(Protocol):
    """Recent results; `calls`, `failures` and `slow` are the totals after the latest method call."""

    @property
    def calls(self) -> int:
        """Results remembered."""

    @property
    def failures(self) -> int:
        """Failures among them."""

    @property
    def slow(self) -> int:
        """Slow ones among them."""

    def record(self, now: float, failed: bool, slow: bool) -> None:
        """Add one result."""

    def absorb(self, successes: int, now: float) -> None:
        """Add results that were neither failures nor slow, without looking at each."""

    def turn(self, now: float) -> None:
        """Forget what is too old at `now`."""

    def boundary(self) -> float:
        """Time at which the next `turn` changes something; infinite when only results do."""

    def clear(self, now: float) -> None:
        """Forget everything."""


class CountWindow:
    """The last `size` results, one byte each."""

    __slots__ = ("_next", "_ring", "_size", "calls", "failures", "slow")

    def __init__(self, size: int) -> None:
        self._size = size
        self._ring = bytearray()
        self._next = 0
        self.calls = self.failures = self.slow = 0

    def record(self, now: float, failed: bool, slow: bool) -> None:
        """Add one result, dropping the oldest of a full window."""
        mark = (_FAILED if failed else 0) | (_SLOW if slow else 0)
        ring = self._ring
        if len(ring) < self._size:
            ring.append(mark)
            self.calls += 1
        else:
            old = ring[self._next]
            self.failures -= old & _FAILED
            self.slow -= old >> 1
            ring[self._next] = mark
            self._next = (self._next + 1) % self._size
        self.failures += failed
        self.slow += slow

    def absorb(self, successes: int, now: float) -> None:
        """Add plain successes; more than `size` of them are as good as `size`."""
        if successes >= self._size:
            self._ring = bytearray(self._size)
            self._next = self.failures = self.slow = 0
            self.calls = self._size
            return
        for _ in range(successes):
            self.record(now, False, False)

    def latest(self, most: int) -> list[tuple[bool, bool]]:
        """Return the newest results, at most so many, oldest first: whether each failed, and whether it was slow."""
        ring = self._ring
        ordered = (ring[self._next :] + ring[: self._next])[-most:]
        return [(bool(mark & _FAILED), bool(mark & _SLOW)) for mark in ordered]

    def turn(self, now: float) -> None:
        """Do nothing: only results push results out."""

    def boundary(self) -> float:
        """Return infinity: time alone changes nothing."""
        return float("inf")

    def clear(self, now: float) -> None:
        """Forget everything."""
        self._ring = bytearray()
        self._next = self.calls = self.failures = self.slow = 0


class TimeWindow:
    """The results of the last `seconds`, in ten buckets: bucket number = floor(time / bucket length)."""

    __slots__ = ("_buckets", "_current", "_width", "calls", "failures", "slow")

    def __init__(self, seconds: float, now: float) -> None:
        self._width = seconds / BUCKETS
        self._buckets = array("Q", bytes(8 * 3 * BUCKETS))
        self._current = floor(now / self._width)
        self.calls = self.failures = self.slow = 0

    def turn(self, now: float) -> None:
        """Drop the buckets that `now` has left behind; a clock that goes back changes nothing."""
        number = floor(now / self._width)
        passed = number - self._current
        if passed <= 0:
            return
        if passed >= BUCKETS:
            self.clear(now)
            return
        buckets = self._buckets
        for step in range(self._current + 1, number + 1):
            place = step % BUCKETS * 3
            self.calls -= buckets[place]
            self.failures -= buckets[place + 1]
            self.slow -= buckets[place + 2]
            buckets[place] = buckets[place + 1] = buckets[place + 2] = 0
        self._current = number

    def record(self, now: float, failed: bool, slow: bool) -> None:
        """Add one result to the bucket of `now`."""
        self.turn(now)
        place = self._current % BUCKETS * 3
        self._buckets[place] += 1
        self.calls += 1
        if failed:
            self._buckets[place + 1] += 1
            self.failures += 1
        if slow:
            self._buckets[place + 2] += 1
            self.slow += 1

    def absorb(self, successes: int, now: float) -> None:
        """Add plain successes to the bucket that was current, because they came before `now`; then turn."""
        self._buckets[self._current % BUCKETS * 3] += successes
        self.calls += successes
        self.turn(now)

    def parts(self) -> list[tuple[float, int, int, int]]:
        """Return the start of each bucket that holds results with its calls, failures and slow ones, oldest first."""
        found = []
        for number in range(self._current - BUCKETS + 1, self._current + 1):
            calls, failures, slow = self._buckets[number % BUCKETS * 3 :][:3]
            if calls:
                found.append((number * self._width, calls, failures, slow))
        return found

    def boundary(self) -> float:
        """Return the end of the current bucket."""
        return (self._current + 1) * self._width

    def clear(self, now: float) -> None:
        """Forget everything and start at the bucket of `now`."""
        self._buckets = array("Q", bytes(8 * 3 * BUCKETS))
        self._current = floor(now / self._width)
        self.calls = self.failures = self.slow = 0


class FailureLog:
    """The times of the latest failures, as many as matter, for `n failures within t seconds`."""

    __slots__ = ("_seconds", "_times", "slow")

    def __init__(self, seconds: float, threshold: int) -> None:
        self._seconds = seconds
        self._times: deque[float] = deque(maxlen=min(threshold, sys.maxsize))
        self.slow = 0

    @property
    def failures(self) -> int:
        """Failures within the time, as of the latest method call."""
        return len(self._times)

    @property
    def calls(self) -> int:
        """The same as `failures`: successes are not remembered."""
        return len(self._times)

    def record(self, now: float, failed: bool, slow: bool) -> None:
        """Add a failure; successes leave no trace."""
        self.turn(now)
        if failed:
            self._times.append(now)

    def absorb(self, successes: int, now: float) -> None:
        """Do nothing but forget what is too old."""
        self.turn(now)

    def turn(self, now: float) -> None:
        """Forget failures that are `seconds` old or older."""
        times = self._times
        while times and now - times[0] >= self._seconds:
            times.popleft()

    def boundary(self) -> float:
        """Return infinity: while nothing failed there is nothing to forget."""
        return float("inf")

    def clear(self, now: float) -> None:
        """Forget everything."""
        self._times.clear()
