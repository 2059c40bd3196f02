"""Bulkhead slots: a free slot, a place in line, or neither; nobody overtakes and no slot is lost."""

from __future__ import annotations

import sys

import pytest

from scrollintel.core.machines.slots import SlotsMachine, Ticket


def waiting(machine: SlotsMachine) -> Ticket:
    """Acquire where only a place in line is left."""
    ticket = machine.acquire()
    assert isinstance(ticket, Ticket)
    return ticket


def test_slots_are_taken_then_the_line_then_refused() -> None:
    """Two run, one waits, the fourth is refused."""
    machine = SlotsMachine(2, 1)
    assert machine.acquire() is True
    assert machine.acquire() is True
    ticket = waiting(machine)
    assert (ticket.granted, ticket.gone, ticket.wake) == (False, False, None)
    assert machine.acquire() is False
    assert (machine.running, machine.waiting) == (2, 1)


def test_slots_without_a_line_refuse_at_once() -> None:
    """The default has no line."""
    machine = SlotsMachine(1, 0)
    assert machine.acquire() is True
    assert machine.acquire() is False
    assert machine.release() is None
    assert machine.acquire() is True


def test_slots_freed_slot_passes_to_the_oldest_ticket() -> None:
    """First come, first served, and the number of running calls does not change."""
    machine = SlotsMachine(1, 3)
    machine.acquire()
    tickets = [waiting(machine) for _ in range(3)]
    for number, ticket in enumerate(tickets):
        assert machine.release() is ticket
        assert ticket.granted
        assert (machine.running, machine.waiting) == (1, 2 - number)
    assert machine.release() is None
    assert machine.running == 0


def test_slots_newcomer_does_not_overtake_the_line() -> None:
    """Between the freeing of a slot and the waking of its ticket, a newcomer finds no free slot."""
    machine = SlotsMachine(1, 1)
    machine.acquire()
    ticket = waiting(machine)
    assert machine.release() is ticket
    second = waiting(machine)
    assert machine.acquire() is False
    assert machine.release() is second


def test_slots_withdrawn_ticket_frees_its_place_and_is_passed_over() -> None:
    """A waiter that gave up is never granted, and somebody else can wait in its place."""
    machine = SlotsMachine(1, 2)
    machine.acquire()
    first, second = waiting(machine), waiting(machine)
    assert machine.withdraw(first) is True
    assert first.gone
    assert machine.waiting == 1
    third = waiting(machine)
    assert machine.release() is second
    assert machine.release() is third
    assert not first.granted


def test_slots_withdrawn_after_the_grant_says_that_the_slot_is_owned() -> None:
    """The race between a time limit and a grant is decided here: the loser releases."""
    machine = SlotsMachine(1, 1)
    machine.acquire()
    ticket = waiting(machine)
    machine.release()
    assert machine.withdraw(ticket) is False
    assert not ticket.gone
    assert machine.running == 1
    assert machine.release() is None
    assert machine.running == 0


def test_slots_withdrawn_twice_changes_nothing() -> None:
    """A second withdrawal does not say that there is a slot to release."""
    machine = SlotsMachine(1, 1)
    machine.acquire()
    ticket = waiting(machine)
    assert machine.withdraw(ticket) is True
    assert machine.withdraw(ticket) is True
    assert (machine.running, machine.waiting) == (1, 0)


def test_slots_released_without_an_owner_raises() -> None:
    """A slot released twice would let too many run; it is a bug and says so."""
    machine = SlotsMachine(1, 0)
    with pytest.raises(RuntimeError, match="nobody holds"):
        machine.release()
    assert machine.running == 0


def test_slots_withdrawn_tickets_by_the_thousand_leave_nothing_behind() -> None:
    """Waiters that give up while one call hangs for ever do not pile up in the line."""
    machine = SlotsMachine(1, 2)
    machine.acquire()
    stays = waiting(machine)
    for _ in range(1000):
        machine.withdraw(waiting(machine))
    size = sys.getsizeof(machine._line)
    for _ in range(100_000):
        machine.withdraw(waiting(machine))
    assert sys.getsizeof(machine._line) <= size
    assert machine.waiting == 1
    assert machine.release() is stays


def test_slots_grown_grants_the_oldest_tickets() -> None:
    """New slots go to the line first, in order."""
    machine = SlotsMachine(1, 5)
    machine.acquire()
    tickets = [waiting(machine) for _ in range(3)]
    assert machine.reconfigure(3, 5) == tickets[:2]
    assert [ticket.granted for ticket in tickets] == [True, True, False]
    assert (machine.running, machine.waiting) == (3, 1)


def test_slots_grown_beyond_the_line_leaves_free_slots() -> None:
    """What nobody waits for is free for newcomers."""
    machine = SlotsMachine(1, 5)
    machine.acquire()
    ticket = waiting(machine)
    assert machine.reconfigure(4, 5) == [ticket]
    assert machine.acquire() is True
    assert machine.running == 3


def test_slots_shrunk_evicts_nobody_and_admits_nobody_until_it_fits() -> None:
    """Calls run on; their slots vanish as they end, before the line moves."""
    machine = SlotsMachine(3, 2)
    for _ in range(3):
        machine.acquire()
    ticket = waiting(machine)
    assert machine.reconfigure(1, 2) == []
    assert machine.running == 3
    assert machine.release() is None
    assert machine.release() is None
    assert machine.running == 1
    assert machine.release() is ticket
    assert machine.running == 1


def test_slots_shrunk_line_keeps_its_tickets_and_takes_no_more() -> None:
    """A shorter line turns newcomers away, not those who wait."""
    machine = SlotsMachine(1, 2)
    machine.acquire()
    first, second = waiting(machine), waiting(machine)
    assert machine.reconfigure(1, 0) == []
    assert machine.waiting == 2
    assert machine.acquire() is False
    assert machine.release() is first
    assert machine.release() is second
