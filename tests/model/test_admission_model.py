"""The admission of a server against a diary that is read anew for every question."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scrollintel.core.config.admission import AdmissionConfig
from scrollintel.core.machines.admission import LEVELS, AdmissionMachine, FixedSlots, level_of
from scrollintel.core.machines.line import Place
from scrollintel.core.outcome import Verdict
from tests.thoroughness import examples


class AdmissionComparison(RuleBasedStateMachine):
    """Drive the machine, and predict it from everything that has happened."""

    @initialize(limit=st.integers(1, 8), places=st.integers(0, 6), period=st.sampled_from([0.5, 1.0, 5.0]))
    def open(self, limit: int, places: int, period: float) -> None:
        """Start with free slots and an empty line."""
        self.now = 0.0
        self.limit, self.places, self.period = limit, places, period
        config = AdmissionConfig(period=period, target_wait=0.02)
        self.machine = AdmissionMachine(config, FixedSlots(limit, places), 0.0)
        self.running: list[Any] = []
        self.line: list[tuple[int, float, Place[Any]]] = []  # rank, when it came, place
        self.began = 0.0
        self.came: list[int] = []
        self.ends: list[tuple[bool, float]] = []  # served or in vain, seconds waited
        self.threshold = 0
        self.capacity = 1.0

    def turn(self) -> None:
        """Work out the threshold of a new period."""
        if self.now < self.began + self.period:
            return
        if self.now >= self.began + 2 * self.period:
            self.threshold = 0
        else:
            served = sum(each for each, _ in self.ends)
            overloaded = sum(wait for _, wait in self.ends) > 0.02 * len(self.ends)
            overloaded |= len(self.ends) - served > 0.05 * len(self.ends)
            if overloaded or self.threshold:
                self.capacity = max(1.0, served * 0.95) if overloaded else self.capacity * 1.05 + 1.0
                fitting = [t for t in range(LEVELS) if sum(level >= t for level in self.came) <= self.capacity]
                self.threshold = min(fitting, default=LEVELS - 1)
        self.began = self.now
        self.came, self.ends = [], []

    @rule(rank=st.integers(0, 3), inside=st.integers(0, 4))
    def come(self, rank: int, inside: int) -> None:
        """A request of one of few levels comes."""
        level = (3 - rank) * 125 + inside * 31
        self.turn()
        answer = self.machine.enter(self.now, rank, level)
        self.came.append(level)
        if level < self.threshold:
            assert answer is None
        elif len(self.running) < self.limit:
            assert answer is True
            self.machine.served(0.0)
            self.running.append(answer)
            self.ends.append((True, 0.0))
        elif len(self.line) < self.places:
            self.line.append((rank, self.now, answer))
        elif self.line and max(self.line, key=lambda each: each[0])[0] > rank:
            last = max(range(len(self.line)), key=lambda place: (self.line[place][0], place))
            _, since, gone = self.line.pop(last)
            assert gone.gone and not gone.granted
            self.forget(gone, since)
            self.line.append((rank, self.now, answer))
        else:
            assert answer is None
            self.ends.append((False, 0.0))

    def forget(self, place: Place[Any], since: float) -> None:
        """Somebody leaves the line without a slot."""
        assert self.machine.withdraw(place, self.now - since) is None
        self.ends.append((False, self.now - since))

    @rule(rank=st.integers(0, 3), number=st.integers(2, 12))
    def rush(self, rank: int, number: int) -> None:
        """Many come at once."""
        for place in range(number):
            self.come(rank, place % 5)

    @precondition(lambda self: getattr(self, "running", None))
    @rule(verdict=st.sampled_from(list(Verdict)))
    def go(self, verdict: Verdict) -> None:
        """The oldest request ends; its slot passes to the most critical one in line, the oldest of these."""
        self.machine.leave(self.running.pop(0), self.now, verdict)
        if self.line:
            best = min(range(len(self.line)), key=lambda place: (self.line[place][0], place))
            _, since, place = self.line.pop(best)
            assert place.granted
            waited = self.now - since
            self.running.append(self.machine.withdraw(place, waited))
            self.machine.served(waited)
            self.ends.append((True, waited))

    @precondition(lambda self: getattr(self, "line", None))
    @rule(which=st.integers(0, 5))
    def lose_patience(self, which: int) -> None:
        """Somebody in line gives up."""
        _, since, place = self.line.pop(which % len(self.line))
        self.forget(place, since)

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.5, 1.0, 3.0, 20.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @invariant()
    def no_slot_and_no_place_is_lost_or_made(self) -> None:
        """Slots in use are those of requests that are inside, and nobody waits while one is free."""
        if hasattr(self, "machine"):
            slots = self.machine.slots
            assert slots.running == len(self.running) <= self.limit
            assert slots.waiting == len(self.line) <= self.places
            assert not self.line or len(self.running) == self.limit
            assert 0 <= self.machine.threshold < LEVELS


AdmissionComparison.TestCase.settings = settings(
    max_examples=examples(150), stateful_step_count=60, deadline=None, derandomize=True
)
TestAdmissionAgainstDiary = AdmissionComparison.TestCase


def test_levels_of_a_class_lie_above_those_of_the_next() -> None:
    """Whoever the user and whatever the draw."""
    for rank in range(4):
        levels = {level_of(rank, user, 7, 0.0) for user in range(5000)}
        levels |= {level_of(rank, None, 7, draw / 1000) for draw in range(1000)}
        assert levels == set(range((3 - rank) * 125, (4 - rank) * 125))
