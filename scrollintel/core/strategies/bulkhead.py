"""A bulkhead at run time: one set of slots for blocking and asynchronous callers."""

from __future__ import annotations

from typing import Any

from ..call import Call
from ..clock import Clock
from ..config.bulkhead import BulkheadConfig
from ..errors import BulkheadFullError
from ..events import CallRejected
from ..hub import EventHub
from ..locks import new_lock
from ..machines.slots import SlotsMachine, Ticket
from .gate import Wait


class Bulkhead:
    """The gate of one bulkhead."""

    __slots__ = ("_clock", "_hub", "_lock", "_machine", "_name", "config", "rejections")

    def __init__(self, name: str, config: BulkheadConfig, clock: Clock, hub: EventHub) -> None:
        self.config = config
        self.rejections = 0
        self._name = name
        self._clock = clock
        self._hub = hub
        self._lock = new_lock()
        self._machine = SlotsMachine(config.max_concurrent, config.max_waiting)

    @property
    def running(self) -> int:
        """Slots taken."""
        return self._machine.running

    @property
    def waiting(self) -> int:
        """Calls in line."""
        return self._machine.waiting

    def enter(self, call: Call) -> object:
        """Take a slot, or a place in line; raises BulkheadFullError when there is neither."""
        with self._lock:
            answer = self._machine.acquire()
            self.rejections += answer is False
        if answer is True:
            return True
        if isinstance(answer, Ticket):
            limit = self.config.max_wait
            if call.deadline is not None:
                left = call.deadline - self._clock.monotonic()
                limit = left if limit is None else min(limit, left)
            return Wait(ticket=answer, limit=limit)
        raise self._refused()

    def resume(self, call: Call, wait: Wait) -> object:
        """Return the slot that the ticket was granted; raises BulkheadFullError when the wait was in vain."""
        assert wait.ticket is not None
        with self._lock:
            still_waiting = self._machine.withdraw(wait.ticket)
            self.rejections += still_waiting
        if still_waiting:
            raise self._refused()
        return True

    def give_up(self, call: Call, wait: Wait) -> None:
        """Leave the line; a slot that was granted meanwhile passes on."""
        assert wait.ticket is not None
        with self._lock:
            still_waiting = self._machine.withdraw(wait.ticket)
        if not still_waiting:
            self._release()

    def leave(self, call: Call, permit: Any, error: BaseException | None, value: object) -> None:
        """Free the slot, whatever became of the attempt."""
        self._release()

    def reconfigure(self, config: BulkheadConfig) -> None:
        """Go on with other limits; calls in flight keep their slots."""
        self.config = config
        with self._lock:
            granted = self._machine.reconfigure(config.max_concurrent, config.max_waiting)
        for ticket in granted:
            _wake(ticket)

    def _release(self) -> None:
        with self._lock:
            ticket = self._machine.release()
        if ticket is not None:
            _wake(ticket)

    def _refused(self) -> BulkheadFullError:
        if self._hub.active:
            self._hub.emit(CallRejected(policy=self._name, at=self._clock.time(), layer="bulkhead"))
        return BulkheadFullError(self._name)


def _wake(ticket: Ticket) -> None:
    # The waiter sets `wake` and then looks at `granted`; here it is the other way round, so one of the two sees.
    if ticket.wake is not None:
        ticket.wake()
