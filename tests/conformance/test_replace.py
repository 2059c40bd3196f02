"""Policies that are replaced while they work, and keyed circuits."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from scrollintel import (
    BudgetConfig,
    BulkheadConfig,
    CircuitBreakerConfig,
    CircuitOpenError,
    CircuitState,
    ConfigError,
    FallbackConfig,
    Policy,
    PolicyReplaced,
    RateLimitConfig,
    RetryConfig,
    TimeoutConfig,
    Value,
)
from scrollintel.core.registry import Registry
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger, Script

DOWN = ConnectionError("down")
CIRCUIT = CircuitBreakerConfig("service", failure_threshold=3, recovery_timeout=10.0)
FULL: dict[str, Any] = {
    "breaker": CIRCUIT,
    "retry": RetryConfig(max_attempts=2, base_delay=0, budget=BudgetConfig(ratio=0, reserve=4)),
    "bulkhead": BulkheadConfig(3),
    "rate_limit": RateLimitConfig(10, period=1000),
    "fallback": FallbackConfig(Value("answer"), stale_if_error=60),
    "timeout": TimeoutConfig(attempt=5.0),
}


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"timeout": TimeoutConfig(attempt=9.0)}, "timeout"),
        ({"retry": RetryConfig(max_attempts=5, base_delay=0, budget=BudgetConfig(ratio=0, reserve=4))}, "retry"),
        ({"bulkhead": BulkheadConfig(9)}, "bulkhead"),
        ({"rate_limit": RateLimitConfig(10, period=1000, max_wait=1)}, "rate_limit"),
        ({"breaker": CircuitBreakerConfig("service", failure_threshold=4, recovery_timeout=10.0)}, "breaker"),
        ({"fallback": FallbackConfig(Value("other"), stale_if_error=60)}, "fallback"),
    ],
)
def test_replace_keeps_unrelated_state(
    driver: Driver, build: Build, ledger: Ledger, changed: dict[str, Any], part: str
) -> None:
    """Failures in a row, permits, tokens, kept results and counts survive a change that is not theirs."""
    pipeline = build(**FULL)
    driver.call(pipeline, driver.make(Script("good")))
    driver.call(pipeline, driver.make(Script(DOWN)))
    before = pipeline.snapshot()
    assert before.circuits[0].consecutive_failures == 2
    assert pipeline.replace(Policy("service", **{**FULL, **changed})) == (part,)
    after = pipeline.snapshot()
    assert after.circuits[0].consecutive_failures == 2
    assert after.tally.successes == before.tally.successes
    assert after.tally.failures == before.tally.failures
    assert after.tally.retries == before.tally.retries
    assert after.tally.fallback_uses == before.tally.fallback_uses == {"stale": 1}
    assert (after.permits, after.budget, after.revision) == (before.permits, before.budget, before.revision + 1)
    assert driver.call(pipeline, driver.make(Script(DOWN))) == "good"  # the kept result of before the change
    (event,) = ledger.of(PolicyReplaced)
    assert (event.changed, event.revision) == ((part,), 2)


def test_replace_open_circuit_stays_open(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A new retry or threshold does not let traffic at a dependency that is down."""
    pipeline = build(breaker=CIRCUIT)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            driver.call(pipeline, driver.make(Script(DOWN)))
    longer = CircuitBreakerConfig("service", failure_threshold=50, recovery_timeout=20.0)
    pipeline.replace(Policy("service", breaker=longer, retry=RetryConfig()))
    clock.advance(15)
    with pytest.raises(CircuitOpenError) as caught:
        driver.call(pipeline, driver.make(Script("ok")))
    assert caught.value.retry_after == pytest.approx(5)


def test_replace_lets_calls_in_flight_finish_under_the_old_policy(driver: Driver, build: Build) -> None:
    """A call that is running keeps its retries and frees its slot; the next call has the new policy."""
    pipeline = build(retry=RetryConfig(max_attempts=3, base_delay=0), bulkhead=BulkheadConfig(2))
    attempts = 0

    def replaces() -> None:
        nonlocal attempts
        attempts += 1
        pipeline.replace(Policy("service", retry=RetryConfig(max_attempts=1), bulkhead=BulkheadConfig(1)))
        assert pipeline.snapshot().running == 1
        raise DOWN

    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.make(replaces))
    assert attempts == 3
    assert pipeline.snapshot().running == 0
    script = Script(DOWN)
    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.make(script))
    assert script.calls == 1


def test_replace_decorated_functions_follow(driver: Driver, build: Build) -> None:
    """A function that was decorated before the change is protected by the new policy."""
    pipeline = build(retry=RetryConfig(max_attempts=1))
    script = Script(DOWN)
    protected = pipeline(driver.make(script))
    pipeline.replace(Policy("service", fallback=Value("now")))
    assert driver.run(protected) == "now"


def test_replace_without_a_change_does_nothing(build: Build, ledger: Ledger) -> None:
    """An equal policy is no revision."""
    pipeline = build(**FULL)
    lane = pipeline.lane
    assert pipeline.replace(pipeline.policy) == ()
    assert pipeline.lane is lane
    assert ledger.of(PolicyReplaced) == []


def test_replace_refuses_another_name_and_changes_nothing(build: Build) -> None:
    """A policy of another name is refused."""
    pipeline = build(**FULL)
    with pytest.raises(ConfigError, match="name"):
        pipeline.replace(Policy("other"))
    assert pipeline.snapshot().revision == 1


def test_replace_bulkhead_grows_for_those_who_wait(build: Build) -> None:
    """More slots are given to the line at once."""
    pipeline = build(bulkhead=BulkheadConfig(1, max_waiting=2))

    async def main() -> None:
        go = asyncio.Event()
        started = []

        async def work(number: int) -> None:
            started.append(number)
            await go.wait()

        tasks = [asyncio.ensure_future(pipeline.acall(work, number)) for number in range(3)]
        await asyncio.sleep(0)
        assert started == [0]
        pipeline.replace(Policy("service", bulkhead=BulkheadConfig(2, max_waiting=2)))
        for _ in range(3):
            await asyncio.sleep(0)
        assert started == [0, 1]
        go.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert (pipeline.snapshot().running, pipeline.snapshot().waiting) == (0, 0)


def test_replace_mode_switches_the_circuit_off_and_on(driver: Driver, build: Build) -> None:
    """A circuit can be put out of action at run time, and back."""
    pipeline = build(breaker=CIRCUIT)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            driver.call(pipeline, driver.make(Script(DOWN)))
    off = CircuitBreakerConfig("service", failure_threshold=3, recovery_timeout=10.0, mode="disabled")  # type: ignore[arg-type]
    pipeline.replace(Policy("service", breaker=off))
    assert driver.call(pipeline, driver.make(Script("ok"))) == "ok"
    pipeline.replace(Policy("service", breaker=CIRCUIT))
    assert pipeline.circuit().state is CircuitState.CLOSED


def test_replace_on_purpose_never_warns(registry: Registry) -> None:
    """An operator may go back to an earlier policy without being told off."""
    first = Policy("shop", breaker=CircuitBreakerConfig("shop"))
    second = Policy("shop", breaker=CircuitBreakerConfig("shop", failure_threshold=9))
    pipeline = registry.pipeline(first)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for policy in (second, first, second, first):
            assert registry.replace(policy) == ("breaker",)
    assert pipeline.snapshot().revision == 5


def test_replace_from_many_threads_while_calls_run(registry: Registry) -> None:
    """Replacing a policy directly and through the registry at the same time locks nothing up."""
    policies = [Policy("shop", breaker=CircuitBreakerConfig("shop", failure_threshold=n)) for n in (50, 60)]
    pipeline = registry.pipeline(policies[0])

    def work(change: Callable[[Policy], object]) -> None:
        for number in range(150):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                change(policies[number % 2])
            pipeline.call(lambda: None)

    threads = [
        threading.Thread(target=work, args=(change,), daemon=True)
        for change in (pipeline.replace, registry.replace, registry.pipeline)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert pipeline.snapshot().tally.successes == 450


class Pausing(Registry):
    """A registry that lets another thread come in between while a policy is being replaced."""

    between: Callable[[], None] | None = None

    def circuit(self, config: CircuitBreakerConfig, **options: Any) -> Any:
        """Return the circuit as ever, after the other thread had its chance."""
        between, self.between = self.between, None
        if between is not None:
            between()
        return super().circuit(config, **options)


def test_replace_and_registry_do_not_lock_each_other_up(clock: ManualClock, ledger: Ledger) -> None:
    """One thread replaces a pipeline directly while another one does it by name: both get through."""
    registry = Pausing(clock=clock, hub=ledger)
    first, second, third = (
        Policy("shop", breaker=CircuitBreakerConfig("shop", failure_threshold=number)) for number in (1, 2, 3)
    )
    pipeline = registry.pipeline(first)
    other = threading.Thread(target=registry.pipeline, args=(third,), daemon=True)

    def between() -> None:
        other.start()
        other.join(0.05)  # real time for the other thread to come as far as it can

    registry.between = between
    direct = threading.Thread(target=pipeline.replace, args=(second,), daemon=True)
    direct.start()
    direct.join(5)
    other.join(5)
    assert not direct.is_alive()
    assert not other.is_alive()
