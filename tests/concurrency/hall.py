"""An adaptive limit and who got what of it, for the scenes about its slots."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any

from scrollintel.core.call import Call
from scrollintel.core.config.limit import AdaptiveLimitConfig
from scrollintel.core.config.policy import Policy
from scrollintel.core.errors import LimitReachedError
from scrollintel.core.hub import EventHub
from scrollintel.core.machines.limit import LimitMachine
from scrollintel.core.pipeline import Pipeline
from scrollintel.core.strategies.gate import Wait
from scrollintel.core.strategies.limit import AdaptiveLimit
from tests.concurrency.exploring import NoLock, StillClock

CALL = Call("p", print, (), {}, 0.0)
"""A call without a deadline, which gates only read."""


@coroutine
def suspended() -> Generator[None, None, None]:
    """Stay in the operation until somebody goes on with it."""
    yield


async def operation() -> None:
    """Hold a slot until somebody goes on with it."""
    await suspended()


class Sleeper:
    """Somebody in line.

    Attributes:
        wait: What the gate told.
        awake: Whether it was woken, or knew before it slept.
    """

    def __init__(self, wait: Wait) -> None:
        self.wait = wait
        self.awake = False
        assert wait.ticket is not None
        wait.ticket.wake = self.rouse
        if wait.ticket.granted or wait.ticket.gone:
            self.awake = True

    def rouse(self) -> None:
        """Wake up."""
        self.awake = True


class Hall:
    """A policy with an adaptive limit, half of whose slots may be taken without a lock, and who got what.

    Arguments:
        slots: How many there are.
        quick: Calls that are in their operation at first, with a slot that was taken without the lock.
        seats: Slots that were taken under it.
        waiting: How many are in line at first.
        line: Places in line.
        locked, gate, machine: For planted races.
    """

    def __init__(
        self, slots: int = 2, *, quick: int = 0, seats: int = 0, waiting: int = 0, line: int = 0, locked: bool = True,
        gate: type[AdaptiveLimit] = AdaptiveLimit, machine: type[LimitMachine] = LimitMachine,
    ) -> None:  # fmt: skip
        self.clock = StillClock()
        clock: Any = self.clock  # all that is used of one
        config = AdaptiveLimitConfig(initial_limit=slots, max_waiting=line, max_wait=None)
        self.pipeline = Pipeline(Policy("p", breaker=None, limit=config), clock=clock, hub=EventHub())
        lane = self.pipeline.lane
        self.limit = gate("p", config, clock, EventHub())
        if machine is not LimitMachine:
            self.limit._kept[None].machine = machine(config, self.clock.now)
        lane.parts.limit = self.limit
        lane.slots = self.limit.slots
        assert lane.slots is not None
        self.machine = lane.slots
        self.protected: Callable[[], Coroutine[Any, Any, None]] = self.pipeline(operation)
        self.running: list[Coroutine[Any, Any, None]] = []
        self.forgotten: list[object] = []
        self.seats: list[object] = []
        self.sleepers: list[Sleeper] = []
        self.refused: list[int] = []
        self.late: list[int] = []
        self.ended: list[bool] = []
        self.fill(quick, seats, waiting)
        if not locked:
            self.limit._lock = NoLock()  # type: ignore[assignment]

    def fill(self, quick: int, seats: int, waiting: int) -> None:
        """Let the window see all slots in use, so that half of them need no lock, and take what is to be taken."""
        slots = self.machine.limit
        for _ in range(slots):
            self.sit()
        while self.seats:
            self.leave()
        for _ in range(quick):
            self.begin()
        assert (self.machine.quick, self.machine.running, self.machine.flights()) == (slots // 2, quick, [])
        for _ in range(seats + waiting):
            self.sit()
        assert (len(self.seats), len(self.sleepers)) == (seats, waiting)

    def begin(self) -> None:
        """Make a call that stays in its operation."""
        taken = self.machine.running
        call = self.protected()
        try:
            call.send(None)
        except LimitReachedError:
            self.refused.append(self.machine.running)
        else:
            self.running.append(call)
            self.note(taken)

    def note(self, taken: int) -> None:
        """Note whether somebody got a slot who came when all were taken."""
        if taken >= self.machine.limit:
            self.late.append(taken)

    def end(self, error: Exception | None = None) -> None:
        """Let the call that runs for longest end, with `error` if there is one."""
        call = self.running.pop(0)
        try:
            if error is None:
                call.send(None)
            else:
                call.throw(error)
        except (StopIteration, TimeoutError):
            self.ended.append(True)

    def sit(self) -> None:
        """Take a slot under the lock, or a place in line."""
        try:
            answer = self.limit.enter(CALL)
        except LimitReachedError:
            self.refused.append(self.machine.running)
            return
        if isinstance(answer, Wait):
            self.sleepers.append(Sleeper(answer))
        else:
            self.seats.append(answer)

    def leave(self) -> None:
        """Give a slot back under the lock."""
        self.limit.leave(CALL, self.seats.pop(0), None, None)
        self.ended.append(True)

    def give_up(self) -> None:
        """Let the first in line go away."""
        self.limit.give_up(CALL, self.sleepers.pop(0).wait)

    def nothing_is_lost(self) -> None:
        """Check that slots, line and response times are those of the callers, to the last of them."""
        for sleeper in list(self.sleepers):
            ticket = sleeper.wait.ticket
            assert ticket is not None
            if ticket.granted:
                assert sleeper.awake, "asleep with a slot, and nobody wakes it"
                self.sleepers.remove(sleeper)
                self.seats.append(self.limit.resume(CALL, sleeper.wait))
        taken = len(self.running) + len(self.seats)
        assert self.machine.running == taken, f"{taken} owners, {self.machine.running} slots taken"
        assert self.machine.waiting == len(self.sleepers)
        assert not self.sleepers or taken >= self.machine.limit, "in line for ever at a free slot"
        assert not self.machine.woken, "nobody wakes them"
        told = self.machine._window.answers + self.machine._window.overloads + len(self.machine.samples)
        assert told == len(self.ended), f"{len(self.ended)} ends, {told} of them told"
