"""A bulkhead at run time: one set of slots for blocking and asynchronous callers."""

from __future__ import annotations

from collections import Counter
from threading import get_ident
from typing import Any

from ..call import Call
from ..clock import Clock
from ..config.bulkhead import BulkheadConfig
from ..errors import BulkheadFullError
from ..hub import EventHub
from ..locks import new_lock, renew_after_fork
from ..machines.slots import SlotsMachine, Ticket
from .gate import Wait, tell_refusal


class Bulkhead:
    """The gate of one bulkhead."""

    __slots__ = ("__weakref__", "_clock", "_holders", "_hub", "_lock", "_machine", "_name", "config", "rejections")

    def __init__(self, name: str, config: BulkheadConfig, clock: Clock, hub: EventHub) -> None:
        self.config = config
        self.rejections = 0
        self._name = name
        self._clock = clock
        self._hub = hub
        self._lock = new_lock()
        self._machine = SlotsMachine(config.max_concurrent, config.max_waiting)
        self._holders: Counter[int] = Counter()
        renew_after_fork(self)

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
                return self._hold()
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
            if not still_waiting:
                return self._hold()
        raise self._refused()

    def give_up(self, call: Call, wait: Wait) -> None:
        """Leave the line; a slot that was granted meanwhile passes on."""
        assert wait.ticket is not None
        call.not_started()
        with self._lock:
            still_waiting = self._machine.withdraw(wait.ticket)
        if not still_waiting:
            self._release(None)

    def leave(self, call: Call, permit: Any, error: BaseException | None, value: object) -> None:
        """Free the slot, whatever became of the attempt."""
        self._release(permit)

    def reconfigure(self, config: BulkheadConfig) -> None:
        """Go on with other limits; calls in flight keep their slots."""
        with self._lock:
            self.config = config
            granted = self._machine.reconfigure(config.max_concurrent, config.max_waiting)
        for ticket in granted:
            _wake(ticket)

    def after_fork_in_child(self) -> None:
        """Keep the slots of the thread that lives on; those of the parent's other threads will not come back here."""
        holder = get_ident()
        held = self._holders[holder]
        self._machine.restart(held)
        self._holders = Counter({holder: held})

    def _hold(self) -> int:
        """Note who holds a slot; the permit is the thread."""
        holder = get_ident()
        self._holders[holder] += 1
        return holder

    def _release(self, holder: int | None) -> None:
        with self._lock:
            if holder is not None:
                self._holders[holder] -= 1
                if not self._holders[holder]:
                    del self._holders[holder]
            ticket = self._machine.release()
        if ticket is not None:
            _wake(ticket)

    def _refused(self) -> BulkheadFullError:
        tell_refusal(self._hub, self._clock, self._name, "bulkhead")
        return BulkheadFullError(self._name)


def _wake(ticket: Ticket) -> None:
    # The waiter sets `wake` and then looks at `granted`; here it is the other way round, so one of the two sees.
    if ticket.wake is not None:
        ticket.wake()
