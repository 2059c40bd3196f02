"""The adaptive limit against queues of numbers by rank and a set of owners, whatever its limit does."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scrollintel.core.config import AdaptiveLimitConfig, LimitAlgorithm
from scrollintel.core.machines.limit import Flight, LimitMachine
from scrollintel.core.machines.line import Place
from scrollintel.core.outcome import Verdict
from tests.thoroughness import examples

RANKS = range(4)
picks = st.integers(0, 1000)
pauses = st.sampled_from([0.0, 0.001, 0.03, 0.2, 1.5, -1.0])
configs = st.builds(
    lambda kind, bounds, waiting: AdaptiveLimitConfig(
        kind, min_limit=bounds[0], initial_limit=bounds[1], max_limit=bounds[2], max_waiting=waiting
    ),
    st.sampled_from(LimitAlgorithm),
    st.lists(st.integers(1, 9), min_size=3, max_size=3).map(sorted),
    st.none() | st.integers(0, 6),
)


class LimitComparison(RuleBasedStateMachine):
    """Callers have numbers; a caller owns a slot, waits in the queue of its rank, or has left."""

    @initialize(config=configs)
    def open(self, config: AdaptiveLimitConfig) -> None:
        """Start with nobody there."""
        self.config = config
        self.now = 1000.0
        self.machine = LimitMachine(config, self.now)
        self.owners: dict[int, Flight] = {}
        self.queues: dict[int, list[int]] = {rank: [] for rank in RANKS}
        self.places: dict[int, Place[Flight]] = {}
        self.gone: set[int] = set()
        self.callers = 0

    @property
    def queue(self) -> list[int]:
        """Those who wait, in the order in which they are to be served."""
        return [number for rank in RANKS for number in self.queues[rank]]

    def leave_queue(self, number: int) -> None:
        """Take a caller out of its queue."""
        for waiting in self.queues.values():
            if number in waiting:
                waiting.remove(number)

    def take_news(self) -> list[int]:
        """Check those whom the machine granted a slot or sent away, and return the latter."""
        names = {place: number for number, place in self.places.items()}
        woken, self.machine.woken = self.machine.woken, []
        sent_away = []
        for place in woken:
            number = names[place]
            if place.granted:
                assert number == self.queue[0], (
                    "somebody more critical, or earlier in the class, should have been served"
                )
                assert place.slot is not None
                self.owners[number] = place.slot
                assert len(self.owners) <= self.machine.limit
            else:
                assert place.gone
                assert number == self.queue[-1], "somebody less critical, or later in the class, should have gone"
                self.gone.add(number)
                sent_away.append(number)
            self.leave_queue(number)
        return sent_away

    @rule(rank=st.sampled_from(RANKS), pause=pauses)
    def come(self, rank: int, pause: float) -> None:
        """A caller comes: a slot, a place in line, or nothing."""
        self.now += max(0.0, pause)
        self.callers += 1
        number = self.callers
        before = self.machine.limit, self.machine.longest_line
        answer = self.machine.acquire(self.now + min(0.0, pause), rank)
        sent_away = self.take_news()
        limit = self.machine.limit
        if isinstance(answer, Flight):
            assert len(self.owners) < limit
            assert not self.queue
            self.owners[number] = answer
        elif answer is None:
            assert len(self.owners) >= limit
            assert len(self.queue) >= self.machine.longest_line
            assert all(not self.queues[lower] for lower in RANKS if lower > rank), "somebody less critical had to go"
        else:
            assert len(self.owners) >= limit
            self.places[number] = answer
            self.queues[rank].append(number)
            if (limit, self.machine.longest_line) == before:
                assert all(self.places[other].rank > rank for other in sent_away)
                assert len(sent_away) <= 1

    @precondition(lambda self: self.owners)
    @rule(pick=picks, verdict=st.sampled_from(Verdict), pause=pauses)
    def finish(self, pick: int, verdict: Verdict, pause: float) -> None:
        """An owner is done, well or not."""
        self.now += max(0.0, pause)
        number = sorted(self.owners)[pick % len(self.owners)]
        self.machine.release(self.owners.pop(number), self.now, verdict)
        self.take_news()

    @precondition(lambda self: self.places)
    @rule(pick=picks)
    def give_up(self, pick: int) -> None:
        """Anybody who ever had a place gives up, in time, too late, or again."""
        number = sorted(self.places)[pick % len(self.places)]
        place = self.places[number]
        waited = number in self.queue
        flight = self.machine.withdraw(place)
        if waited:
            assert flight is None
            assert place.gone
            self.leave_queue(number)
            self.gone.add(number)
        else:
            assert (flight is None) == (number in self.gone)

    @rule(config=configs)
    def change(self, config: AdaptiveLimitConfig) -> None:
        """The bounds change; nobody who runs is stopped."""
        self.config = config
        self.machine.reconfigure(config, self.now)
        self.take_news()

    @precondition(lambda self: self.owners)
    @rule(pick=picks)
    def release_twice(self, pick: int) -> None:
        """A slot that was given back is nobody's."""
        number = sorted(self.owners)[pick % len(self.owners)]
        flight = self.owners.pop(number)
        self.machine.release(flight, self.now, Verdict.ABANDONED)
        self.take_news()
        try:
            self.machine.release(flight, self.now, Verdict.SUCCESS)
        except RuntimeError:
            return
        raise AssertionError("a slot was released twice")

    @invariant()
    def both_count_the_same(self) -> None:
        """The limit is within its bounds, no slot is lost or doubled, the line is as long as it may be."""
        if not hasattr(self, "machine"):
            return
        machine = self.machine
        assert self.config.min_limit <= machine.limit <= self.config.max_limit
        assert machine.running == len(self.owners)
        assert machine.waiting == len(self.queue)
        assert not machine.woken
        assert not self.queue or len(self.owners) >= machine.limit, "somebody waits beside a free slot"
        assert machine.waiting <= machine.longest_line
        if self.config.max_waiting is None:
            assert machine.longest_line in (machine.limit, self.config.max_limit)
        else:
            assert machine.longest_line == self.config.max_waiting
        assert machine.baseline is None or machine.baseline > 0.0

    def teardown(self) -> None:
        """When all owners are done and nobody comes, every slot is free again."""
        if not hasattr(self, "machine"):
            return
        while self.owners:
            self.finish(0, Verdict.ABANDONED, 0.0)
        assert not self.queue
        assert self.machine.running == self.machine.waiting == 0
        for _ in range(self.machine.limit):
            assert isinstance(self.machine.acquire(self.now, 0), Flight)


LimitComparison.TestCase.settings = settings(
    max_examples=examples(200), stateful_step_count=50, deadline=None, derandomize=True
)
TestLimitAgainstQueues = LimitComparison.TestCase
