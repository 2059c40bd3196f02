"""How long the calls of a process took since it last told of that, over all of its circuits."""

from __future__ import annotations

from array import array
from collections import Counter
from itertools import compress
from operator import ne

from ..core.machines.sketch import SIZE

NOTHING = array("I", bytes(4 * SIZE))


class Durations:
    """Differences between the counts of two readings of each circuit, summed up. One thread uses it."""

    def __init__(self) -> None:
        self._told: dict[int, array[int]] = {}
        self._counts: Counter[int] = Counter()

    def read(self, circuit: int, counts: array[int] | None, *, begins: bool, is_fresh: bool) -> None:
        """Take the counts of a circuit.

        Arguments:
            circuit: Which one.
            counts: Its counts since it began or was reset; None of none.
            begins: Whether what was counted so far is of no known age, and so is left out.
            is_fresh: Whether the circuit was not there at the last reading.
        """
        if counts is None:
            self._told.pop(circuit, None)
            return
        before, self._told[circuit] = self._told.get(circuit, NOTHING), counts
        if is_fresh:
            before = NOTHING
        if begins:
            return
        if any(now < then for now, then in zip(counts, before, strict=True)):  # it has been reset
            before = NOTHING
        for bucket in compress(range(SIZE), map(ne, counts, before)):
            self._counts[bucket] += counts[bucket] - before[bucket]

    def keep(self, circuits: set[int]) -> None:
        """Forget all other circuits."""
        for circuit in self._told.keys() - circuits:
            del self._told[circuit]

    def take(self) -> list[tuple[int, int]]:
        """Return buckets with the numbers of calls since the last time."""
        taken, self._counts = self._counts, Counter()
        return sorted(taken.items())
