"""The detector of metastable failures against bookkeeping of its own, under any traffic."""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from scrollintel.core.config import MetastabilityConfig
from scrollintel.core.machines.metastability import RANKS, MetastabilityMachine, Phase
from tests.thoroughness import examples

SHEDS = (Phase.SHEDDING, Phase.RELEASING)
ALLOWED = {
    Phase.LEARNING: set(),
    Phase.NORMAL: {Phase.SUSPECTED},
    Phase.SUSPECTED: {Phase.SHEDDING, Phase.NORMAL},
    Phase.SHEDDING: {Phase.SHEDDING, Phase.RELEASING, Phase.NORMAL},
    Phase.RELEASING: {Phase.SHEDDING, Phase.RELEASING, Phase.NORMAL},
}
"""By phase, which changes are told; that learning is over is not."""
configs = st.builds(
    MetastabilityConfig,
    interval=st.sampled_from([0.5, 1.0]),
    min_calls=st.integers(1, 6),
    learning=st.sampled_from([0.0, 2.0]),
    minimum_duration=st.sampled_from([1.0, 4.0]),
    sheds=st.booleans(),
    shed_to=st.sampled_from([0.1, 0.5]),
    growth=st.sampled_from([1.5, 4.0]),
)


class MetastabilityComparison(RuleBasedStateMachine):
    """Calls come, end and are shed; what may be said of any traffic holds after every step."""

    @initialize(config=configs)
    def open(self, config: MetastabilityConfig) -> None:
        """Start with nothing learnt."""
        self.config = config
        self.now = 0.0
        self.machine = MetastabilityMachine(config, 0.0)
        self.running: list[int] = []
        self.phase = Phase.LEARNING
        self.last_good = -math.inf
        self.ever_bad = False

    @rule(seconds=st.sampled_from([0.125, 0.5, 1.0, 30.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule(number=st.integers(1, 30), rank=st.integers(0, RANKS - 1), draw=st.floats(0, 1, exclude_max=True))
    def come(self, number: int, rank: int, draw: float) -> None:
        """Calls of one class come at once; the share of the class at that time decides on each."""
        for _ in range(number):
            permit = self.machine.enter(self.now, rank, draw)
            assert (permit is None) == (draw >= self.machine.shares()[rank])
            if permit is not None:
                self.running.append(permit)
        self.check()

    @rule(number=st.integers(1, 30), attempts=st.integers(1, 3), good=st.booleans())
    def end(self, number: int, attempts: int, good: bool) -> None:
        """The oldest calls end."""
        for _ in range(min(number, len(self.running))):
            self.machine.leave(self.running.pop(0), self.now, attempts, good=good)
            self.ever_bad = self.ever_bad or not good
        self.check()

    @rule(seconds=st.integers(4, 12), number=st.integers(8, 12), good=st.booleans())
    def traffic(self, seconds: int, number: int, good: bool) -> None:
        """A while of steady traffic whose calls all end well, or all badly after three attempts."""
        for _ in range(seconds):
            self.now += 1.0
            self.come(number, 1, 0.5)
            self.end(number, 1 if good else 3, good)

    @rule(config=configs)
    def change(self, config: MetastabilityConfig) -> None:
        """Other terms; without shedding all calls pass at once."""
        self.config = config
        self.machine.reconfigure(config)
        self.check()
        if not config.sheds:
            assert self.machine.share == 1.0

    def check(self) -> None:
        """Compare what was told with what is allowed."""
        for change in self.machine.changes:
            if self.phase is Phase.LEARNING:
                self.phase = Phase.NORMAL
            assert change.old is self.phase
            assert change.new in ALLOWED[change.old]
            assert change.sentence
            if change.new is Phase.SUSPECTED:
                assert self.ever_bad or self.running
            if change.new is Phase.SHEDDING:
                assert self.config.sheds
            self.phase = change.new
        self.machine.changes = ()
        assert self.machine.phase is self.phase or (self.phase is Phase.LEARNING and self.machine.phase is Phase.NORMAL)

    @invariant()
    def shares_fit_the_phase(self) -> None:
        """Calls are shed in two phases alone, the less critical ones first, and never all of them."""
        if not hasattr(self, "machine"):
            return
        machine = self.machine
        assert machine.running == len(self.running)
        assert (machine.share < 1.0) == (machine.phase in SHEDS)
        assert 0.0 < machine.share <= 1.0
        shares = machine.shares()
        assert all(0.0 <= share <= 1.0 for share in shares)
        assert any(shares)
        for number in (*machine.seen, *machine.usual):
            assert math.isfinite(number)
            assert number >= 0.0


MetastabilityComparison.TestCase.settings = settings(
    max_examples=examples(150), stateful_step_count=40, deadline=None, derandomize=True
)
TestMetastabilityUnderAnyTraffic = MetastabilityComparison.TestCase
