"""What a report tells of a process: only what has changed, and calls and attempts that add up."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from scrollintel import (
    BulkheadConfig,
    CircuitBreakerConfig,
    CircuitState,
    FaultToleranceManager,
    HedgeConfig,
    Policy,
    RetryConfig,
)
from scrollintel.core.hub import EventHub
from scrollintel.core.registry import Registry
from scrollintel.replica.figures import Figures
from scrollintel.replica.protocol import CircuitReport, PolicyReport
from scrollintel.testing import ManualClock

RETRY = RetryConfig(max_attempts=3, base_delay=0.0, jitter=False)


@pytest.fixture
def manager(registry: Registry) -> FaultToleranceManager:
    """Return a manager on the manual clock."""
    return FaultToleranceManager(registry=registry)


def failing(times: int) -> Iterator[int]:
    """Fail so often, then succeed for ever."""
    for _ in range(times):
        yield 0
    while True:
        yield 1


def run(manager: FaultToleranceManager, policy: Policy, *failures: int, key: str = "") -> None:
    """Make one call for each number of failures that come before its success."""
    pipeline = manager.registry.pipeline(policy)
    for number in failures:
        results = failing(number)

        def work(_key: str, results: Iterator[int] = results) -> int:
            if not next(results):
                raise ConnectionError("down")
            return 1

        with contextlib.suppress(Exception):
            pipeline.call(work, key)


def counts(figures: Figures, name: str) -> tuple[int, int, int]:
    """Return calls, attempts and retries of a policy."""
    figures.circuits()
    (row,) = [row for row in figures.policies(full=True) if row.name == name]
    return row.calls, row.attempts, row.retries


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy("p", breaker=CircuitBreakerConfig("p", failure_threshold=99), retry=RETRY), (3, 6, 3)),
        (Policy("p", retry=RETRY), (3, 6, 3)),
        (Policy("p", breaker=CircuitBreakerConfig("p", failure_threshold=99)), (3, 3, 0)),
        (
            Policy(
                "p",
                breaker=CircuitBreakerConfig("p", failure_threshold=99),
                retry=RETRY,
                order=("breaker", "retry"),
            ),
            (3, 6, 3),
        ),
        (Policy("p", breaker=CircuitBreakerConfig("p", failure_threshold=99), retry=RETRY, key=str), (3, 6, 3)),
    ],
)
def test_figures_count_calls_and_attempts(
    manager: FaultToleranceManager, policy: Policy, expected: tuple[int, int, int]
) -> None:
    """Three calls of which one needs two attempts and one gives up after three make six attempts, however layered."""
    figures = Figures(manager)
    run(manager, policy, 0, 1, 9, key="eu")
    assert counts(figures, "p") == expected


def test_figures_count_a_refused_call_with_its_attempt(manager: FaultToleranceManager) -> None:
    """A call that an open circuit refuses is a call with one attempt."""
    figures = Figures(manager)
    policy = Policy("p", breaker=CircuitBreakerConfig("p", failure_threshold=2))
    run(manager, policy, 9, 9, 0, 0)
    assert counts(figures, "p") == (4, 4, 0)


def test_figures_never_fall_when_an_operator_resets(manager: FaultToleranceManager) -> None:
    """A reset makes the circuit begin anew; the calls of its policy go on from where they were."""
    figures = Figures(manager)
    policy = Policy("p", breaker=CircuitBreakerConfig("p", failure_threshold=99), retry=RETRY)
    run(manager, policy, 0, 1)
    assert counts(figures, "p") == (2, 3, 1)
    manager.registry.find_circuit("p").reset()
    run(manager, policy, 0)
    assert counts(figures, "p") == (3, 4, 1)


def test_figures_of_keyed_circuits_that_are_dropped_stay(manager: FaultToleranceManager, clock: ManualClock) -> None:
    """The counts of a key outlive its circuit."""
    figures = Figures(manager)
    config = CircuitBreakerConfig("p", failure_threshold=99)
    policy = Policy("p", breaker=config, key=str, max_keys=1, key_idle=1.0)
    for number in range(4):
        run(manager, policy, 0, key=f"k{number}")
        assert counts(figures, "p") == (number + 1, number + 1, 0)
        clock.advance(2.0)


def test_figures_of_policies_that_share_a_circuit_tell_no_calls(manager: FaultToleranceManager) -> None:
    """Whose attempts a shared circuit has seen is not known, so nothing is said."""
    figures = Figures(manager)
    shared = CircuitBreakerConfig("shared", failure_threshold=99)
    run(manager, Policy("a", breaker=shared, retry=RETRY), 1)
    run(manager, Policy("b", breaker=shared), 0)
    assert counts(figures, "a") == (0, 0, 1)
    assert counts(figures, "b") == (0, 0, 0)


def test_figures_count_calls_of_the_manager(manager: FaultToleranceManager) -> None:
    """Combinations under one name share their circuit, and their calls are counted once."""
    figures = Figures(manager)
    config = CircuitBreakerConfig("m", failure_threshold=99)
    for retry in (None, RETRY):
        results = failing(0 if retry is None else 1)

        def work(results: Iterator[int] = results) -> int:
            if not next(results):
                raise ConnectionError
            return 1

        manager.execute_blocking(work, circuit_breaker_config=config, retry_config=retry)
    assert counts(figures, "m") == (2, 3, 1)


def test_figures_count_what_a_bulkhead_refuses(manager: FaultToleranceManager) -> None:
    """A call that finds the bulkhead full is a call with one attempt."""
    figures = Figures(manager)
    policy = Policy("p", breaker=CircuitBreakerConfig("p"), bulkhead=BulkheadConfig(max_concurrent=1))
    pipeline = manager.registry.pipeline(policy)

    def outer() -> None:
        with contextlib.suppress(Exception):
            pipeline.call(lambda: 1)

    pipeline.call(outer)
    assert counts(figures, "p") == (2, 2, 0)


@pytest.mark.asyncio
async def test_figures_count_a_hedge_as_an_attempt(manager: FaultToleranceManager, clock: ManualClock) -> None:
    """A call with one hedge is one call of two attempts once both have ended."""
    figures = Figures(manager)
    policy = Policy("p", breaker=CircuitBreakerConfig("p"), hedge=HedgeConfig(delay=1.0))
    times = iter([10.0, 0.1])

    async def work() -> int:
        await clock.asleep(next(times))
        return 1

    assert await manager.registry.pipeline(policy).acall(work) == 1
    assert counts(figures, "p")[:2] == (1, 2)


def test_figures_tell_only_what_has_changed(manager: FaultToleranceManager) -> None:
    """The second look at idle circuits and policies tells nothing; a call tells of its own circuit."""
    figures = Figures(manager)
    for name in ("a", "b"):
        run(manager, Policy(name, breaker=CircuitBreakerConfig(name)), 0)
    assert {row.name for row in figures.circuits()} == {"a", "b"}
    assert {row.name for row in figures.policies()} == {"a", "b"}
    assert not (figures.circuits() or figures.policies() or figures.levels())
    run(manager, Policy("b", breaker=CircuitBreakerConfig("b")), 0)
    assert [row.name for row in figures.circuits()] == ["b"]
    assert [row.name for row in figures.policies()] == ["b"]
    assert {row.name for row in figures.circuits(full=True)} == {"a", "b"}


def test_figures_of_named_circuits_leave_the_others_for_later(manager: FaultToleranceManager) -> None:
    """A look at one circuit neither tells of another nor makes it told; one never seen waits for the whole look."""
    figures = Figures(manager)
    policies = {name: Policy(name, breaker=CircuitBreakerConfig(name)) for name in ("a", "b", "c")}
    run(manager, policies["a"], 0)
    run(manager, policies["b"], 0)
    figures.circuits()
    for policy in policies.values():
        run(manager, policy, 0)
    assert [row.name for row in figures.circuits(only={("a", None), ("c", None)})] == ["a"]
    assert figures.circuits(only={("a", None)}) == []
    assert [row.name for row in figures.circuits()] == ["b", "c"]


def test_figures_cut_texts_that_no_message_may_hold(manager: FaultToleranceManager) -> None:
    """A reason is short and free of NUL, whatever an operator of the process wrote."""
    circuit = manager.registry.circuit(CircuitBreakerConfig("a"))
    circuit.isolate("x\x00" * 2000)
    (row,) = Figures(manager).circuits()
    assert row.state == CircuitState.ISOLATED.value
    assert len(row.reason) == 1000
    assert "\x00" not in row.reason


def test_figures_of_a_policy_have_the_order_of_its_row() -> None:
    """Rows are read by position, so what is new stands at the end."""
    assert PolicyReport._fields[-13:] == (
        "rejections", "calls", "attempts", "given_up", "slots", "capacity", "reserve", "limit", "limit_running",
        "limit_waiting", "throttled", "limit_rejections", "throttle_rejections",
    )  # fmt: skip
    assert CircuitReport._fields[6:14] == (
        "successes", "failures", "slow", "rejections", "timeouts", "late", "ignored", "abandoned",
    )  # fmt: skip
    assert Figures(FaultToleranceManager(hub=EventHub())).policies() == []


def test_figures_tell_calls_whose_retries_gave_up_also_after_a_change(manager: FaultToleranceManager) -> None:
    """A call that fails with its last attempt counts once, and the count outlives a replaced policy."""
    pipeline = manager.registry.pipeline(Policy("p", retry=RETRY))

    def work() -> None:
        raise ConnectionError("down")

    figures = Figures(manager)
    for changed in (RETRY, RetryConfig(max_attempts=2, base_delay=0.0, jitter=False)):
        pipeline.replace(Policy("p", retry=changed))
        with pytest.raises(ConnectionError):
            pipeline.call(work)
    (row,) = figures.policies(full=True)
    assert (row.given_up, row.retries) == (2, 3)
