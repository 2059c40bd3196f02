"""What is known of a fallback, against a list of all its runs."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from scrollintel.core.machines.warmth import FAILURES, WarmthMachine
from tests.thoroughness import examples

ENDS = ("worked", "failed", "late")


class WarmthComparison(RuleBasedStateMachine):
    """Each run is written down, and each question is answered from the whole list."""

    @initialize(cold_after=st.sampled_from([8.0, 64.0]))
    def open(self, cold_after: float) -> None:
        """Start with nothing known."""
        self.now = 0.0
        self.cold_after = cold_after
        self.machine = WarmthMachine(cold_after, 0.0)
        self.out = 0
        self.ended: list[tuple[str, bool | None]] = []
        self.all: list[tuple[float, bool]] = []
        self.begun = 0.0

    @rule(seconds=st.sampled_from([0.0, 1.0, 7.0, 40.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule()
    def begin(self) -> None:
        """A run begins."""
        self.machine.begin(self.now)
        self.out += 1
        self.begun = self.now

    @rule(how=st.sampled_from(ENDS), agreed=st.sampled_from([None, True, False]))
    def end(self, how: str, agreed: bool | None) -> None:
        """A run ends; only one that worked is compared."""
        if self.out:
            self.out -= 1
            agreed = agreed if how == "worked" else None
            self.machine.end(self.now, worked=how == "worked", late=how == "late", agreed=agreed)
            self.ended.append((how, agreed))
            self.all.append((self.now, how == "worked"))
            self.begun = self.now

    @rule()
    def cancel(self) -> None:
        """A run does not come to an end."""
        if self.out:
            self.out -= 1
            self.machine.cancel()

    @rule(worked=st.booleans())
    def need(self, worked: bool) -> None:
        """A real call needs it."""
        self.machine.ran(self.now, worked=worked)
        self.all.append((self.now, worked))
        self.begun = self.now

    def is_cold(self) -> bool:
        """Answer from the list."""
        last = [worked for _, worked in self.all][-FAILURES:]
        if len(last) == FAILURES and not any(last):
            return True
        good = [at for at, worked in self.all if worked]
        return self.now - (good[-1] if good else 0.0) >= self.cold_after

    @rule()
    def look(self) -> None:
        """A change is told once, and a cold fallback has a reason."""
        before = self.machine.cold
        assert self.machine.turn(self.now) is (self.is_cold() is not before)
        assert self.machine.cold is self.is_cold()
        assert self.machine.turn(self.now) is False
        assert self.machine.reason(self.now)

    @invariant()
    def counts_are_those_of_the_list(self) -> None:
        """How runs ended, what was compared, and when it worked last."""
        if not hasattr(self, "machine"):
            return
        machine = self.machine
        counts = [sum(how == one for how, _ in self.ended) for one in ENDS]
        assert [machine.worked, machine.failed, machine.late] == counts
        assert machine.runs == len(self.ended) + self.out
        answers = [agreed for _, agreed in self.ended if agreed is not None]
        assert (machine.compared, machine.agreed) == (len(answers), sum(answers))
        assert machine.last_worked == max((at for at, worked in self.all if worked), default=None)
        assert machine.next_due == self.begun + self.cold_after / 2


WarmthComparison.TestCase.settings = settings(
    max_examples=examples(200), stateful_step_count=50, deadline=None, derandomize=True
)
TestWarmthAgainstList = WarmthComparison.TestCase
