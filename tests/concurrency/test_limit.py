"""Interleavings of an adaptive limit whose slots are taken and given back without a lock (decision 0024)."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import pytest

from scrollintel.core.call import Call
from scrollintel.core.config.limit import AdaptiveLimitConfig
from scrollintel.core.machines.limit import WINDOW, Flight, LimitMachine
from scrollintel.core.machines.line import Place
from scrollintel.core.outcome import Verdict
from scrollintel.core.strategies.gate import Wait
from scrollintel.core.strategies.limit import AdaptiveLimit
from tests.concurrency.exploring import Scene, assert_caught, assert_holds
from tests.concurrency.hall import Hall, suspended

# ---------------------------------------------------------------------------------------------- taking


def beginning_with_an_old_look(hall: Hall) -> None:
    """Look, come, and take a slot by what was seen: the twin of `Hall.begin`."""
    calm = hall.machine.running < hall.machine.quick
    taken = hall.machine.running
    if calm:
        call = suspended()
        call.send(None)
        hall.machine.in_flight[call] = hall.clock.now
        hall.running.append(call)
        hall.note(taken)
    else:
        hall.begin()


def three_for_two_slots(begin: Callable[[Hall], None] = Hall.begin) -> Scene:
    """Two calls, which may both see the one slot that needs no lock, and somebody who takes the lock."""

    def holds(hall: Hall) -> None:
        assert not hall.late, "somebody got a slot who came when all were taken"
        assert len(hall.machine.flights()) <= 2, "more slots were taken under the lock than there are"
        assert hall.machine.running + len(hall.refused) == 3
        assert all(taken >= 2 for taken in hall.refused), "refused at a free slot"
        hall.nothing_is_lost()

    return Scene(Hall, [begin, begin, Hall.sit], holds)


def test_limit_slots_without_the_lock_are_exceeded_by_those_alone_who_come_at_the_same_moment(seed: int) -> None:
    """Who comes when all slots are taken is refused, and nobody else is."""
    assert_holds(three_for_two_slots(), seed)


def test_limit_slot_taken_after_an_old_look_is_caught(seed: int) -> None:
    """The twin takes a third slot although it came after the second."""
    assert_caught(three_for_two_slots(beginning_with_an_old_look), seed)


def two_for_the_last_slot(*, locked: bool = True) -> Scene:
    """Two calls come to one free slot, which needs the lock."""

    def holds(hall: Hall) -> None:
        assert (hall.machine.running, len(hall.running), hall.refused) == (2, 2, [2])
        hall.nothing_is_lost()

    return Scene(lambda: Hall(quick=1, locked=locked), [Hall.begin, Hall.begin], holds)


def test_limit_last_slot_beside_one_without_the_lock_is_taken_once(seed: int) -> None:
    """One call gets it, and the other is refused."""
    assert_holds(two_for_the_last_slot(), seed)


def test_limit_last_slot_without_the_lock_is_caught(seed: int) -> None:
    """The twin gives it twice."""
    assert_caught(two_for_the_last_slot(locked=False), seed)


# ---------------------------------------------------------------------------------------------- the line


class JoinsBlindly(LimitMachine):
    """Does not look whether a slot is free after somebody has joined the line."""

    __slots__ = ()

    def acquire(self, now: float, rank: int) -> Flight | Place[Flight] | None:
        """Return a slot, a place in line, or None."""
        if len(self.in_flight) < self.limit:
            return self._start(now)
        return self.line.join(rank, self.longest_line)[0]


def ending_after_a_look(hall: Hall) -> None:
    """Look whether somebody waits, and give the slot back then: the twin of `Hall.end`."""
    waits = hall.machine.line.waiting
    hall.forgotten.append(hall.running.pop())
    hall.machine.in_flight.pop(next(iter(hall.machine.in_flight)))
    hall.machine.samples.append(0.0)
    hall.ended.append(True)
    if waits:
        hall.limit.catch_up(hall.machine, hall.clock.now)


def joining_against_giving_back(
    end: Callable[[Hall], None] = Hall.end, machine: type[LimitMachine] = LimitMachine
) -> Scene:
    """A slot comes back without the lock while somebody comes who finds all taken, or this one free."""

    def holds(hall: Hall) -> None:
        hall.nothing_is_lost()
        assert (hall.machine.running, hall.machine.waiting) == (2, 0)

    return Scene(lambda: Hall(quick=1, seats=1, line=1, machine=machine), [end, Hall.sit], holds)


def failing(hall: Hall) -> None:
    """Let a call end late."""
    hall.end(TimeoutError("late"))


@pytest.mark.parametrize("end", [Hall.end, failing], ids=["success", "failure"])
def test_limit_slot_given_back_without_the_lock_goes_to_who_joins_the_line(
    end: Callable[[Hall], None], seed: int
) -> None:
    """Who gives back sees who waits, or who waits sees the slot."""
    assert_holds(joining_against_giving_back(end), seed)


def test_limit_that_joins_the_line_without_a_second_look_is_caught(seed: int) -> None:
    """The twin waits at a free slot."""
    assert_caught(joining_against_giving_back(machine=JoinsBlindly), seed)


def test_limit_slot_given_back_after_the_look_is_caught(seed: int) -> None:
    """The twin leaves somebody in line at a free slot."""
    assert_caught(joining_against_giving_back(ending_after_a_look), seed)


class GrantsLoosely(AdaptiveLimit):
    """Looks whether it was granted before it takes the lock."""

    __slots__ = ()

    def give_up(self, call: Call, wait: Wait) -> None:
        """Leave the line."""
        place: Any = wait.ticket
        granted = place.granted
        with self._lock:
            flight = place.owner.machine.withdraw(place)
        if granted:
            self._release(place.owner, flight, Verdict.IGNORED)


def giving_back_against_many(gate: type[AdaptiveLimit] = AdaptiveLimit) -> Scene:
    """A slot comes back without the lock, the first in line gives up, and somebody new comes."""

    def holds(hall: Hall) -> None:
        hall.nothing_is_lost()
        assert hall.machine.running + len(hall.refused) == 2

    def setup() -> Hall:
        return Hall(quick=1, seats=1, waiting=1, line=1, gate=gate)

    return Scene(setup, [Hall.end, Hall.give_up, Hall.sit], holds)


def test_limit_giving_back_giving_up_and_coming_lose_no_slot(seed: int) -> None:
    """The newcomer gets the slot, or was refused while the line was full."""
    assert_holds(giving_back_against_many(), seed)


def test_limit_that_looks_before_it_locks_is_caught(seed: int) -> None:
    """The twin keeps a slot that was granted in between."""
    assert_caught(giving_back_against_many(GrantsLoosely), seed)


# ---------------------------------------------------------------------------------------------- changes


def growing_against_giving_back(*, locked: bool = True) -> Scene:
    """Two slots become three while one comes back without the lock and two are in line."""
    larger = AdaptiveLimitConfig(min_limit=3, max_waiting=2, max_wait=None)

    def growing(hall: Hall) -> None:
        hall.limit.reconfigure(larger)

    def holds(hall: Hall) -> None:
        hall.nothing_is_lost()
        assert (hall.machine.running, hall.machine.waiting) == (3, 0)

    return Scene(lambda: Hall(quick=1, seats=1, waiting=2, line=2, locked=locked), [Hall.end, growing], holds)


def test_limit_growing_while_a_slot_comes_back_without_the_lock_serves_the_line(seed: int) -> None:
    """Both in line get a slot each, and are woken."""
    assert_holds(growing_against_giving_back(), seed)


def test_limit_growing_without_the_lock_is_caught(seed: int) -> None:
    """The twin serves somebody who is no longer in line, or forgets somebody."""
    assert_caught(growing_against_giving_back(locked=False), seed)


class SwapsBuffers(LimitMachine):
    """Takes the response times over by putting another buffer in the place of the first."""

    __slots__ = ()

    def _drain(self) -> None:
        samples, self.samples = self.samples, array("d")
        for seconds in samples:
            self._window.add(seconds)


def ends_when_the_window_is_looked_at(machine: type[LimitMachine] = LimitMachine) -> Scene:
    """It is time to look at the window, and two calls end: one gives its slot back without the lock, one under it."""

    def setup() -> Hall:
        hall = Hall(quick=1, seats=1, machine=machine)
        hall.clock.now += WINDOW
        return hall

    return Scene(setup, [Hall.end, Hall.leave], Hall.nothing_is_lost)


def test_limit_response_times_that_come_while_the_window_is_looked_at_all_count(seed: int) -> None:
    """None is lost between the buffer and the window."""
    assert_holds(ends_when_the_window_is_looked_at(), seed)


def test_limit_that_swaps_its_buffer_of_response_times_is_caught(seed: int) -> None:
    """The twin loses what goes into the old buffer."""
    assert_caught(ends_when_the_window_is_looked_at(SwapsBuffers), seed)
