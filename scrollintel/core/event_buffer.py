"""Changes kept for a reader that comes for them, without a thread of their own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from .events import CHANGES, Event

Wake = Callable[[], object]


class EventBuffer:
    """A bounded queue of changes of states, levels and policies; ends with `cancel`.

    It takes no facts about single calls, so that a refused or failed call costs no more than without it.

    Attributes:
        dropped: Events lost because the buffer was full.
    """

    __slots__ = ("_events", "_remove", "_size", "_wake", "dropped")

    follows_calls = False
    idle = True

    def __init__(self, remove: Callable[[EventBuffer], object], size: int, wake: Wake | None) -> None:
        self._remove = remove
        self._size = size
        self._wake = wake
        self._events: deque[Event] = deque()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._events)

    def wants(self, kind: type[Event]) -> bool:
        """Tell whether events of `kind` are kept."""
        return issubclass(kind, CHANGES)

    def offer(self, event: Event) -> None:
        """Keep `event` when it is a change; the hub emits one at a time. Never blocks."""
        if not isinstance(event, CHANGES):
            return
        events = self._events
        if len(events) >= self._size:
            self.dropped += 1
            return
        events.append(event)
        if len(events) == 1 and self._wake is not None:
            self._wake()

    def take(self) -> list[Event]:
        """Return what was kept, oldest first, and keep nothing of it. One thread may do so."""
        events = self._events
        taken: list[Event] = []
        while events:
            taken.append(events.popleft())
        return taken

    def start(self) -> None:
        """Do nothing: there is no thread."""

    def renew(self) -> None:
        """Forget the parent's events, as a forked child must."""
        self._events = deque()
        self.dropped = 0

    def cancel(self) -> None:
        """Take no further events."""
        self._remove(self)
