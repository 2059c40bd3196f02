"""The recovery runner: order of steps, limits, undo, chains and the record it leaves; all under a manual clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from scrollintel.core.clock import SystemClock
from scrollintel.core.errors import ConfigError, NotFoundError, PlanRefusedError, StepFailedError
from scrollintel.recovery import (
    Observation,
    Plan,
    RecoveryConfig,
    RecoveryOutcome,
    RecoveryRunner,
    RecoveryStrategy,
    Step,
)

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FAST = RecoveryConfig(verify_rounds=4, verify_successes=2, verify_interval=1.0, timeout=10.0)


class HandClock(SystemClock):
    """Time that moves only when it is told to; sleeping moves it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return START.timestamp() + self.now

    def sleep(self, seconds: float) -> None:  # type: ignore[override]
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Scripted:
    """A strategy that does what the test says and writes down what it was asked."""

    name: str = "restart"
    healthy: bool = False
    plans: bool = True
    verdicts: list[bool] = field(default_factory=lambda: [True, True])
    on: dict[Step, Callable[[], None]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def _enter(self, step: Step) -> None:
        self.asked.append(step.value)
        self.on.get(step, lambda: None)()

    def observe(self) -> Observation:
        self._enter(Step.OBSERVE)
        return Observation(service="shop", healthy=self.healthy, symptom="process 7 is gone", observed_at=START)

    def plan(self, observation: Observation) -> Plan | None:
        self._enter(Step.PLAN)
        if not self.plans:
            return None
        return Plan(
            service="shop",
            strategy=self.name,
            actions=("start it",),
            reason=observation.symptom,
            planned_at=START,
        )

    def act(self, plan: Plan) -> None:
        self._enter(Step.ACT)

    def verify(self, plan: Plan) -> bool:
        self._enter(Step.VERIFY)
        return self.verdicts.pop(0) if self.verdicts else False

    def undo(self, plan: Plan) -> None:
        self._enter(Step.UNDO)


def fail(error: Exception) -> Callable[[], None]:
    """Return a function that raises `error`."""

    def raise_it() -> None:
        raise error

    return raise_it


def runner_with(*strategies: RecoveryStrategy, config: RecoveryConfig = FAST) -> tuple[RecoveryRunner, HandClock]:
    """Return a runner with these strategies for the service "shop", and its clock."""
    clock = HandClock()
    runner = RecoveryRunner(config=config, clock=clock)
    for strategy in strategies:
        runner.register(strategy, service="shop")
    return runner, clock


def test_runner_broken_service_takes_the_steps_in_order() -> None:
    """A recovery observes, plans, acts and looks until the service was healthy often enough in a row."""
    strategy = Scripted(verdicts=[False, True, True])
    runner, clock = runner_with(strategy)
    record = runner.recover("shop", "process_died")
    assert strategy.asked == ["observe", "plan", "act", "verify", "verify", "verify"]
    assert record.outcome is RecoveryOutcome.RECOVERED
    assert record.strategy == "restart"
    assert record.succeeded
    assert clock.slept == [1.0, 1.0]
    assert record.steps[-1].verify_rounds == 3
    assert record.steps[-1].detail == "healthy 2 times in a row"


def test_runner_record_carries_utc_times_and_measured_seconds() -> None:
    """Each step tells when it began and how long it took."""
    clock = HandClock()
    strategy = Scripted(on={Step.ACT: lambda: clock.sleep(2.5)})
    runner = RecoveryRunner(config=FAST, clock=clock)
    runner.register(strategy, service="shop")
    record = runner.recover("shop", "process_died")
    assert record.started_at == START
    assert record.duration == pytest.approx(3.5)
    assert record.seconds(Step.ACT) == pytest.approx(2.5)
    assert [step.started_at.utcoffset() for step in record.steps] == [START.utcoffset()] * 4
    assert (record.steps[3].started_at - START).total_seconds() == pytest.approx(2.5)


def test_runner_verification_interrupted_by_an_unhealthy_look_starts_counting_again() -> None:
    """Only successes in a row count."""
    runner, _ = runner_with(Scripted(verdicts=[True, False, True, True]))
    assert runner.recover("shop", "hung").succeeded


def test_runner_never_verified_undoes_and_fails() -> None:
    """After the last round the act is taken back and the record says that it did not help."""
    strategy = Scripted(verdicts=[])
    runner, _ = runner_with(strategy)
    record = runner.recover("shop", "hung")
    assert strategy.asked == ["observe", "plan", "act", *["verify"] * 4, "undo"]
    assert record.outcome is RecoveryOutcome.FAILED
    assert record.strategy is None
    with pytest.raises(StepFailedError):
        record.raise_if_failed()


def test_runner_failed_act_is_undone_and_not_verified() -> None:
    """An act that raises half-way is taken back at once."""
    strategy = Scripted(on={Step.ACT: fail(OSError("no such program"))})
    runner, _ = runner_with(strategy)
    record = runner.recover("shop", "hung")
    assert strategy.asked == ["observe", "plan", "act", "undo"]
    assert [step.detail for step in record.steps if not step.succeeded] == ["OSError: no such program"]
    with pytest.raises(StepFailedError, match="step 'act': OSError: no such program"):
        record.raise_if_failed()


def test_runner_failing_strategy_gives_way_to_the_next() -> None:
    """The second strategy of the chain starts after the first was undone, and its success counts."""
    order: list[str] = []
    first = Scripted("first", verdicts=[], on={Step.UNDO: lambda: order.append("first undone")})
    second = Scripted("second", on={Step.OBSERVE: lambda: order.append("second observes")})
    runner, _ = runner_with(first, second)
    record = runner.recover("shop", "hung")
    assert order == ["first undone", "second observes"]
    assert (record.outcome, record.strategy) == (RecoveryOutcome.RECOVERED, "second")


def test_runner_broken_undo_does_not_stop_the_chain() -> None:
    """An undo that raises is written down, and the next strategy still gets its turn."""
    first = Scripted("first", verdicts=[], on={Step.UNDO: fail(OSError("gone"))})
    runner, _ = runner_with(first, Scripted("second"))
    record = runner.recover("shop", "hung")
    assert record.succeeded
    assert [(step.strategy, step.step) for step in record.steps if not step.succeeded] == [
        ("first", Step.VERIFY),
        ("first", Step.UNDO),
    ]


def test_runner_healthy_service_is_left_alone() -> None:
    """No plan for a service that is healthy: nothing was needed, which is a success."""
    strategy = Scripted(healthy=True, plans=False)
    runner, _ = runner_with(strategy)
    record = runner.recover("shop", "hung")
    assert strategy.asked == ["observe", "plan"]
    assert (record.outcome, record.succeeded) == (RecoveryOutcome.NOT_NEEDED, True)
    record.raise_if_failed()


def test_runner_refused_plan_is_a_refusal_with_its_reason() -> None:
    """A strategy that refuses leaves its reason in the record, and nothing is done."""
    strategy = Scripted(on={Step.PLAN: fail(PlanRefusedError("restarted 3 times within a minute"))})
    runner, _ = runner_with(strategy)
    record = runner.recover("shop", "hung")
    assert strategy.asked == ["observe", "plan"]
    assert record.outcome is RecoveryOutcome.REFUSED
    assert record.steps[-1].detail == "refused: restarted 3 times within a minute"


def test_runner_unhealthy_without_a_plan_is_a_refusal() -> None:
    """Nothing to do about an unhealthy service is no success."""
    runner, _ = runner_with(Scripted(plans=False))
    assert runner.recover("shop", "hung").outcome is RecoveryOutcome.REFUSED


@pytest.mark.parametrize("step", [Step.OBSERVE, Step.PLAN])
def test_runner_error_before_acting_needs_no_undo(step: Step) -> None:
    """What was never done is not taken back; the chain goes on."""
    first = Scripted("first", on={step: fail(RuntimeError("broken"))})
    runner, _ = runner_with(first, Scripted("second", plans=False))
    assert runner.recover("shop", "hung").outcome is RecoveryOutcome.FAILED
    assert not {"act", "undo"} & set(first.asked)


def test_runner_error_while_verifying_counts_as_unhealthy() -> None:
    """A look that raises is a look that found no healthy service."""
    runner, _ = runner_with(Scripted(on={Step.VERIFY: fail(ConnectionRefusedError("port 1"))}))
    record = runner.recover("shop", "hung")
    assert not record.succeeded
    assert record.steps[-2].detail == "ConnectionRefusedError: port 1"


def test_runner_time_limit_ends_the_verification() -> None:
    """Verification neither waits nor looks beyond the time limit."""
    config = RecoveryConfig(verify_rounds=100, verify_successes=1, verify_interval=4.0, timeout=10.0)
    runner, clock = runner_with(Scripted(verdicts=[]), config=config)
    record = runner.recover("shop", "hung")
    assert clock.slept == [4.0, 4.0, 2.0]
    assert record.steps[-2].detail == "the time limit of 10 s is over; last look: found unhealthy"


def test_runner_time_limit_reached_while_observing_prevents_the_act() -> None:
    """A strategy that took all its time to look does not act on old evidence."""
    clock = HandClock()
    strategy = Scripted(on={Step.OBSERVE: lambda: clock.sleep(10.0)})
    runner = RecoveryRunner(config=FAST, clock=clock)
    runner.register(strategy, service="shop")
    record = runner.recover("shop", "hung")
    assert strategy.asked == ["observe", "plan"]
    assert record.steps[-1].detail == "not started: the time limit of 10 s is over"


def test_runner_second_recovery_of_one_service_is_refused() -> None:
    """While a service is being recovered no other thread can start on it; another service can."""
    acting, release = threading.Event(), threading.Event()

    def hold() -> None:
        acting.set()
        assert release.wait(10)

    runner, _ = runner_with(Scripted(on={Step.ACT: hold}))
    runner.register(Scripted("other"), service="bank")
    first = threading.Thread(target=runner.recover, args=("shop", "hung"))
    first.start()
    try:
        assert acting.wait(10)
        assert list(runner.in_progress) == ["shop"]
        with pytest.raises(PlanRefusedError, match="'shop' is being recovered already"):
            runner.recover("shop", "hung")
        assert runner.recover("bank", "hung").succeeded
    finally:
        release.set()
        first.join(10)
    assert runner.in_progress == {}
    assert [record.service for record in runner.history()] == ["bank", "shop"]


def test_runner_interrupted_act_frees_the_service() -> None:
    """Ctrl-C during an act passes through and leaves the service free to be recovered again."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    strategy = Scripted(on={Step.ACT: interrupt})
    runner, _ = runner_with(strategy)
    with pytest.raises(KeyboardInterrupt):
        runner.recover("shop", "hung")
    strategy.on.clear()
    assert runner.recover("shop", "hung").succeeded


def test_runner_unknown_service_or_failure_type_is_not_found() -> None:
    """Without a strategy there is nothing to run."""
    runner, _ = runner_with()
    runner.register(Scripted(), service="shop", failure_types=["process_died"])
    assert runner.recover("shop", "process_died").succeeded
    for service, failure_type in (("bank", "process_died"), ("shop", "hung")):
        with pytest.raises(NotFoundError):
            runner.recover(service, failure_type)


def test_runner_registered_strategies_are_told_with_their_failure_types() -> None:
    """Those of one service, in order, whatever failure they are for."""
    first, second = Scripted("first"), Scripted("second")
    runner, _ = runner_with(first)
    runner.register(second, service="shop", failure_types=["hung"])
    runner.register(Scripted("other"), service="bank")
    assert runner.registered("shop") == ((first, None), (second, frozenset({"hung"})))


def test_runner_unregistered_strategy_is_no_longer_tried() -> None:
    """A strategy can be taken out, once."""
    runner, _ = runner_with(Scripted("first"), Scripted("second"))
    runner.unregister("first")
    assert [strategy.name for strategy in runner.chain("shop", "hung")] == ["second"]
    with pytest.raises(NotFoundError, match="'first'"):
        runner.unregister("first")


def test_runner_register_refuses_a_taken_name_and_an_incomplete_strategy() -> None:
    """Nothing half-right enters the registry."""
    runner, _ = runner_with(Scripted())
    with pytest.raises(ConfigError, match="not registered yet"):
        runner.register(Scripted(), service="bank")
    with pytest.raises(ConfigError, match="observe, plan, act, verify and undo"):
        runner.register(object(), service="shop")  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        runner.register(Scripted(""), service="shop")
    with pytest.raises(ConfigError):
        runner.register(Scripted("new"), service="")
    assert [strategy.name for strategy in runner.chain("shop", "hung")] == ["restart"]


def test_runner_history_is_bounded_and_by_service() -> None:
    """The oldest recoveries are forgotten first."""
    config = RecoveryConfig(verify_successes=1, verify_interval=0.0, history=2)
    runner, _ = runner_with(Scripted(verdicts=[True] * 3), config=config)
    runner.register(Scripted("other"), service="bank")
    for service in ("bank", "shop", "shop"):
        runner.recover(service, "hung")
    assert [record.service for record in runner.history()] == ["shop", "shop"]
    assert runner.history("bank") == ()


def test_recovery_config_bad_values_are_named_all_at_once() -> None:
    """Each violation is listed, also the one between two fields."""
    with pytest.raises(ConfigError) as caught:
        RecoveryConfig(verify_rounds=1, verify_successes=2, verify_interval=float("nan"), timeout=0, history=0)
    assert {violation.field for violation in caught.value.violations} == {
        "verify_successes",
        "verify_interval",
        "timeout",
        "history",
    }
