"""Counting without a lock: what a healthy call leaves behind."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..locks import new_lock

if TYPE_CHECKING:
    pass

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
