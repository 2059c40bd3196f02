"""The bulkhead against a queue of numbers and a set of owners."""

from __future__ import annotations

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scrollintel.core.machines.slots import SlotsMachine, Ticket
from tests.thoroughness import examples

sizes = st.integers(1, 5)
lengths = st.integers(0, 5)
picks = st.integers(0, 1000)


class SlotsComparison(RuleBasedStateMachine):
    """Callers have numbers. A caller owns a slot, waits in the queue, or has left; granted ones may not know yet."""

    @initialize(size=sizes, length=lengths)
    def open(self, size: int, length: int) -> None:
        """Start with nobody there."""
        self.machine = SlotsMachine(size, length)
        self.size, self.length = size, length
        self.owners: set[int] = set()
        self.queue: deque[int] = deque()
        self.left: set[int] = set()
        self.tickets: dict[int, Ticket] = {}
        self.callers = 0

    def number_of(self, ticket: Ticket) -> int:
        """Return the caller that holds the ticket."""
        (number,) = [number for number, held in self.tickets.items() if held is ticket]
        return number

    @rule()
    def come(self) -> None:
        """A caller comes: a slot when one is free, else a place in the queue, else nothing."""
        self.callers += 1
        answer = self.machine.acquire()
        if len(self.owners) < self.size and not self.queue:
            assert answer is True
            self.owners.add(self.callers)
        elif len(self.queue) < self.length:
            assert isinstance(answer, Ticket)
            assert not answer.granted
            self.tickets[self.callers] = answer
            self.queue.append(self.callers)
        else:
            assert answer is False

    @precondition(lambda self: self.owners)
    @rule(pick=picks)
    def finish(self, pick: int) -> None:
        """An owner is done: the head of the queue gets the slot, unless there are too many owners."""
        leaver = sorted(self.owners)[pick % len(self.owners)]
        self.owners.remove(leaver)
        woken = self.machine.release()
        if self.queue and len(self.owners) < self.size:
            head = self.queue.popleft()
            assert woken is not None
            assert self.number_of(woken) == head
            self.owners.add(head)
        else:
            assert woken is None

    @precondition(lambda self: self.tickets)
    @rule(pick=picks)
    def give_up(self, pick: int) -> None:
        """Anybody who ever had a ticket gives up, in time, too late, or again."""
        number = sorted(self.tickets)[pick % len(self.tickets)]
        was_waiting = number in self.queue
        answer = self.machine.withdraw(self.tickets[number])
        if was_waiting:
            self.queue.remove(number)
            self.left.add(number)
        assert answer is (number in self.left)

    @rule(size=sizes, length=lengths)
    def resize(self, size: int, length: int) -> None:
        """The limits change: new slots go to the queue in order, nobody is thrown out."""
        woken = self.machine.reconfigure(size, length)
        self.size, self.length = size, length
        expected = []
        while self.queue and len(self.owners) < size:
            expected.append(self.queue.popleft())
            self.owners.add(expected[-1])
        assert [self.number_of(ticket) for ticket in woken] == expected

    @precondition(lambda self: not self.owners)
    @rule()
    def release_without_a_slot(self) -> None:
        """Nobody owns a slot, so a release is refused."""
        try:
            self.machine.release()
        except RuntimeError:
            return
        raise AssertionError("a slot was released that nobody owned")

    @invariant()
    def both_count_the_same(self) -> None:
        """No slot is lost or doubled, and the flags of every ticket tell where its holder stands."""
        if not hasattr(self, "machine"):
            return
        assert self.machine.running == len(self.owners)
        assert self.machine.waiting == len(self.queue)
        assert not self.queue or len(self.owners) >= self.size, "somebody waits beside a free slot"
        for number, ticket in self.tickets.items():
            assert ticket.gone == (number in self.left)
            assert ticket.granted == (number not in self.left and number not in self.queue)

    def teardown(self) -> None:
        """When all owners are done and nobody comes, every slot is free again."""
        if not hasattr(self, "machine"):
            return
        while self.owners:
            self.finish(0)
        assert not self.queue
        assert self.machine.running == self.machine.waiting == 0
        taken = 0
        while self.machine.acquire() is True:
            taken += 1
        assert taken == self.size


SlotsComparison.TestCase.settings = settings(
    max_examples=examples(200), stateful_step_count=60, deadline=None, derandomize=True
)
TestSlotsAgainstQueue = SlotsComparison.TestCase
