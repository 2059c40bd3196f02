"""Interleavings of bulkheads: taking, handing over and giving back slots."""

from __future__ import annotations

from typing import Any

from scrollintel.core.call import Call
from scrollintel.core.config.bulkhead import BulkheadConfig
from scrollintel.core.drivers.blocking import wait_for
from scrollintel.core.errors import BulkheadFullError
from scrollintel.core.hub import EventHub
from scrollintel.core.strategies.bulkhead import Bulkhead
from scrollintel.core.strategies.gate import Wait
from tests.concurrency.exploring import NoLock, Scene, StillClock, assert_caught, assert_holds

CALL = Call("p", print, (), {}, 0.0)
"""A call without a deadline, which gates only read."""


class RestlessClock(StillClock):
    """A clock whose waits end at once, and that remembers for what was waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[Any] = []

    def wait(self, event: Any, seconds: float | None) -> bool:
        """Remember `event`; the time is up."""
        self.waited.append(event)
        return bool(event.is_set())


class Room:
    """A bulkhead, and who got what."""

    def __init__(self, slots: int = 1, line: int = 0, *, locked: bool = True, kind: type[Bulkhead] = Bulkhead) -> None:
        self.clock = RestlessClock()
        self.bulkhead = kind("p", BulkheadConfig(slots, line), self.clock, EventHub())  # type: ignore[arg-type]  # all it uses
        if not locked:
            self.bulkhead._lock = NoLock()  # type: ignore[assignment]
        self.permit: object = None
        self.came: list[object] = []
        self.left: list[object] = []
        self.refusals: list[BulkheadFullError] = []
        self.waits: list[Wait] = []

    @property
    def owners(self) -> int:
        """Return how many hold a slot."""
        return len(self.came) - len(self.left)

    def enter(self) -> bool:
        """Take a slot or a place in line; True with a slot."""
        try:
            answer = self.bulkhead.enter(CALL)
        except BulkheadFullError as error:
            self.refusals.append(error)
            return False
        if isinstance(answer, Wait):
            self.waits.append(answer)
            return False
        self.came.append(answer)
        self.permit = answer
        return True

    def full(self, waiting: int) -> Room:
        """Fill all slots and let some wait."""
        while self.enter():
            pass
        for _ in range(waiting - 1):
            self.enter()
        assert len(self.waits) == waiting
        return self

    def leave(self) -> None:
        """Give a slot back."""
        self.bulkhead.leave(CALL, self.permit, None, None)
        self.left.append(True)

    def give_up(self) -> None:
        """Let the first in line go away."""
        self.bulkhead.give_up(CALL, self.waits[0])

    def nothing_is_lost(self) -> None:
        """Check that the bulkhead knows exactly the owners there are, and that the line is empty."""
        assert self.bulkhead.running == self.owners, f"{self.owners} owners, {self.bulkhead.running} slots taken"
        assert self.bulkhead.waiting == 0


def three_for_two_slots(*, locked: bool = True) -> Scene:
    """Three threads ask for two slots."""

    def holds(room: Room) -> None:
        assert (room.bulkhead.running, len(room.refusals), room.bulkhead.rejections) == (2, 1, 1)

    return Scene(lambda: Room(2, locked=locked), [Room.enter] * 3, holds)


def test_bulkhead_three_callers_never_hold_more_than_two_slots(seed: int) -> None:
    """Exactly two get a slot, and the third is refused and counted."""
    assert_holds(three_for_two_slots(), seed)


def test_bulkhead_slots_without_the_lock_are_caught(seed: int) -> None:
    """The twin hands out three slots."""
    assert_caught(three_for_two_slots(locked=False), seed)


def hand_over_against_giving_up(*, locked: bool = True) -> Scene:
    """The owner leaves while the one in line gives up."""

    def holds(room: Room) -> None:
        room.nothing_is_lost()
        assert room.bulkhead.running == 0

    return Scene(lambda: Room(1, 1, locked=locked).full(1), [Room.leave, Room.give_up], holds)


def test_bulkhead_slot_handed_to_one_who_gives_up_is_free_again(seed: int) -> None:
    """No slot is lost between a hand-over and a cancellation."""
    assert_holds(hand_over_against_giving_up(), seed)


def test_bulkhead_hand_over_without_the_lock_is_caught(seed: int) -> None:
    """The twin grants a slot to somebody who is gone."""
    assert_caught(hand_over_against_giving_up(locked=False), seed)


class GrantsLooselyBulkhead(Bulkhead):
    """Looks whether it was granted before it takes the lock."""

    __slots__ = ()

    def give_up(self, call: Call, wait: Wait) -> None:
        """Leave the line."""
        assert wait.ticket is not None
        granted = wait.ticket.granted
        with self._lock:
            self._machine.withdraw(wait.ticket)
        if granted:
            self._release(None)


def hand_over_against_many(*, kind: type[Bulkhead] = Bulkhead) -> Scene:
    """The owner leaves, the first in line gives up, and somebody new comes."""

    def setup() -> Room:
        return Room(1, 1, kind=kind).full(1)

    def coming(room: Room) -> None:
        room.enter()

    def holds(room: Room) -> None:
        late = room.waits[1:]
        if late:
            assert late[0].ticket is not None
            assert late[0].ticket.granted, "in line for ever at a free slot"
            room.came.append(late[0])
        room.nothing_is_lost()
        assert room.owners + len(room.refusals) == 1

    return Scene(setup, [Room.leave, Room.give_up, coming], holds)


def test_bulkhead_leaving_giving_up_and_coming_lose_no_slot(seed: int) -> None:
    """The newcomer gets the slot, or was refused while the line was full."""
    assert_holds(hand_over_against_many(), seed)


def test_bulkhead_that_looks_before_it_locks_is_caught(seed: int) -> None:
    """The twin keeps a slot that was granted in between."""
    assert_caught(hand_over_against_many(kind=GrantsLooselyBulkhead), seed)


def waiting_for_a_hand_over(*, look_first: bool = False) -> Scene:
    """The owner leaves while the one in line goes to sleep. The twin looks before it says how to be woken."""

    def waiting(room: Room) -> None:
        (wait,) = room.waits
        if look_first:
            assert wait.ticket is not None
            granted = wait.ticket.granted
            room.clock.waited.append(event := Flag())
            wait.ticket.wake = event.set
            if granted:
                room.clock.waited.clear()
            return
        try:
            wait_for(room.bulkhead, room.clock, CALL, wait)  # type: ignore[arg-type]  # the clock does what is needed
        except BulkheadFullError:
            return
        room.came.append(wait)

    def holds(room: Room) -> None:
        ticket = room.waits[0].ticket
        assert ticket is not None
        if ticket.granted:
            assert all(event.is_set() for event in room.clock.waited), "asleep with a slot, and nobody wakes it"
        if not look_first:
            room.nothing_is_lost()

    return Scene(lambda: Room(1, 1).full(1), [Room.leave, waiting], holds)


class Flag:
    """Set or not."""

    def __init__(self) -> None:
        self.on = False

    def set(self) -> None:
        """Set it."""
        self.on = True

    def is_set(self) -> bool:
        """Tell whether it is set."""
        return self.on


def test_bulkhead_hand_over_wakes_who_is_about_to_sleep(seed: int) -> None:
    """A waiter whose slot is granted before it sleeps is woken all the same, or does not sleep."""
    assert_holds(waiting_for_a_hand_over(), seed)


def test_bulkhead_waiter_that_looks_before_it_can_be_woken_is_caught(seed: int) -> None:
    """The twin sleeps on a slot that it has."""
    assert_caught(waiting_for_a_hand_over(look_first=True), seed)


def growing_against_leaving(*, locked: bool = True) -> Scene:
    """One slot becomes two while its owner leaves and one is in line."""
    larger = BulkheadConfig(2, 2)

    def growing(room: Room) -> None:
        room.bulkhead.reconfigure(larger)

    def holds(room: Room) -> None:
        ticket = room.waits[0].ticket
        assert ticket is not None
        assert ticket.granted
        room.came.append(ticket)
        room.nothing_is_lost()

    return Scene(lambda: Room(1, 1, locked=locked).full(1), [Room.leave, growing], holds)


def test_bulkhead_growing_while_its_owner_leaves_serves_the_line_once(seed: int) -> None:
    """The one in line gets one slot, the old one or the new one, and the other one is free."""
    assert_holds(growing_against_leaving(), seed)


def test_bulkhead_growing_without_the_lock_is_caught(seed: int) -> None:
    """The twin serves a ticket that is no longer there."""
    assert_caught(growing_against_leaving(locked=False), seed)


class CountsOutside(Bulkhead):
    """Counts refusals outside the lock."""

    __slots__ = ("loose",)

    def _refused(self) -> BulkheadFullError:
        number = getattr(self, "loose", 0)
        self.loose = number + 1
        self.rejections = self.loose
        return BulkheadFullError(self._name)


def two_refusals(*, kind: type[Bulkhead] = Bulkhead) -> Scene:
    """Two threads are refused."""

    def setup() -> Room:
        room = Room(kind=kind)
        assert room.enter()
        return room

    def holds(room: Room) -> None:
        assert (len(room.refusals), room.bulkhead.rejections) == (2, 2)

    return Scene(setup, [Room.enter, Room.enter], holds)


def test_bulkhead_refusals_of_two_threads_both_count(seed: int) -> None:
    """No refusal is lost from the count."""
    assert_holds(two_refusals(), seed)


def test_bulkhead_refusals_counted_outside_the_lock_are_caught(seed: int) -> None:
    """The twin loses one."""
    assert_caught(two_refusals(kind=CountsOutside), seed)
