"""The public contract of the engine, as a reader of its documentation expects it."""

from __future__ import annotations

import ast
import asyncio
import http.client
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import scrollintel
from scrollintel import (
    Backoff,
    BudgetConfig,
    BulkheadConfig,
    CallTimeoutError,
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitIsolatedError,
    CircuitOpenError,
    CircuitState,
    ConfigError,
    DegradationLevel,
    EventHub,
    FallbackConfig,
    FaultToleranceManager,
    GracefulDegradation,
    Jitter,
    NotFoundError,
    Outcome,
    Pipeline,
    Policy,
    RetryConfig,
    TimeoutConfig,
    Value,
    WindowKind,
    ft_manager,
    protect,
)
from scrollintel.core.registry import Registry
from scrollintel.testing import ManualClock

ISSUE = """
from scrollintel.core.fault_tolerance import (
    CircuitBreaker, CircuitBreakerConfig, CircuitState, RetryConfig, DegradationLevel, GracefulDegradation,
    FaultToleranceManager, ft_manager,
)

cb_config = CircuitBreakerConfig(name="database_operations", failure_threshold=5, recovery_timeout=60, success_threshold=3, timeout=30)
retry_config = RetryConfig(max_attempts=3, base_delay=1.0, max_delay=60.0, exponential_base=2.0, jitter=True,
                           retryable_exceptions=[ConnectionError, TimeoutError])
result = await ft_manager.execute_with_fault_tolerance(
    operation=database_operation, circuit_breaker_config=cb_config, retry_config=retry_config, fallback=fallback_function)
"""  # noqa: E501 - verbatim


class Script:
    """An operation that plays a list of results in order, raising those that are errors; the last one repeats."""

    def __init__(self, *results: object) -> None:
        self.results = list(results)
        self.calls = 0

    def __call__(self) -> object:
        result = self.results[min(self.calls, len(self.results) - 1)]
        self.calls += 1
        if isinstance(result, BaseException):
            raise result
        return result

    async def later(self) -> object:
        """Do the same as a coroutine function."""
        return self()


@pytest.fixture
def manager(registry: Registry) -> FaultToleranceManager:
    """Return a manager of the test's own, on the manual clock."""
    return FaultToleranceManager(registry=registry)


def breaker(clock: ManualClock, hub: EventHub, **options: Any) -> CircuitBreaker:
    """Return a circuit breaker on the manual clock."""
    return CircuitBreaker(CircuitBreakerConfig("orders", **options), clock=clock, hub=hub)


def fail(circuit: CircuitBreaker, times: int, error: type[Exception] = ConnectionError) -> None:
    """Let a number of calls fail."""
    for _ in range(times):
        with pytest.raises(error):
            circuit.call(Script(error("down")))


async def run_issue(operation: Callable[[], Any], fallback: Callable[..., Any]) -> object:
    """Run the text of the issue with these functions and return its `result`."""
    namespace: dict[str, Any] = {"database_operation": operation, "fallback_function": fallback}
    code = compile(ISSUE, "<issue>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    await eval(code, namespace)
    return namespace["result"]


@pytest.fixture
def clean_issue_names() -> Iterator[None]:
    """Leave no trace in the manager of the process."""
    yield
    ft_manager.clear()


# ---------------------------------------------------------------------------------------- the code of the issue


@pytest.mark.asyncio
@pytest.mark.usefixtures("clean_issue_names")
async def test_issue_code_with_coroutine_functions_returns_the_result() -> None:
    """The published example runs as it stands with coroutine functions."""
    assert await run_issue(Script("row").later, Script("cached").later) == "row"
    assert ft_manager.circuit_breaker("database_operations").state is CircuitState.CLOSED


@pytest.mark.asyncio
@pytest.mark.usefixtures("clean_issue_names")
async def test_issue_code_with_plain_functions_answers_by_the_fallback() -> None:
    """The published example runs as it stands with plain functions, and a failure is answered by the fallback."""
    operation = Script(ValueError("not retryable"))
    assert await run_issue(operation, Script("cached")) == "cached"
    assert operation.calls == 1


def test_issue_defaults_are_those_shown() -> None:
    """Every parameter shown in the example but the name and the error list is the default."""
    shown = CircuitBreakerConfig(name="n", failure_threshold=5, recovery_timeout=60, success_threshold=3, timeout=30)
    assert shown == CircuitBreakerConfig("n")
    shown_retry = RetryConfig(max_attempts=3, base_delay=1.0, max_delay=60.0, exponential_base=2.0, jitter=True)
    assert shown_retry == RetryConfig()
    assert RetryConfig().jitter is Jitter.FULL


def test_package_offers_the_same_names_as_the_front_door() -> None:
    """`scrollintel` and `scrollintel.core.fault_tolerance` give the same objects under the same names."""
    from scrollintel.core import fault_tolerance

    for name in fault_tolerance.__all__:
        assert getattr(scrollintel, name) is getattr(fault_tolerance, name)


# -------------------------------------------------------------------------------- circuit breaker: transitions


def test_breaker_new_is_closed_and_passes_results(clock: ManualClock, hub: EventHub) -> None:
    """A new circuit is closed and hands arguments and results through."""
    circuit = breaker(clock, hub)
    assert circuit.call(lambda a, *, b: (a, b), 1, b=2) == (1, 2)
    assert circuit.state is CircuitState.CLOSED


def test_breaker_opens_at_the_threshold_and_not_before(clock: ManualClock, hub: EventHub) -> None:
    """The fifth failure in a row opens the circuit, the fourth does not."""
    circuit = breaker(clock, hub)
    fail(circuit, 4)
    assert circuit.state is CircuitState.CLOSED
    fail(circuit, 1)
    assert circuit.state is CircuitState.OPEN


def test_breaker_success_resets_the_failures_in_a_row(clock: ManualClock, hub: EventHub) -> None:
    """Only failures in a row count by default."""
    circuit = breaker(clock, hub, failure_threshold=3)
    fail(circuit, 2)
    circuit.call(Script("ok"))
    fail(circuit, 2)
    assert circuit.state is CircuitState.CLOSED


def test_breaker_open_rejects_without_running_the_operation(clock: ManualClock, hub: EventHub) -> None:
    """An open circuit does not run the operation and says who refuses, for how long, and why."""
    circuit = breaker(clock, hub, failure_threshold=1)
    fail(circuit, 1)
    clock.advance(20)
    operation = Script("ok")
    with pytest.raises(CircuitOpenError) as caught:
        circuit.call(operation)
    assert operation.calls == 0
    assert caught.value.source == "orders"
    assert caught.value.retry_after == pytest.approx(40)
    assert caught.value.last_failure is not None
    assert caught.value.last_failure.type == "ConnectionError"


def test_breaker_after_recovery_timeout_admits_one_probe(clock: ManualClock, hub: EventHub) -> None:
    """When the open period is over one call is let through, and no second one beside it."""
    circuit = breaker(clock, hub, failure_threshold=1)
    fail(circuit, 1)
    clock.advance(60)

    def probe() -> str:
        assert circuit.state is CircuitState.HALF_OPEN
        with pytest.raises(CircuitOpenError):
            circuit.call(Script("second"))
        return "first"

    assert circuit.call(probe) == "first"


def test_breaker_closes_after_the_success_threshold(clock: ManualClock, hub: EventHub) -> None:
    """Three successful probes close the circuit, two do not."""
    circuit = breaker(clock, hub, failure_threshold=1)
    fail(circuit, 1)
    clock.advance(60)
    for expected in (CircuitState.HALF_OPEN, CircuitState.HALF_OPEN, CircuitState.CLOSED):
        circuit.call(Script("ok"))
        assert circuit.state is expected


def test_breaker_failed_probe_opens_again_for_the_full_period(clock: ManualClock, hub: EventHub) -> None:
    """A probe that fails starts a new open period."""
    circuit = breaker(clock, hub, failure_threshold=1)
    fail(circuit, 1)
    clock.advance(60)
    fail(circuit, 1)
    assert circuit.state is CircuitState.OPEN
    clock.advance(59)
    assert circuit.state is CircuitState.OPEN
    clock.advance(1)
    assert circuit.state is CircuitState.HALF_OPEN


def test_breaker_hung_probe_loses_its_lease(clock: ManualClock, hub: EventHub) -> None:
    """A probe that never returns counts as failed when its lease ends, so the circuit is not wedged."""
    circuit = breaker(clock, hub, failure_threshold=1, timeout=None, success_threshold=1)
    fail(circuit, 1)
    clock.advance(60)

    def hangs() -> None:
        clock.advance(60)  # the lease of a probe without a time limit
        assert circuit.state is CircuitState.OPEN
        clock.advance(60)
        assert circuit.call(Script("ok")) == "ok"

    circuit.call(hangs)
    assert circuit.state is CircuitState.CLOSED


def test_breaker_failure_rate_window_opens_at_the_rate(clock: ManualClock, hub: EventHub) -> None:
    """A count window opens at half of the calls failed, and not before the minimum number of calls."""
    circuit = breaker(clock, hub, window_kind=WindowKind.COUNT, window=20, minimum_calls=10)
    for _ in range(5):
        circuit.call(Script("ok"))
    fail(circuit, 4)
    assert circuit.state is CircuitState.CLOSED
    fail(circuit, 1)
    assert circuit.state is CircuitState.OPEN


def test_breaker_time_window_forgets_old_failures(clock: ManualClock, hub: EventHub) -> None:
    """Failures older than the time window do not open the circuit."""
    circuit = breaker(clock, hub, window_kind=WindowKind.TIME, window=10, minimum_calls=4)
    fail(circuit, 3)
    clock.advance(20)
    for _ in range(5):
        circuit.call(Script("ok"))
    fail(circuit, 1)
    assert circuit.state is CircuitState.CLOSED


def test_breaker_returned_503_counts_as_failure(clock: ManualClock, hub: EventHub) -> None:
    """A predicate makes a returned value count as a failure."""
    circuit = breaker(clock, hub, failure_threshold=2, result_predicate=lambda status: status == 503)
    assert [circuit.call(Script(503)) for _ in range(2)] == [503, 503]
    assert circuit.state is CircuitState.OPEN


def test_breaker_ignored_errors_count_for_nothing(clock: ManualClock, hub: EventHub) -> None:
    """An ignored error passes through and neither counts as failure nor as success."""
    circuit = breaker(clock, hub, failure_threshold=2, ignored_exceptions=[KeyError])
    fail(circuit, 1)
    fail(circuit, 5, KeyError)
    assert circuit.state is CircuitState.CLOSED
    fail(circuit, 1)
    assert circuit.state is CircuitState.OPEN


def test_breaker_only_named_exceptions_count(clock: ManualClock, hub: EventHub) -> None:
    """With named failure exceptions other errors are neutral."""
    circuit = breaker(clock, hub, failure_threshold=1, failure_exceptions=[ConnectionError])
    fail(circuit, 3, ValueError)
    assert circuit.state is CircuitState.CLOSED
    fail(circuit, 1)
    assert circuit.state is CircuitState.OPEN


def test_breaker_isolate_close_and_reset_by_hand(clock: ManualClock, hub: EventHub) -> None:
    """An operator holds the circuit open for any time, and closes it at once."""
    circuit = breaker(clock, hub)
    circuit.isolate("maintenance")
    clock.advance(1_000_000)
    with pytest.raises(CircuitIsolatedError) as caught:
        circuit.call(Script("ok"))
    assert caught.value.retry_after is None
    assert circuit.snapshot().reason == "maintenance"
    circuit.close()
    assert circuit.call(Script("ok")) == "ok"
    fail(circuit, 5)
    circuit.reset()
    assert circuit.state is CircuitState.CLOSED
    assert circuit.snapshot().tally.failures == 0


def test_breaker_snapshot_tells_counts_and_history(clock: ManualClock, hub: EventHub) -> None:
    """A snapshot holds counts, response times, the last failure and the changes of state."""
    circuit = breaker(clock, hub, failure_threshold=1)

    def takes_two_seconds() -> None:
        clock.advance(2)

    circuit.call(takes_two_seconds)
    fail(circuit, 1)
    with pytest.raises(CircuitOpenError):
        circuit.call(Script("ok"))
    view = circuit.snapshot()
    assert (view.tally.successes, view.tally.failures, view.tally.rejections) == (1, 1, 1)
    assert view.response_times.maximum == pytest.approx(2, rel=0.04)
    assert [(change.old, change.new) for change in view.history] == [(CircuitState.CLOSED, CircuitState.OPEN)]
    assert view.retry_after == pytest.approx(60)


@pytest.mark.asyncio
async def test_breaker_works_as_decorator_block_and_call_in_both_colours(clock: ManualClock, hub: EventHub) -> None:
    """One circuit protects functions, coroutine functions and blocks of both colours."""
    circuit = breaker(clock, hub)
    assert circuit(Script(1))() == 1
    assert await circuit(Script(2).later)() == 2
    assert circuit.call(Script(3)) == 3
    assert await circuit.acall(Script(4).later) == 4
    with circuit:
        pass
    async with circuit:
        pass
    assert circuit.snapshot().tally.successes == 6


@pytest.mark.asyncio
async def test_breaker_timeout_interrupts_a_hanging_coroutine_and_counts(clock: ManualClock, hub: EventHub) -> None:
    """An attempt that does not end within `timeout` is cancelled and counts as a failure."""
    circuit = breaker(clock, hub, failure_threshold=1, timeout=30)
    with pytest.raises(CallTimeoutError):
        await circuit.acall(clock.asleep, 3600)
    assert circuit.state is CircuitState.OPEN
    assert circuit.snapshot().tally.timeouts == 1
    assert clock.monotonic() == pytest.approx(1030)


# ------------------------------------------------------------------------------------------ retry: back-off, jitter


def delays(clock: ManualClock, registry: Registry, attempts: int, **options: Any) -> list[float]:
    """Return the waits between the attempts of a call that always fails."""
    pipeline = protect("retries", retry=RetryConfig(max_attempts=attempts, **options), registry=registry)
    with pytest.raises(ConnectionError):
        pipeline.call(Script(ConnectionError("down")))
    return clock.sleeps


def test_retry_succeeds_on_a_later_attempt(clock: ManualClock, registry: Registry) -> None:
    """A retried call returns the first good result."""
    operation = Script(ConnectionError("1"), ConnectionError("2"), "ok")
    assert protect("retries", retry=RetryConfig(), registry=registry).call(operation) == "ok"
    assert operation.calls == 3
    assert len(clock.sleeps) == 2


def test_retry_without_jitter_doubles_up_to_the_cap(clock: ManualClock, registry: Registry) -> None:
    """The delay grows by the base and never exceeds `max_delay`."""
    assert delays(clock, registry, 6, jitter=False, max_delay=5) == [1, 2, 4, 5, 5]


def test_retry_linear_and_constant_backoff(clock: ManualClock, hub: EventHub) -> None:
    """Linear and constant schedules are available as well."""
    assert delays(clock, Registry(clock=clock, hub=hub), 4, jitter=False, backoff=Backoff.LINEAR) == [1, 2, 3]
    clock.sleeps.clear()
    assert delays(clock, Registry(clock=clock, hub=hub), 4, jitter=False, backoff=Backoff.CONSTANT) == [1, 1, 1]


@pytest.mark.parametrize("jitter", list(Jitter))
def test_retry_jitter_stays_within_its_bounds(clock: ManualClock, registry: Registry, jitter: Jitter) -> None:
    """Every kind of jitter stays between zero and the cap, full and equal below the computed delay."""
    waits = delays(clock, registry, 12, jitter=jitter, base_delay=0.5, max_delay=20)
    computed = [min(20, 0.5 * 2**n) for n in range(11)]
    assert all(0 <= wait <= 20 for wait in waits)
    if jitter is not Jitter.DECORRELATED:
        assert all(wait <= limit for wait, limit in zip(waits, computed, strict=True))
    if jitter is Jitter.EQUAL:
        assert all(wait >= limit / 2 for wait, limit in zip(waits, computed, strict=True))


def test_retry_full_jitter_differs_from_call_to_call(clock: ManualClock, registry: Registry) -> None:
    """Clients that fail together do not come back together."""
    assert len(set(delays(clock, registry, 30, base_delay=60))) > 20


def test_retry_filters_by_exception_type(registry: Registry) -> None:
    """Only the named exceptions are tried again."""
    pipeline = protect("retries", retry=RetryConfig(retryable_exceptions=[ConnectionError]), registry=registry)
    operation = Script(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        pipeline.call(operation)
    assert operation.calls == 1


def test_retry_original_error_surfaces_with_a_note(registry: Registry) -> None:
    """What the operation raised last comes out as it is, with a note that tells attempts and time."""
    last = ConnectionError("third")
    retry = RetryConfig(jitter=False)
    pipeline = protect("retries", retry=retry, registry=registry)
    with pytest.raises(ConnectionError) as caught:
        pipeline.call(Script(ConnectionError("first"), ConnectionError("second"), last))
    assert caught.value is last
    assert caught.value.__cause__ is None
    assert last.__notes__ == ["gave up after 3 attempts in 3 s (retries)"]


def test_retry_honours_retry_after(clock: ManualClock, registry: Registry) -> None:
    """A server's wish is waited for."""
    retry = RetryConfig(jitter=False, retry_after=lambda seen: 17.0)
    protect("retries", retry=retry, registry=registry).call(Script(ConnectionError("busy"), "ok"))
    assert clock.sleeps == [17.0]


def test_retry_rejected_call_is_not_tried_again(clock: ManualClock, registry: Registry) -> None:
    """An open circuit ends the call at once."""
    pipeline = protect("shop", breaker=CircuitBreakerConfig("shop"), retry=RetryConfig(), registry=registry)
    pipeline.circuit().isolate()
    with pytest.raises(CircuitOpenError):
        pipeline.call(Script("ok"))
    assert clock.sleeps == []


def test_retry_budget_ends_a_storm(registry: Registry) -> None:
    """Beyond the budget a failing dependency is called once per call."""
    retry = RetryConfig(budget=BudgetConfig(reserve=5, ratio=0.0))
    pipeline = protect("retries", retry=retry, registry=registry)
    operation = Script(ConnectionError("down"))
    for _ in range(100):
        with pytest.raises(ConnectionError):
            pipeline.call(operation)
    assert operation.calls == 105


# ------------------------------------------------------------------------------------------------- configuration


def test_config_reports_all_violations_at_once() -> None:
    """A broken configuration names every field, its value and what is allowed."""
    with pytest.raises(ConfigError) as caught:
        CircuitBreakerConfig("", failure_threshold=0, recovery_timeout=-1, timeout=float("nan"))
    assert {violation.field for violation in caught.value.violations} == {
        "name", "failure_threshold", "recovery_timeout", "timeout",
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"max_delay.*base_delay"):
        RetryConfig(base_delay=10, max_delay=1)


# -------------------------------------------------------------------------------------------- graceful degradation


def test_degradation_levels_are_ordered() -> None:
    """The five levels go from nothing to almost all."""
    levels = DegradationLevel
    assert levels.NONE < levels.MINIMAL < levels.MODERATE < levels.SEVERE < levels.CRITICAL


def test_degradation_services_register_and_unregister(clock: ManualClock, hub: EventHub) -> None:
    """Services come and go at run time."""
    degradation = GracefulDegradation(clock=clock, hub=hub)
    degradation.register_service("search")
    assert degradation.services() == ("search",)
    assert degradation.level("search") is DegradationLevel.NONE
    degradation.unregister_service("search")
    with pytest.raises(NotFoundError):
        degradation.level("search")


def test_degradation_level_set_by_hand_switches_features(clock: ManualClock, hub: EventHub) -> None:
    """A feature stays on up to its level and is off beyond it."""
    degradation = GracefulDegradation(clock=clock, hub=hub)
    degradation.register_service("shop")
    degradation.feature("recommendations", service="shop", up_to=DegradationLevel.MINIMAL)
    assert degradation.is_enabled("recommendations")
    degradation.set_level("shop", DegradationLevel.MODERATE, reason="load")
    assert not degradation.is_enabled("recommendations")
    degradation.set_level("shop", DegradationLevel.NONE, reason="over")
    assert degradation.is_enabled("recommendations")


@pytest.mark.asyncio
async def test_degradation_runs_the_fallback_of_the_level(clock: ManualClock, hub: EventHub) -> None:
    """At a level with a fallback the fallback answers instead of the operation."""
    degradation = GracefulDegradation(clock=clock, hub=hub)
    degradation.register_service("search", fallbacks={DegradationLevel.SEVERE: Value("cached")})
    operation = Script("fresh")
    assert await degradation.execute("search", operation.later) == "fresh"
    degradation.set_level("search", DegradationLevel.SEVERE, reason="test")
    assert await degradation.execute("search", operation.later) == "cached"
    assert operation.calls == 1


# ------------------------------------------------------------------------------------------ manager and fallbacks


@pytest.mark.asyncio
@pytest.mark.parametrize("colour", ["plain", "coroutine"])
async def test_manager_operation_and_fallback_in_any_colour(manager: FaultToleranceManager, colour: str) -> None:
    """Operation and fallback may each be a plain or a coroutine function."""
    operation, fallback = Script(ConnectionError("down")), Script("cached")
    first: Callable[[], Any] = operation if colour == "plain" else operation.later
    second: Callable[[], Any] = fallback.later if colour == "plain" else fallback
    result = await manager.execute_with_fault_tolerance(
        first,
        circuit_breaker_config=CircuitBreakerConfig("db"),
        retry_config=RetryConfig(),
        fallback=second,
    )
    assert result == "cached"
    assert operation.calls == 3


def test_manager_blocking_twin_does_the_same(manager: FaultToleranceManager) -> None:
    """Blocking code has the same call."""
    operation = Script(ConnectionError("down"), "row")
    assert manager.execute_blocking(operation, retry_config=RetryConfig()) == "row"


def test_manager_circuits_are_shared_by_name(manager: FaultToleranceManager) -> None:
    """Equal names mean one circuit, whoever calls."""
    for _ in range(5):
        with pytest.raises(ConnectionError):
            manager.execute_blocking(Script(ConnectionError("down")), circuit_breaker_config=CircuitBreakerConfig("db"))
    with pytest.raises(CircuitOpenError):
        manager.execute_blocking(Script("ok"), circuit_breaker_config=CircuitBreakerConfig("db"))
    assert manager.execute_blocking(Script("ok"), circuit_breaker_config=CircuitBreakerConfig("other")) == "ok"
    assert manager.circuit_breaker("db").state is CircuitState.OPEN


def test_manager_fallback_belongs_to_its_call(manager: FaultToleranceManager) -> None:
    """A fallback answers the call it was given to and no other."""
    config = CircuitBreakerConfig("db", failure_threshold=100)
    for answer in ("a", "b", "a"):
        got = manager.execute_blocking(
            Script(ConnectionError("down")), circuit_breaker_config=config, fallback=Value(answer)
        )
        assert got == answer
    with pytest.raises(ConnectionError):
        manager.execute_blocking(Script(ConnectionError("down")), circuit_breaker_config=config)


def test_fallback_may_look_at_the_outcome(registry: Registry) -> None:
    """A fallback with one parameter is told what happened."""
    seen: list[Outcome] = []

    def explain(outcome: Outcome) -> str:
        seen.append(outcome)
        return "answered"

    pipeline = protect("shop", retry=RetryConfig(jitter=False), fallback=explain, registry=registry)
    error = ConnectionError("down")
    assert pipeline.call(Script(error)) == "answered"
    assert seen[0].error is error
    assert seen[0].attempts == 3
    assert seen[0].elapsed == pytest.approx(3)


def test_fallback_chain_is_tried_in_order(registry: Registry) -> None:
    """The first fallback that does not fail answers; each use is counted."""
    broken = Script(RuntimeError("broken"))
    pipeline = protect("shop", fallback=[broken, Value("second")], registry=registry)
    assert pipeline.call(Script(ConnectionError("down"))) == "second"
    assert broken.calls == 1
    assert pipeline.snapshot().tally.fallback_uses == {"value": 1}


def test_fallback_stale_result_has_a_maximum_age(clock: ManualClock, registry: Registry) -> None:
    """The last good result answers a failure until it is too old."""
    pipeline = protect("shop", fallback=FallbackConfig(stale_if_error=60), registry=registry)
    operation = Script("fresh", ConnectionError("down"))
    assert pipeline.call(operation) == "fresh"
    clock.advance(60)
    assert pipeline.call(operation) == "fresh"
    clock.advance(1)
    with pytest.raises(ConnectionError):
        pipeline.call(operation)


def test_fallback_answers_a_rejection(registry: Registry) -> None:
    """An open circuit is answered by the fallback as well."""
    pipeline = protect("shop", breaker=CircuitBreakerConfig("shop"), fallback=Value("menu"), registry=registry)
    pipeline.circuit().isolate()
    assert pipeline.call(Script("ok")) == "menu"


# ------------------------------------------------------------------------------------------------ other strategies


def test_bulkhead_refuses_beyond_its_slots(registry: Registry) -> None:
    """No more calls than slots run at once."""
    pipeline = protect("reports", bulkhead=1, registry=registry)

    def first() -> None:
        with pytest.raises(scrollintel.BulkheadFullError):
            pipeline.call(Script("second"))

    pipeline.call(first)
    assert pipeline.call(Script("third")) == "third"


def test_bulkhead_line_serves_first_come_first(registry: Registry) -> None:
    """A call that may wait gets the slot when it is free."""
    pipeline = protect("reports", bulkhead=BulkheadConfig(1, max_waiting=1), registry=registry)
    entered, done = threading.Event(), threading.Event()

    def slow() -> str:
        entered.set()
        assert done.wait(5)
        return "slow"

    results: list[str] = []
    first = threading.Thread(target=lambda: results.append(pipeline.call(slow)))
    first.start()
    assert entered.wait(5)
    second = threading.Thread(target=lambda: results.append(pipeline.call(lambda: "waited")))
    second.start()
    while pipeline.snapshot().waiting != 1:
        time.sleep(0.001)
    done.set()
    first.join()
    second.join()
    assert sorted(results) == ["slow", "waited"]


def test_rate_limit_refuses_and_tells_when(clock: ManualClock, registry: Registry) -> None:
    """Beyond the rate a call is refused with the time to wait."""
    limit = scrollintel.RateLimitConfig(2, period=1)
    pipeline = protect("api", rate_limit=limit, registry=registry)
    pipeline.call(Script("ok"))
    pipeline.call(Script("ok"))
    with pytest.raises(scrollintel.RateLimitedError) as caught:
        pipeline.call(Script("ok"))
    assert caught.value.retry_after == pytest.approx(0.5)
    clock.advance(0.5)
    assert pipeline.call(Script("ok")) == "ok"


@pytest.mark.asyncio
async def test_hedge_second_attempt_wins_over_a_slow_first(clock: ManualClock, registry: Registry) -> None:
    """A further attempt starts when the first is slow, and the first good result counts."""
    numbers = iter((1, 2))

    async def search() -> int:
        number = next(numbers)
        await clock.asleep(100 if number == 1 else 1)
        return number

    pipeline = protect("search", hedge=scrollintel.HedgeConfig(delay=2), registry=registry)
    assert await pipeline.acall(search) == 2
    assert clock.monotonic() == pytest.approx(1003)


@pytest.mark.asyncio
async def test_deadline_total_spans_attempts_and_opens_the_circuit(clock: ManualClock, registry: Registry) -> None:
    """The limit of the whole call ends a hanging attempt, and that counts as a failure."""
    pipeline = protect(
        "slow",
        breaker=CircuitBreakerConfig("slow", failure_threshold=1, timeout=None),
        retry=RetryConfig(),
        timeout=TimeoutConfig(total=10),
        registry=registry,
    )
    with pytest.raises(CallTimeoutError):
        await pipeline.acall(clock.asleep, 3600)
    assert clock.monotonic() == pytest.approx(1010)
    assert pipeline.circuit().state is CircuitState.OPEN


def test_policy_replaced_at_run_time_keeps_the_circuit(registry: Registry) -> None:
    """Another retry configuration leaves the open circuit open."""
    circuit_config = CircuitBreakerConfig("shop", failure_threshold=1)
    pipeline = protect("shop", breaker=circuit_config, retry=RetryConfig(max_attempts=1), registry=registry)
    with pytest.raises(ConnectionError):
        pipeline.call(Script(ConnectionError("down")))
    changed = registry.replace(Policy("shop", breaker=circuit_config, retry=RetryConfig(max_attempts=5)))
    assert changed == ("retry",)
    assert pipeline.circuit().state is CircuitState.OPEN


# ----------------------------------------------------------------------------------- integration: database failure


class Database:
    """A real SQLite file and one connection that never waits for a lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        self.connection.execute("create table orders (id integer primary key)")

    def insert(self) -> int:
        cursor = self.connection.execute("insert into orders default values")
        return int(cursor.lastrowid or 0)

    def count(self) -> int:
        (number,) = self.connection.execute("select count(*) from orders").fetchone()
        return int(number)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Return a database with an empty table."""
    found = Database(tmp_path / "orders.db")
    yield found
    found.connection.close()


def test_database_locked_opens_the_circuit_and_recovers(
    database: Database, clock: ManualClock, manager: FaultToleranceManager
) -> None:
    """While another connection locks the file calls are answered by the fallback; afterwards rows are written again."""
    config = CircuitBreakerConfig("orders", failure_threshold=3, recovery_timeout=10, success_threshold=2)
    retry = RetryConfig(max_attempts=2, base_delay=0.1, retryable_exceptions=[sqlite3.OperationalError])

    def write() -> int:
        return manager.execute_blocking(
            database.insert, circuit_breaker_config=config, retry_config=retry, fallback=Value(-1)
        )

    assert write() == 1
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("begin exclusive")
    try:
        assert [write() for _ in range(4)] == [-1, -1, -1, -1]
        circuit = manager.circuit_breaker("orders")
        assert circuit.state is CircuitState.OPEN
        failure = circuit.snapshot().last_failure
        assert failure is not None
        assert (failure.type, "locked" in failure.message) == ("OperationalError", True)
    finally:
        other.execute("rollback")
        other.close()
    assert write() == -1
    clock.advance(10)
    assert [write(), write()] == [2, 3]
    assert circuit.state is CircuitState.CLOSED
    assert database.count() == 3


@pytest.mark.asyncio
async def test_database_locked_for_a_moment_is_survived_by_retry(
    database: Database, manager: FaultToleranceManager
) -> None:
    """A lock that is given up before the third attempt costs the caller nothing but time."""
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("begin exclusive")
    attempts = 0

    def write() -> int:
        nonlocal attempts
        attempts += 1
        if attempts == 3:
            other.execute("rollback")
        return database.insert()

    try:
        retry = RetryConfig(retryable_exceptions=[sqlite3.OperationalError])
        assert await manager.execute_with_fault_tolerance(write, retry_config=retry) == 1
    finally:
        other.close()
    assert attempts == 3


# ---------------------------------------------------------------------------------------- integration: API outage


class Handler(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        body = b"hello"
        self.send_response(type(self).status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


class Api:
    """A real HTTP server on a loopback port that can be stopped and started again on the same port."""

    def __init__(self) -> None:
        self.port = 0
        self.handler = type("Handler", (Handler,), {})
        self.start()

    def start(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), self.handler)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.005,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def get(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/")
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()


@pytest.fixture
def api() -> Iterator[Api]:
    """Return a running server."""
    found = Api()
    yield found
    found.stop()


def test_api_outage_opens_the_circuit_and_heals(api: Api, clock: ManualClock, registry: Registry) -> None:
    """A stopped server is noticed, spared while the circuit is open, and used again after it is back."""
    config = CircuitBreakerConfig("api", failure_threshold=2, recovery_timeout=30, success_threshold=1)
    pipeline = protect("api", breaker=config, fallback=Value(0), registry=registry)
    assert pipeline.call(api.get) == 200
    api.stop()
    try:
        assert [pipeline.call(api.get) for _ in range(5)] == [0] * 5
    finally:
        api.start()
    view = pipeline.snapshot()
    assert view.state is CircuitState.OPEN
    assert (view.tally.failures, view.tally.rejections, view.tally.fallbacks) == (2, 3, 5)
    assert view.last_failure is not None
    assert view.last_failure.type == "ConnectionRefusedError"
    assert pipeline.call(api.get) == 0
    clock.advance(30)
    assert pipeline.call(api.get) == 200
    assert pipeline.circuit().state is CircuitState.CLOSED


@pytest.mark.asyncio
async def test_api_answering_503_is_retried_and_opens(api: Api, manager: FaultToleranceManager) -> None:
    """Bad answers count like errors; the request runs in a worker thread and the loop stays free."""
    api.handler.status = 503  # type: ignore[attr-defined]
    config = CircuitBreakerConfig("api", failure_threshold=3, result_predicate=lambda status: status >= 500)
    retry = RetryConfig(result_predicate=lambda status: status >= 500)
    loop_thread = threading.get_ident()
    threads: set[int] = set()

    def get() -> int:
        threads.add(threading.get_ident())
        return api.get()

    result = await manager.execute_with_fault_tolerance(
        get, circuit_breaker_config=config, retry_config=retry, in_thread=True
    )
    assert result == 503
    assert loop_thread not in threads
    assert manager.circuit_breaker("api").state is CircuitState.OPEN


# --------------------------------------------------------------------------------- integration: cascading failure


class Chain:
    """Service A calls B, B calls C; each hop has its own policy."""

    def __init__(self, registry: Registry) -> None:
        self.up = True
        self.calls_of_c = 0
        self.a = protect("a", breaker=CircuitBreakerConfig("a"), fallback=Value("degraded"), registry=registry)
        self.b = protect(
            "b",
            breaker=CircuitBreakerConfig("b", failure_threshold=6),
            retry=RetryConfig(max_attempts=3),
            registry=registry,
        )
        self.c = protect(
            "c", breaker=CircuitBreakerConfig("c", recovery_timeout=30, success_threshold=1), registry=registry
        )

    def serve_c(self) -> str:
        self.calls_of_c += 1
        if not self.up:
            raise ConnectionError("c is down")
        return "fresh"

    def request(self) -> str:
        return self.a.call(lambda: self.b.call(lambda: self.c.call(self.serve_c)))


def test_cascade_failure_stops_at_the_nearest_circuit(clock: ManualClock, registry: Registry) -> None:
    """C's circuit opens and spares C; its refusals open neither B nor A, and A goes on answering."""
    chain = Chain(registry)
    assert chain.request() == "fresh"
    chain.up = False
    assert [chain.request() for _ in range(50)] == ["degraded"] * 50
    assert chain.calls_of_c == 1 + 5
    assert chain.c.circuit().state is CircuitState.OPEN
    assert chain.b.circuit().state is CircuitState.CLOSED
    assert chain.a.circuit().state is CircuitState.CLOSED
    chain.up = True
    clock.advance(60)
    assert chain.request() == "fresh"
    assert chain.c.circuit().state is CircuitState.CLOSED


@pytest.mark.asyncio
async def test_cascade_deadline_of_the_outermost_call_bounds_all(clock: ManualClock, registry: Registry) -> None:
    """The innermost call ends with the outermost one's deadline, however patient the policies between are."""
    a = protect("a", timeout=TimeoutConfig(total=2), registry=registry)
    b = protect("b", timeout=30.0, retry=RetryConfig(max_attempts=10), registry=registry)
    c = protect("c", breaker=CircuitBreakerConfig("c", failure_threshold=1, timeout=60), registry=registry)

    async def hop() -> None:
        await b.acall(c.acall, clock.asleep, 3600)

    with pytest.raises(TimeoutError):
        await a.acall(hop)
    assert clock.monotonic() == pytest.approx(1002)
    assert c.circuit().state is CircuitState.OPEN


@pytest.mark.asyncio
async def test_cascade_many_callers_at_once_see_one_opening(registry: Registry, clock: ManualClock) -> None:
    """A hundred concurrent callers of a dead dependency open its circuit once and are all answered."""
    pipeline = protect("dead", breaker=CircuitBreakerConfig("dead"), fallback=Value("spared"), registry=registry)

    async def refuse() -> None:
        await clock.asleep(0.01)
        raise ConnectionError("down")

    answers = await asyncio.gather(*(pipeline.acall(refuse) for _ in range(100)))
    assert answers == ["spared"] * 100
    view = pipeline.snapshot()
    assert len(view.circuits[0].history) == 1
    assert await pipeline.acall(refuse) == "spared"
    assert pipeline.snapshot().tally.rejections == 1


@pytest.mark.parametrize("wrong", ["x", 3, ["x"]])
def test_manager_fallback_that_cannot_be_called_is_refused_before_the_outage(wrong: Any) -> None:
    """A fallback is checked while all is well, because the outage is too late to find out."""
    with pytest.raises(ConfigError, match="fallback"):
        FaultToleranceManager().execute_blocking(lambda: "fine", fallback=wrong)


def test_wrong_kinds_of_configuration_are_refused_by_name() -> None:
    """What is no configuration is named, with what would be allowed."""
    for make in (
        lambda: CircuitBreaker("name"),  # type: ignore[arg-type]
        lambda: Pipeline("name"),  # type: ignore[arg-type]
        lambda: FaultToleranceManager().execute_blocking(int, circuit_breaker_config={}),  # type: ignore[arg-type]
        lambda: protect("two", fallback=lambda one, two: None),
    ):
        with pytest.raises(ConfigError):
            make()
