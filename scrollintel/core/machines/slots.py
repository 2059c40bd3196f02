"""Bulkhead: a number of slots and a bounded waiting line, first come first served."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable


class Ticket:
    """A place in the waiting line.

    `granted` turns True when a slot has been passed to the ticket, `gone` when its holder has given up; never both.
    `wake` is set by whoever waits, and called by whoever grants, after releasing the lock.
    """

    __slots__ = ("gone", "granted", "wake")

    def __init__(self) -> None:
        self.granted = False
        self.gone = False
        self.wake: Callable[[], None] | None = None


class SlotsMachine:
    """Rules of one bulkhead. Pure and not thread-safe; the owning gate locks.

    A freed slot passes straight to the oldest ticket in line, so a newcomer never overtakes, and each slot has
    exactly one owner until `release` is called for it, once.

    Arguments:
        max_concurrent: Slots; at least 1.
        max_waiting: Tickets that may be in line at once; 0 for no line.
    """

    __slots__ = ("_line", "_max_concurrent", "_max_waiting", "running")

    def __init__(self, max_concurrent: int, max_waiting: int) -> None:
        self._max_concurrent = max_concurrent
        self._max_waiting = max_waiting
        # Ordered by arrival, and a ticket leaves from anywhere in constant time without a trace.
        self._line: OrderedDict[Ticket, None] = OrderedDict()
        self.running = 0

    @property
    def waiting(self) -> int:
        """Tickets in line."""
        return len(self._line)

    def acquire(self) -> Ticket | bool:
        """Return True with a slot taken, a Ticket with a place in line, or False when both are full."""
        if self.running < self._max_concurrent:
            # A free slot means an empty line, since `release` and `reconfigure` serve the line first.
            self.running += 1
            return True
        if len(self._line) < self._max_waiting:
            ticket = Ticket()
            self._line[ticket] = None
            return ticket
        return False

    def release(self) -> Ticket | None:
        """Give one slot back; return the ticket that it passed to, to be woken, or None.

        After a shrink the slots above the new number vanish here instead of passing on.

        Raises:
            RuntimeError: when no slot is taken; a caller released twice.
        """
        if self.running <= 0:
            raise RuntimeError("a slot was released that nobody holds")
        if self._line and self.running <= self._max_concurrent:
            return self._grant()
        self.running -= 1
        return None

    def withdraw(self, ticket: Ticket) -> bool:
        """Leave the line; return False when the ticket was granted meanwhile.

        After False the caller owns a slot and must release it. Withdrawing again changes nothing.
        """
        if ticket.granted:
            return False
        ticket.gone = True
        self._line.pop(ticket, None)
        return True

    def reconfigure(self, max_concurrent: int, max_waiting: int) -> list[Ticket]:
        """Change the limits; return the tickets that were granted because there are more slots, to be woken.

        Nobody is evicted: calls above the new number run on, and tickets above the new length stay in line.
        """
        self._max_concurrent = max_concurrent
        self._max_waiting = max_waiting
        granted: list[Ticket] = []
        while self._line and self.running < max_concurrent:
            self.running += 1
            granted.append(self._grant())
        return granted

    def restart(self, running: int) -> None:
        """Go on with an empty line and `running` slots taken."""
        self._line.clear()
        self.running = running

    def _grant(self) -> Ticket:
        ticket, _ = self._line.popitem(last=False)
        ticket.granted = True
        return ticket
