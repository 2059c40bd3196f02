"""Whom a server serves when not everybody can be: by class, and within a class by user."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Any, Protocol

from ..config.admission import AdmissionConfig
from ..outcome import Verdict
from .line import Place, PriorityLine

CLASSES = 4
PER_CLASS = 125
LEVELS = CLASSES * PER_CLASS
"""Levels of importance, 0 to 499; each class has 125, the most critical one the highest."""
LESS, MORE = 0.95, 1.05
"""Share of what was served that the next period aims at, during an overload and after it."""
MOST_MISSED = 0.05
"""Share of the requests of sufficient level that may find neither a slot nor a place before that is an overload."""
SKEW = 0.25
"""Seconds that the clocks of a proxy and this server may differ by, so that requests seem to have waited."""
PATIENCE = 10
"""Periods after which a wait in front that has not become shorter is taken for that."""
_MASK = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15


class Slots(Protocol):
    """What limits the requests that run at once: a number, or an adaptive limit."""

    woken: list[Place[Any]]

    @property
    def limit(self) -> int:
        """Slots."""

    @property
    def running(self) -> int:
        """Slots in use."""

    @property
    def waiting(self) -> int:
        """Places taken in line."""

    def acquire(self, now: float, rank: int) -> Any:  # Any: whatever the limit keeps for a slot
        """Return a slot, a `Place` in line, or None."""

    def release(self, flight: Any, now: float, verdict: Verdict) -> None:
        """Give a slot back, with how the request ended."""

    def withdraw(self, place: Place[Any]) -> Any:
        """Leave the line; return the slot that was granted meanwhile, or None."""

    def keep(self, flights: list[Any], now: float) -> None:
        """Go on with an empty line and only these slots in use."""


class FixedSlots:
    """A limit that is set by hand, with a waiting line.

    Arguments:
        limit: Slots, at least 1.
        max_waiting: Places in line; None for as many as there are slots.

    Attributes:
        woken: Places that were granted or sent away since the list was emptied; the owner wakes their holders.
    """

    __slots__ = ("_bound", "_line", "limit", "running", "woken")

    def __init__(self, limit: int, max_waiting: int | None = None) -> None:
        self.limit = limit
        self.running = 0
        self.woken: list[Place[Any]] = []
        self._bound = limit if max_waiting is None else max_waiting
        self._line: PriorityLine[Any] = PriorityLine(CLASSES)

    @property
    def waiting(self) -> int:
        """Places taken in line."""
        return self._line.waiting

    def acquire(self, now: float, rank: int) -> Any:
        """Return True with a slot taken, a place in line, or None."""
        if self.running < self.limit:
            self.running += 1
            return True
        place, gone = self._line.join(rank, self._bound)
        if gone is not None:
            self.woken.append(gone)
        return place

    def release(self, flight: Any, now: float, verdict: Verdict) -> None:
        """Give a slot back; it passes to the most critical place in line."""
        if not self._line.waiting:
            self.running -= 1
            return
        place = self._line.first()
        place.slot = True
        place.granted = True
        self.woken.append(place)

    def withdraw(self, place: Place[Any]) -> Any:
        """Leave the line; return the slot that was granted meanwhile, or None."""
        if place.granted:
            return place.slot
        self._line.leave(place)
        return None

    def keep(self, flights: list[Any], now: float) -> None:
        """Go on with an empty line and only these slots in use."""
        self.running = len(flights)
        self._line.clear()
        self.woken.clear()


def level_of(rank: int, user: int | None, epoch: int, draw: float) -> int:
    """Return the level of a request, from 0 to 499; the same user has the same level for a whole epoch.

    Arguments:
        rank: Class, from 0, the most critical one, to 3.
        user: 64 bits that stand for the user, or None, which leaves the place within the class to chance.
        epoch: Number of the period after which users change places, so that nobody is last for ever.
        draw: Random number in [0, 1).
    """
    inside = int(draw * PER_CLASS) if user is None else _mixed(user ^ (epoch * _GOLDEN & _MASK)) % PER_CLASS
    return (CLASSES - 1 - rank) * PER_CLASS + inside


def _mixed(bits: int) -> int:
    """Return well mixed bits (the finalizer of SplitMix64)."""
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB & _MASK
    return bits ^ (bits >> 31)


class AdmissionMachine:
    """Rules of one server's admission. Pure and not thread-safe; the owner locks.

    A request of a level below the threshold is refused; any other takes a slot, or waits for one in line, where the
    more critical goes first. The threshold is set at the end of each period, from how many requests of each level came:
    at 95 % of what was served when requests had waited longer than `target_wait` for a slot on average, or all of them
    in front of the server, or more than 5 % found neither a slot nor a place; else at 105 % of the aim before. As soon
    as fewer come than that, nobody is refused by level any more. So one period after the start of an overload the least
    important requests are refused at once, and the same users for as long as it lasts, instead of whoever comes at a
    bad moment; and the line stays short.

    Of the waits in front the shortest one of a period counts, which a standing queue spares nobody (Nichols and
    Jacobson, "Controlling Queue Delay", 2012): a single request may be late for reasons of its own. Up to `SKEW` of
    what is there for `PATIENCE` periods, although fewer were served, is not a queue but the difference of two clocks.

    Source: Zhou and others (SoCC 2018), with what was really served in place of a guess as the starting point.

    Attributes:
        config: The configuration in force.
        threshold: Lowest level that is served, 0 to 499.
        slots: What limits the requests that run at once.
    """

    __slots__ = (
        "_came", "_capacity", "_ends_at", "_front", "_fronts", "_missed", "_served", "_waited", "config", "slots",
        "threshold",
    )  # fmt: skip

    def __init__(self, config: AdmissionConfig, slots: Slots, now: float) -> None:
        self.config = config
        self.slots = slots
        self.threshold = 0
        self._capacity = 1.0
        self._fronts: deque[float] = deque(maxlen=PATIENCE)
        self._front: float = inf
        self._restart(now)

    def enter(self, now: float, rank: int, level: int, front: float | None = None) -> Any | None:  # Any: see `Slots`
        """Return a slot, a place in line, or None when the request is refused.

        Arguments:
            now: Seconds on any scale that does not go back.
            rank: Class, from 0, the most critical one, to 3.
            level: See `level_of`.
            front: Seconds that it has waited in front of the server, or None when nobody knows.
        """
        if now >= self._ends_at:
            self._look(now)
        self._came[level] += 1
        if front is not None and front < self._front:
            self._front = front
        if level < self.threshold:
            return None
        answer = self.slots.acquire(now, rank)
        if answer is None:
            self._missed += 1
        return answer

    def served(self, waited: float) -> None:
        """Count a request that has its slot, after it had waited for it so many seconds."""
        self._served += 1
        self._waited += waited

    def withdraw(self, place: Place[Any], waited: float) -> Any | None:  # Any: see `Slots`
        """Leave the line; return the slot that was granted meanwhile, or None for a wait in vain of so many seconds."""
        slot = self.slots.withdraw(place)
        if slot is None:
            self._missed += 1
            self._waited += waited
        return slot

    def leave(self, slot: Any, now: float, verdict: Verdict) -> None:  # Any: see `Slots`
        """Give a slot back, once, with how the request ended."""
        self.slots.release(slot, now, verdict)

    def _look(self, now: float) -> None:
        """Set the threshold for the next period."""
        if now >= self._ends_at + self.config.period:
            self.threshold = 0  # nobody has come for a whole period
        else:
            passed = self._served + self._missed
            target = self.config.target_wait
            late = max(self._waited - target * passed, self._queue() - target) > 0.0
            if late or self._missed > MOST_MISSED * passed:
                self._capacity = max(1.0, self._served * LESS)
                self.threshold = self._quantile(self._capacity)
            elif self.threshold:
                self._capacity = self._capacity * MORE + 1.0
                self.threshold = self._quantile(self._capacity)
        self._restart(now)

    def _queue(self) -> float:
        """Return the seconds that nobody was spared in front of the server."""
        shortest = self._front
        if shortest == inf:
            return 0.0
        self._fronts.append(shortest)
        return shortest - min(SKEW, *self._fronts) if len(self._fronts) == PATIENCE else shortest

    def _quantile(self, goal: float) -> int:
        """Return the lowest level from which at most `goal` requests came."""
        left = goal
        for level in range(LEVELS - 1, -1, -1):
            left -= self._came[level]
            if left < 0.0:
                return min(level + 1, LEVELS - 1)
        return 0

    def _restart(self, now: float) -> None:
        self._ends_at = now + self.config.period
        self._came = [0] * LEVELS
        self._served = self._missed = 0
        self._waited = 0.0
        self._front = inf
