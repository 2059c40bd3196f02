"""A recovery that is watched: what a witness is told, and how it ends what it watches."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scrollintel.core.errors import NotFoundError
from scrollintel.recovery import (
    Observation,
    Plan,
    RecoveryConfig,
    RecoveryRunner,
    Step,
    StepResult,
)
from scrollintel.testing import ManualClock

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Restart:
    """A strategy that helps at the second look."""

    def __init__(self, name: str = "restart") -> None:
        self.name = name
        self.asked: list[str] = []

    def observe(self) -> Observation:
        self.asked.append("observe")
        return Observation(service="shop", healthy=False, symptom="process 7 is gone", observed_at=AT)

    def plan(self, observation: Observation) -> Plan:
        self.asked.append("plan")
        return Plan(service="shop", strategy=self.name, actions=("start it",), reason="gone", planned_at=AT)

    def act(self, plan: Plan) -> None:
        self.asked.append("act")

    def verify(self, plan: Plan) -> bool:
        self.asked.append("verify")
        return self.asked.count("verify") > 1

    def undo(self, plan: Plan) -> None:
        self.asked.append("undo")


class Notes:
    """A witness that writes everything down, and raises where the test says."""

    def __init__(self, strategy: Restart, ends: str | None = None) -> None:
        self._strategy = strategy
        self._ends = ends
        self.seen: list[str] = []

    def _note(self, text: str) -> None:
        self.seen.append(text)
        if text == self._ends:
            raise InterruptedError(text)

    def began(self, strategy: str, step: Step, started_at: datetime) -> None:
        done = self._strategy.asked.count(step.value)
        self._note(f"{strategy} begins {step.value} after {done}")

    def ended(self, result: StepResult) -> None:
        self._note(f"{result.strategy} ended {result.step.value}")

    def wait(self, seconds: float) -> None:
        self._note(f"wait {seconds:g}")


def watched(ends: str | None = None) -> tuple[RecoveryRunner, Restart, Notes]:
    """Return a runner, a strategy that is registered with it, and a witness that ends the recovery at `ends`."""
    strategy = Restart()
    config = RecoveryConfig(verify_rounds=3, verify_successes=1, verify_interval=1.0)
    runner = RecoveryRunner(config=config, clock=ManualClock())
    runner.register(strategy, service="shop")
    return runner, strategy, Notes(strategy, ends)


def test_witness_is_told_of_each_step_before_it_does_anything_and_after() -> None:
    """Each beginning comes before the strategy is asked, each end after; waits between looks are the witness's."""
    runner, _, notes = watched()
    assert runner.recover("shop", "hung", witness=notes).succeeded
    assert notes.seen == [
        "restart begins observe after 0", "restart ended observe",
        "restart begins plan after 0", "restart ended plan",
        "restart begins act after 0", "restart ended act",
        "restart begins verify after 0", "wait 1", "restart ended verify",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ends", "asked"),
    [
        ("restart begins observe after 0", []),
        ("restart ended plan", ["observe", "plan"]),
        ("restart begins act after 0", ["observe", "plan"]),
        ("restart ended act", ["observe", "plan", "act"]),
        ("wait 1", ["observe", "plan", "act", "verify"]),
    ],
)
def test_witness_that_raises_ends_the_recovery_there(ends: str, asked: list[str]) -> None:
    """No further step begins, nothing is undone, the error comes through, and the service is free again."""
    runner, strategy, notes = watched(ends)
    with pytest.raises(InterruptedError):
        runner.recover("shop", "hung", witness=notes)
    assert strategy.asked == asked
    assert runner.in_progress == {}
    assert runner.history() == ()


def test_runner_given_strategies_stand_in_for_the_registered_ones() -> None:
    """Only those that are given are tried, in their order, and none given is none found."""
    runner, registered, _ = watched()
    given = Restart("given")
    assert runner.recover("shop", "hung", strategies=[given]).strategy == "given"
    assert registered.asked == []
    with pytest.raises(NotFoundError):
        runner.recover("shop", "hung", strategies=[])
