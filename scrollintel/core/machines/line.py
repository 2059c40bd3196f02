"""A bounded waiting line in which the more critical goes first."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Generic, TypeVar

from .slots import Ticket

S = TypeVar("S")


class Place(Ticket, Generic[S]):
    """A place in the line.

    Attributes:
        rank: Class of its holder, from 0, the most critical one.
        slot: What the place was granted.
        owner: Free for the owner's use.
    """

    __slots__ = ("owner", "rank", "slot")

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.rank = rank
        self.slot: S | None = None
        self.owner: Any = None


class PriorityLine(Generic[S]):
    """Places by rank, and by arrival within a rank. Pure and not thread-safe; the owner locks.

    A full line takes a newcomer only in place of somebody less critical: the latest of the least critical rank goes.

    Arguments:
        ranks: Number of ranks.
    """

    __slots__ = ("_ranks", "waiting")

    def __init__(self, ranks: int) -> None:
        # Ordered by arrival, and a place is left from anywhere in constant time.
        self._ranks: tuple[OrderedDict[Place[S], None], ...] = tuple(OrderedDict() for _ in range(ranks))
        self.waiting = 0

    def join(self, rank: int, bound: int) -> tuple[Place[S] | None, Place[S] | None]:
        """Return the new place, or None when there is none, and who had to go for it, or None."""
        gone = None
        if self.waiting >= bound:
            gone = self._drop_below(rank)
            if gone is None:
                return None, None
        place: Place[S] = Place(rank)
        self._ranks[rank][place] = None
        self.waiting += 1
        return place, gone

    def first(self) -> Place[S]:
        """Take who is next out of the line; there must be somebody."""
        for line in self._ranks:
            if line:
                self.waiting -= 1
                return line.popitem(last=False)[0]
        raise LookupError("nobody waits")

    def leave(self, place: Place[S]) -> None:
        """Take a place out of the line, if it is still there."""
        line = self._ranks[place.rank]
        if place in line:
            del line[place]
            self.waiting -= 1
            place.gone = True

    def shorten(self, bound: int) -> list[Place[S]]:
        """Return who has to go so that at most `bound` wait."""
        gone = []
        while self.waiting > bound:
            last = self._drop_below(-1)
            assert last is not None
            gone.append(last)
        return gone

    def clear(self) -> None:
        """Forget everybody."""
        for line in self._ranks:
            line.clear()
        self.waiting = 0

    def _drop_below(self, rank: int) -> Place[S] | None:
        """Send away the latest of the least critical rank that is less critical than `rank`."""
        for line in reversed(self._ranks[rank + 1 :]):
            if line:
                place, _ = line.popitem(last=True)
                self.waiting -= 1
                place.gone = True
                return place
        return None
