"""What waits for the database in the order in which it came, so much of it at most."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class Backlog(Generic[T]):
    """Items that wait to be written; when there are too many, the oldest are dropped and counted.

    What is to be written is taken out, so that what comes meanwhile pushes none of it out, and put back when the write
    failed.

    Arguments:
        limit: Items that wait at most, at least 1.
    """

    def __init__(self, limit: int) -> None:
        self._items: deque[T] = deque()
        self._limit = limit
        self.dropped = 0
        """Items that were never written, since the start."""

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: T) -> None:
        """Add the newest item."""
        if len(self._items) >= self._limit:
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)

    def take(self) -> list[T]:
        """Take all items out, oldest first."""
        items = list(self._items)
        self._items.clear()
        return items

    def put_back(self, items: Sequence[T]) -> None:
        """Put items that were taken out before all that came since, as far as there is room: the newest of them."""
        lost = max(0, len(items) - (self._limit - len(self._items)))
        self.dropped += lost
        self._items.extendleft(reversed(list(islice(items, lost, None))))
