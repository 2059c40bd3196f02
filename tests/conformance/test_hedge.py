"""Hedging: which attempts are sent, which result counts, and what becomes of the losers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from scrollintel import (
    BudgetConfig,
    CircuitBreakerConfig,
    CircuitIsolatedError,
    CircuitState,
    HedgeConfig,
    HedgeLaunched,
    Pipeline,
    RetryConfig,
    TimeoutConfig,
)
from scrollintel.core.drivers import blocking, threads
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger, Script


class Attempts:
    """An operation whose attempts wait for different times and end differently, by their number."""

    def __init__(self, driver: Driver, *plans: tuple[float, object]) -> None:
        self.driver = driver
        self.plans = plans
        if any(seconds for seconds, _ in plans):
            driver.clock.patience = 0.02  # a hung attempt does not end by itself, so time may move on soon
        self.started: list[float] = []
        self.cancelled: list[int] = []
        self.never = threading.Event()
        self._lock = threading.Lock()

    def operation(self) -> Callable[[], Any]:
        """Return the operation in the driver's colour."""
        return self._coroutine if self.driver.asynchronous else self._plain

    def _begin(self) -> tuple[int, float, object]:
        with self._lock:
            self.started.append(self.driver.clock.monotonic())
            number = len(self.started)
        return number, *self.plans[number - 1]

    def _plain(self) -> object:
        # A thread cannot be stopped, so a slow loser stays until the test lets it go.
        _, seconds, result = self._begin()
        if seconds:
            self.never.wait(10)
        return self._end(result)

    async def _coroutine(self) -> object:
        number, seconds, result = self._begin()
        try:
            await self.driver.clock.asleep(seconds)
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        return self._end(result)

    @staticmethod
    def _end(result: object) -> object:
        if isinstance(result, BaseException):
            raise result
        return result


@pytest.fixture(autouse=True)
def patience(clock: ManualClock) -> None:
    """Give attempts in threads all the real time that they need to end."""
    clock.patience = 5.0


def test_hedge_second_attempt_wins_and_loser_is_cancelled(
    driver: Driver, build: Build, ledger: Ledger, clock: ManualClock
) -> None:
    """A slow first attempt is overtaken by the second; as a coroutine it is cancelled, and that is neutral."""
    pipeline = build(hedge=HedgeConfig(delay=2), breaker=CircuitBreakerConfig("service", failure_threshold=1))
    attempts = Attempts(driver, (100, "first"), (0, "second"))
    assert driver.call(pipeline, attempts.operation()) == "second"
    attempts.never.set()
    assert len(attempts.started) == 2
    assert attempts.started[1] == pytest.approx(1002)
    assert attempts.cancelled == ([1] if driver.asynchronous else [])
    (event,) = ledger.of(HedgeLaunched)
    assert (event.attempt, event.after) == (2, 2.0)
    assert pipeline.snapshot().tally.hedges == 1
    assert pipeline.circuit().state is CircuitState.CLOSED
    assert pipeline.snapshot().tally.failures == 0


def test_hedge_fast_first_attempt_is_alone(driver: Driver, build: Build) -> None:
    """A first attempt that ends in time has no company."""
    attempts = Attempts(driver, (0, "first"))
    assert driver.call(build(hedge=HedgeConfig(delay=2)), attempts.operation()) == "first"
    assert len(attempts.started) == 1


def test_hedge_failure_launches_the_next_at_once(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A failed attempt does not wait for the delay."""
    attempts = Attempts(driver, (0, ConnectionError("1")), (0, "second"))
    assert driver.call(build(hedge=HedgeConfig(delay=50)), attempts.operation()) == "second"
    assert attempts.started == [pytest.approx(1000), pytest.approx(1000)]


def test_hedge_all_failed_ends_as_the_first_attempt_did(driver: Driver, build: Build) -> None:
    """When every attempt has failed the primary's own error surfaces."""
    first = ConnectionError("first")
    attempts = Attempts(driver, (0, first), (0, ConnectionError("second")), (0, ConnectionError("third")))
    with pytest.raises(ConnectionError) as caught:
        driver.call(build(hedge=HedgeConfig(delay=50, max_hedges=2)), attempts.operation())
    assert caught.value is first
    assert len(attempts.started) == 3


def test_hedge_without_budget_goes_on_with_the_first(driver: Driver, build: Build) -> None:
    """An empty budget means no hedge, never an error."""
    pipeline = build(hedge=HedgeConfig(delay=0, budget=BudgetConfig(ratio=0, reserve=2)))
    counts = []
    for _ in range(3):
        attempts = Attempts(driver, (0, ConnectionError("1")), (0, "second"))
        try:
            driver.call(pipeline, attempts.operation())
        except ConnectionError:
            pass
        counts.append(len(attempts.started))
    assert counts == [2, 2, 1]


def _tokens(pipeline: Pipeline) -> float:
    hedge = pipeline.lane.parts.hedge
    assert hedge is not None and hedge.budget is not None
    return hedge.budget.tokens


def test_hedge_and_retry_out_of_one_budget_earn_once_for_each_call(driver: Driver, build: Build) -> None:
    """As much as each of them alone, so that extra attempts stay the share of the traffic that is asked for."""
    shared = BudgetConfig("shared", ratio=0.1, reserve=10.0)
    pipeline = build(hedge=HedgeConfig(delay=50, budget=shared), retry=RetryConfig(budget=shared))
    budget = pipeline.lane.budget
    assert budget is not None
    while budget.withdraw():
        pass
    for _ in range(20):
        driver.call(pipeline, driver.make(Script("ok")))
    assert budget.tokens == pytest.approx(2.0)


def test_hedge_earns_nothing_with_the_attempts_of_a_retry(driver: Driver, build: Build) -> None:
    """A call of three attempts is one call."""
    earns = BudgetConfig(ratio=0.1, reserve=10.0, threshold=1.0)  # pays for nothing
    pipeline = build(hedge=HedgeConfig(delay=50, budget=earns), retry=RetryConfig(max_attempts=3, base_delay=0.0))
    hedge = pipeline.lane.parts.hedge
    assert hedge is not None and hedge.budget is not None
    hedge.budget.reconfigure(BudgetConfig(ratio=0.1, reserve=1.0))
    hedge.budget.reconfigure(earns)
    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.make(Script(ConnectionError("down"))))
    assert _tokens(pipeline) == pytest.approx(1.1)


def test_hedge_budget_by_successes_is_spent_by_failures(driver: Driver, build: Build) -> None:
    """As gRPC has it: half of the tokens gone, no attempt is sent beside another until calls succeed again."""
    grpc = BudgetConfig.grpc(max_tokens=4.0, token_ratio=0.5)
    pipeline = build(hedge=HedgeConfig(delay=50, budget=grpc))
    down = Script(ConnectionError("down"))
    for sent, left in ((2, 2.0), (3, 1.0), (4, 0.0), (5, 0.0)):
        with pytest.raises(ConnectionError):
            driver.call(pipeline, driver.make(down))
        assert (down.calls, _tokens(pipeline)) == (sent, left)
    for _ in range(7):
        driver.call(pipeline, driver.make(Script("ok")))
    assert _tokens(pipeline) == 3.5
    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.make(down))
    assert down.calls == 7


def test_hedge_bad_result_does_not_win(driver: Driver, build: Build) -> None:
    """A result that counts as a failure is compared like an error; the primary's comes back when all are bad."""
    config = CircuitBreakerConfig("service", failure_threshold=100, result_predicate=lambda value: value == 503)
    pipeline = build(hedge=HedgeConfig(delay=50), breaker=config)
    assert driver.call(pipeline, Attempts(driver, (0, 503), (0, 200)).operation()) == 200
    assert driver.call(pipeline, Attempts(driver, (0, 503), (0, 503)).operation()) == 503


def test_hedge_refused_first_attempt_has_no_company(driver: Driver, build: Build, ledger: Ledger) -> None:
    """A rejected call is not sent again by hedging either."""
    pipeline = build(
        hedge=HedgeConfig(delay=60, budget=BudgetConfig(reserve=3)), breaker=CircuitBreakerConfig("service")
    )
    pipeline.circuit().isolate()
    with pytest.raises(CircuitIsolatedError):
        driver.call(pipeline, driver.make(Script("ok")))
    assert ledger.of(HedgeLaunched) == []


def test_hedge_without_a_free_thread_goes_on_with_the_first(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocking code a further attempt needs a thread; when there is none the running one decides."""
    monkeypatch.setattr(threads, "MAX_THREADS", 1)
    monkeypatch.setattr(threads, "WORKERS", threads.Workers())
    monkeypatch.setattr(blocking, "WORKERS", threads.WORKERS)
    ended = threading.Event()

    def operation() -> str:
        ended.wait(0.1)
        return "first"

    assert build(hedge=HedgeConfig(delay=0)).call(operation) == "first"


def test_hedge_quantile_is_measured(driver: Driver, build: Build, clock: ManualClock) -> None:
    """With enough samples the measured quantile takes the place of the delay."""
    pipeline = build(hedge=HedgeConfig(delay=60, quantile=0.5, minimum_samples=20))
    for _ in range(20):
        driver.call(pipeline, driver.takes(4))
    attempts = Attempts(driver, (100, "first"), (0, "second"))
    begin = clock.monotonic()
    assert driver.call(pipeline, attempts.operation()) == "second"
    attempts.never.set()
    assert attempts.started[-1] - begin == pytest.approx(4, rel=0.05)


def test_hedge_losers_give_their_slots_back(driver: Driver, build: Build) -> None:
    """After a hedged call no slot is taken and no place in line is held."""
    pipeline = build(hedge=HedgeConfig(delay=1, max_hedges=3), bulkhead=4)
    attempts = Attempts(driver, (100, 1), (100, 2), (100, 3), (0, 4))
    assert driver.call(pipeline, attempts.operation()) == 4
    attempts.never.set()
    if driver.asynchronous:
        assert pipeline.snapshot().running == 0
        assert sorted(attempts.cancelled) == [1, 2, 3]
    else:
        for _ in range(5000):
            if pipeline.snapshot().running == 0:
                break
            threading.Event().wait(0.001)
        assert pipeline.snapshot().running == 0


def test_hedge_total_deadline_ends_the_race(driver: Driver, build: Build, clock: ManualClock) -> None:
    """When the deadline of the call has passed, the race is over for all attempts."""
    if not driver.asynchronous:
        return
    pipeline = build(hedge=HedgeConfig(delay=2), timeout=TimeoutConfig(total=10))
    attempts = Attempts(driver, (100, "first"), (100, "second"))
    with pytest.raises(TimeoutError):
        driver.call(pipeline, attempts.operation())
    assert clock.monotonic() == pytest.approx(1010)
    assert pipeline.snapshot().tally.timeouts == 2


def test_hedge_nested_calls_inherit_the_deadline(driver: Driver, build: Build) -> None:
    """A hedged attempt runs in a task or thread of its own and still knows the deadline around it."""
    from scrollintel import remaining

    hedged = build(hedge=HedgeConfig(delay=1))
    outer = build("outer", timeout=TimeoutConfig(total=7))
    seen: list[float | None] = []
    driver.call(outer, driver.through(hedged, driver.make(lambda: seen.append(remaining()))))
    assert seen == [pytest.approx(7)]


def test_hedge_loser_that_resists_cancellation_is_not_reported(build: Build) -> None:
    """A loser that fails after it was cancelled neither disturbs the winner nor is reported by the loop."""
    pipeline = build(hedge=HedgeConfig(delay=0))
    reports: list[dict[str, Any]] = []

    async def main() -> str:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context))
        number = 0

        async def operation() -> str:
            nonlocal number
            number += 1
            if number == 1:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    await asyncio.sleep(0)
                    raise ConnectionError("while cleaning up") from None
            return "second"

        result = await pipeline.acall(operation)
        for _ in range(5):
            await asyncio.sleep(0)
        return result

    assert asyncio.run(main()) == "second"
    assert reports == []


def test_hedge_hook_that_raises_ends_no_attempt_that_runs(driver: Driver, build: Build, ledger: Ledger) -> None:
    """Nothing is sent beside it, and its result is the call's."""
    pipeline = build(hedge=HedgeConfig(delay=1.0, repeatable=lambda method: method == "GET"))
    assert driver.call(pipeline, Attempts(driver, (5, "late but there"), (0, "never")).operation()) == "late but there"
    assert ledger.of(HedgeLaunched) == []


def test_hedge_sends_nothing_twice_that_is_not_repeatable(driver: Driver, build: Build, ledger: Ledger) -> None:
    """Neither when an attempt fails nor when it is slow; the arguments of the call decide."""
    pipeline = build(hedge=HedgeConfig(delay=1.0, repeatable=lambda method: method == "GET"))
    for method, runs in (("GET", 2), ("POST", 1)):
        script = Script(ConnectionError())
        assert driver.error(pipeline, driver.make(script), method) is ConnectionError
        assert script.calls == runs
    assert len(ledger.of(HedgeLaunched)) == 1
