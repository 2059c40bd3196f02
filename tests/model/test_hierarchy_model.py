"""The vote of a wider level against a plain list of everything that happened."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from scrollintel.core.config.breaker import CircuitBreakerConfig, WindowKind
from scrollintel.core.machines.hierarchy import Group

PARTS = st.sampled_from("abcdefgh")


@st.composite
def configs(draw: st.DrawFn) -> CircuitBreakerConfig:
    """Draw a rule."""
    kind = draw(st.sampled_from(WindowKind))
    seconds = kind in (WindowKind.TIME, WindowKind.COUNT_IN_TIME)
    return CircuitBreakerConfig(
        "model",
        window_kind=kind,
        window=draw(st.sampled_from([4.0, 16.0])) if seconds else None,
        failure_threshold=draw(st.integers(1, 8)),
        failure_rate=draw(st.sampled_from([0.25, 0.5, 1.0])),
        minimum_calls=draw(st.integers(1, 12)),
    )


class GroupComparison(RuleBasedStateMachine):
    """Group and list hear of the same calls."""

    @initialize(config=configs())
    def create(self, config: CircuitBreakerConfig) -> None:
        """Begin with nothing known."""
        self.config = config
        self.group = Group(config)
        self.calls: list[tuple[str, bool, float]] = []
        self.now = 0.0
        self.parts = 8

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 5.0]), calls=st.lists(st.tuples(PARTS, st.booleans()), max_size=12))
    def hear(self, seconds: float, calls: list[tuple[str, bool]]) -> None:
        """Time passes and calls end."""
        self.now += seconds
        for part, failed in calls:
            (self.group.fail(part, self.now) if failed else self.group.succeed(part))
            self.calls.append((part, failed, self.now))

    @rule(only=st.lists(PARTS, min_size=1, max_size=8, unique=True), failed=st.booleans(), number=st.integers(1, 20))
    def storm(self, only: list[str], failed: bool, number: int) -> None:
        """Some parts do the same again and again."""
        self.hear(0.0, [(only[index % len(only)], failed) for index in range(number)])

    @rule(parts=st.integers(1, 8))
    def know(self, parts: int) -> None:
        """The level has so many parts."""
        self.parts = parts

    @rule()
    def clear(self) -> None:
        """The level has opened."""
        self.group.clear()
        self.calls = []

    @rule(config=configs())
    def reconfigure(self, config: CircuitBreakerConfig) -> None:
        """Another rule holds, and what it remembers of the calls so far is what both would remember."""
        self.calls = self.calls[-self.memory() :]
        self.config = config
        self.group.reconfigure(config)

    def memory(self) -> int:
        """Return how many calls are remembered."""
        if self.config.window_kind in (WindowKind.COUNT, WindowKind.TIME):
            return max(64, 2 * self.config.minimum_calls)
        return max(10, 2 * self.config.failure_threshold)

    def remembered(self) -> list[tuple[str, bool, float]]:
        """Return the calls that matter."""
        calls = self.calls[-self.memory() :]
        if self.config.window_kind in (WindowKind.TIME, WindowKind.COUNT_IN_TIME):
            return [call for call in calls if not call[1] or self.now - call[2] < self.config.window_size]
        return calls

    def share(self, part: str) -> Fraction:
        """Return the share of failures of a part, or of its newest call alone."""
        own = [failed for name, failed, _ in self.remembered() if name == part]
        if self.config.window_kind not in (WindowKind.COUNT, WindowKind.TIME):
            own = own[-1:]
        return Fraction(sum(own), len(own))

    def fails(self, part: str) -> bool:
        """Tell whether a part votes for its level."""
        rates = self.config.window_kind in (WindowKind.COUNT, WindowKind.TIME)
        return self.share(part) >= (Fraction(self.config.failure_rate) if rates else 1)

    def must_open(self) -> bool:
        """Tell whether the level fails as a whole."""
        calls, config = self.remembered(), self.config
        failures = sum(failed for _, failed, _ in calls)
        if config.window_kind is WindowKind.CONSECUTIVE:
            rule_is_met = len(calls) >= config.failure_threshold and all(
                failed for _, failed, _ in calls[len(calls) - config.failure_threshold :]
            )
        elif config.window_kind is WindowKind.COUNT_IN_TIME:
            rule_is_met = failures >= config.failure_threshold
        else:
            enough = len(calls) >= config.minimum_calls
            rule_is_met = enough and Fraction(failures, len(calls)) >= Fraction(config.failure_rate)
        seen = {part for part, _, _ in calls}
        failing = sum(self.fails(part) for part in seen)
        return rule_is_met and failing >= {1: 2, 2: 2}.get(self.parts, 3) and failing * 2 > len(seen)

    @invariant()
    def both_agree(self) -> None:
        """The verdict is that of the list, and memory is bounded."""
        expected = self.must_open()
        assert (self.group.reason_to_open(self.now, self.parts) is not None) is expected
        assert len(self.group.recent) == len(self.calls[-self.memory() :])
        seen = {part for part, _, _ in self.remembered()}
        assert self.group.is_to_blame(self.now) is (sum(map(self.fails, seen)) * 2 > len(seen))
        event(f"opens: {expected}")


GroupComparison.TestCase.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, derandomize=True, print_blob=True
)
TestGroupAgainstList = GroupComparison.TestCase
