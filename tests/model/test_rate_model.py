"""The rate limit against a diary of events, replayed in exact fractions."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from scrollintel.core.machines.rate import RateMachine
from tests.thoroughness import examples

ROUNDING = Fraction(1, 10**6)  # seconds: what the machine promises to forgive

rates = st.sampled_from([0.1, 1.0, 3.0, 10.0, 1000.0]) | st.floats(0.01, 10_000)
capacities = st.sampled_from([1.0, 2.0, 5.0]) | st.floats(1, 50)
steps = st.sampled_from([0.0, 0.1, 0.05, 1 / 3, 1.0]) | st.floats(0, 30)
waits = st.sampled_from([0.0, 0.1, 0.5, 1.0]) | st.floats(0, 20)


class Diary:
    """What happened and when; nothing is kept but the list, every question is answered by reading it again."""

    def __init__(self, rate: float, capacity: float) -> None:
        self.entries: list[tuple[str, Fraction, Fraction, Fraction]] = []
        self.rate, self.capacity = Fraction(rate), Fraction(capacity)

    def note(self, what: str, now: float, rate: float = 0.0, capacity: float = 0.0) -> None:
        """Write an entry down."""
        self.entries.append((what, Fraction(now), Fraction(rate), Fraction(capacity)))

    def level(self, now: float) -> tuple[Fraction, Fraction]:
        """Return the permits at `now`, and the rate in force then."""
        rate, capacity = self.rate, self.capacity
        level, at = capacity, None
        for what, when, new_rate, new_capacity in [*self.entries, ("look", Fraction(now), Fraction(0), Fraction(0))]:
            if at is not None and when > at:
                level = min(capacity, level + (when - at) * rate)
            at = when if at is None else max(at, when)
            if what == "take":
                level -= 1
            elif what == "give":
                level = min(capacity, level + 1)
            elif what == "limits":
                rate, capacity = new_rate, new_capacity
                level = min(level, capacity)
        return level, rate


class RateComparison(RuleBasedStateMachine):
    """Drive the machine and the diary side by side."""

    @initialize(rate=rates, capacity=capacities, start=st.sampled_from([0.0, 1234.5, 1e6]))
    def open(self, rate: float, capacity: float, start: float) -> None:
        """Start both with the same limits."""
        self.machine = RateMachine(rate, capacity)
        self.diary = Diary(rate, capacity)
        self.now = start
        self.latest = start
        self.taken = 0

    @rule(seconds=steps)
    def pass_time(self, seconds: float) -> None:
        """Time goes on."""
        self.now = self.latest = max(self.now + seconds, self.latest)

    @rule(seconds=st.floats(0, 5))
    def turn_back(self, seconds: float) -> None:
        """The clock goes back; what happens then happens at the latest time seen."""
        self.now = self.latest - seconds

    @rule(max_wait=waits)
    def acquire(self, max_wait: float) -> None:
        """A call comes: wait and answer are those of the diary, but for rounding at the very limit."""
        level, rate = self.diary.level(self.latest)
        expected = max(Fraction(0), (1 - level) / rate)
        # The machine must have seen the latest time, as it would from any earlier call at that time.
        self.machine.acquire(self.latest, -1.0)
        wait = self.machine.acquire(self.now, max_wait)
        assert wait >= 0.0
        assert abs(Fraction(wait) - expected) <= ROUNDING
        granted = wait <= max_wait
        if abs(expected - Fraction(max_wait)) > ROUNDING:
            assert granted == (expected <= Fraction(max_wait))
        if expected <= Fraction(max_wait) - Fraction(1, 10**9):
            assert granted, "a call within its limit was refused"
        if granted:
            self.diary.note("take", self.latest)
            self.taken += 1

    @rule()
    def burst(self) -> None:
        """Calls come until one is refused: no more pass than there are permits."""
        level, _ = self.diary.level(self.latest)
        passed = 0
        while self.machine.acquire(self.latest, 0.0) == 0.0:
            self.diary.note("take", self.latest)
            self.taken += 1
            passed += 1
        assert passed <= max(Fraction(0), level) + Fraction(1, 500)
        assert passed >= level - Fraction(1001, 1000)

    @rule()
    def give_back(self) -> None:
        """A call that was granted a permit does not start."""
        if self.taken:
            self.taken -= 1
            self.machine.acquire(self.latest, -1.0)
            self.machine.give_back()
            self.diary.note("give", self.latest)

    @rule(rate=rates, capacity=capacities)
    def reconfigure(self, rate: float, capacity: float) -> None:
        """The limits are replaced."""
        self.machine.reconfigure(rate, capacity, self.latest)
        self.diary.note("limits", self.latest, rate, capacity)

    @invariant()
    def both_count_the_same(self) -> None:
        """The permits are the same but for rounding, and never more than the capacity."""
        if hasattr(self, "machine"):
            level, _ = self.diary.level(self.latest)
            assert abs(Fraction(self.machine.available(self.latest)) - level) <= Fraction(1, 10**6)


RateComparison.TestCase.settings = settings(
    max_examples=examples(150), stateful_step_count=40, deadline=None, derandomize=True
)
TestRateAgainstDiary = RateComparison.TestCase
