"""The throttle against a list of everything that ever happened."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor, log

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from scrollintel.core.config import ThrottleConfig
from scrollintel.core.machines.throttle import BUCKETS, ThrottleMachine
from tests.thoroughness import examples

ranks = st.integers(0, 3)
EXCESS = {0: Fraction(2), 1: Fraction(1), 2: Fraction(3, 4), 3: Fraction(1, 2)}
configs = st.builds(
    ThrottleConfig,
    multiplier=st.sampled_from([1.25, 2.0, 4.0, 16.0]),
    window=st.sampled_from([1.25, 10.0, 80.0]),
    min_requests=st.integers(1, 8),
    max_share=st.sampled_from([0.5, 0.875]),
)


class ThrottleComparison(RuleBasedStateMachine):
    """Each attempt is written down with its bucket, and each question is answered from the whole list."""

    @initialize(config=configs)
    def open(self, config: ThrottleConfig) -> None:
        """Start with nothing."""
        self.config = config
        self.now = 0.0
        self.machine = ThrottleMachine(config)
        self.history: list[tuple[int, bool]] = []
        self.sent: list[bool] = []

    def recovered(self) -> bool:
        """Tell whether so many in a row were accepted that what was before counts no more."""
        least = 1.0 + (self.config.multiplier - 1.0) / 2.0
        enough = ceil(log(10_000) / log(least))
        return len(self.sent) >= enough and all(self.sent[-enough:])

    def bucket(self) -> int:
        """Return the number of the present bucket."""
        return floor(self.now / (self.config.window / BUCKETS))

    def expected(self, rank: int) -> float:
        """Return the share by the formula."""
        recent = [accepted for bucket, accepted in self.history if bucket > self.bucket() - BUCKETS]
        if len(recent) < self.config.min_requests:
            return 0.0
        multiplier = 1 + (Fraction(self.config.multiplier) - 1) * EXCESS[rank]
        share = (len(recent) - multiplier * sum(recent)) / (len(recent) + 1)
        return float(min(Fraction(self.config.max_share), max(Fraction(0), share)))

    @rule(seconds=st.sampled_from([0.0, 0.125, 1.0, 8.0, 100.0, 10_000.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule(accepted=st.booleans(), number=st.integers(1, 30))
    def end(self, accepted: bool, number: int) -> None:
        """Attempts end."""
        for _ in range(number):
            self.machine.record(self.now, accepted=accepted)
            self.history.append((self.bucket(), accepted))
            self.sent.append(accepted)
            if self.recovered() and not all(ok for bucket, ok in self.history if bucket > self.bucket() - BUCKETS):
                self.history.clear()

    @rule(rank=ranks, draw=st.floats(0, 1, exclude_max=True))
    def ask(self, rank: int, draw: float) -> None:
        """An attempt comes; a refused one counts as a request that was not accepted."""
        share = self.expected(rank)
        admitted = self.machine.admit(self.now, rank, draw)
        assert admitted == (draw >= share)
        if not admitted:
            self.history.append((self.bucket(), False))

    @rule(config=configs)
    def change(self, config: ThrottleConfig) -> None:
        """Other terms; another window begins anew."""
        if config.window != self.config.window:
            self.history.clear()
            self.sent.clear()
        self.config = config
        self.machine.reconfigure(config)

    @invariant()
    def shares_are_those_of_the_formula(self) -> None:
        """Of every rank; and who is more critical is throttled less."""
        if not hasattr(self, "machine"):
            return
        shares = [self.machine.share(self.now, rank) for rank in range(4)]
        assert all(abs(share - self.expected(rank)) < 1e-9 for rank, share in enumerate(shares))
        assert shares == sorted(shares)
        assert 0.0 <= shares[0] <= shares[-1] <= self.config.max_share
        assert 0 <= self.machine.accepts <= self.machine.requests


ThrottleComparison.TestCase.settings = settings(
    max_examples=examples(200), stateful_step_count=50, deadline=None, derandomize=True
)
TestThrottleAgainstHistory = ThrottleComparison.TestCase
