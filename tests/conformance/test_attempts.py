"""Loops of attempts: `for attempt in policy.attempts(): with attempt: ...`, in both colours."""

from __future__ import annotations

import asyncio

import pytest

from scrollintel import (
    BudgetConfig,
    BulkheadConfig,
    CircuitBreakerConfig,
    CircuitOpenError,
    RateLimitConfig,
    RetryConfig,
    RetryScheduled,
)
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger, Script

DOWN = ConnectionError("down")
ONE_FAILURE = CircuitBreakerConfig("service", failure_threshold=1, recovery_timeout=10, success_threshold=1)


def test_attempts_retry_the_block(driver: Driver, build: Build, clock: ManualClock, ledger: Ledger) -> None:
    """The block runs again after each failure, with the policy's waits."""
    pipeline = build(breaker=CircuitBreakerConfig("service"), retry=RetryConfig(jitter=False))
    body = Script(DOWN, DOWN, "ok")
    assert driver.loop(pipeline, body) == "ok"
    assert body.calls == 3
    assert clock.sleeps == [1.0, 2.0]
    assert [event.attempt for event in ledger.of(RetryScheduled)] == [1, 2]
    assert (pipeline.snapshot().tally.successes, pipeline.snapshot().tally.failures) == (1, 2)


def test_attempts_exhausted_raise_the_last_error_with_a_note(driver: Driver, build: Build) -> None:
    """The last error surfaces as it is."""
    errors = [ConnectionError(str(number)) for number in range(3)]
    with pytest.raises(ConnectionError) as caught:
        driver.loop(build(retry=RetryConfig(jitter=False)), Script(*errors))
    assert caught.value is errors[2]
    assert errors[2].__notes__ == ["gave up after 3 attempts in 3 s (service)"]


def test_attempts_without_retry_run_once(driver: Driver, build: Build) -> None:
    """Without a retry configuration the loop has one round."""
    body = Script(DOWN)
    with pytest.raises(ConnectionError):
        driver.loop(build(breaker=ONE_FAILURE), body)
    assert body.calls == 1


def test_attempts_refusal_is_not_tried_again(driver: Driver, build: Build, clock: ManualClock) -> None:
    """An open circuit ends the loop."""
    pipeline = build(breaker=ONE_FAILURE, retry=RetryConfig())
    pipeline.circuit().isolate()
    with pytest.raises(CircuitOpenError):
        driver.loop(pipeline, Script("never"))
    assert clock.sleeps == []


def test_attempts_refusal_is_tried_again_when_asked(driver: Driver, build: Build, clock: ManualClock) -> None:
    """With `retry_rejected` the loop waits for the refusal's hint and goes on."""
    pipeline = build(rate_limit=RateLimitConfig(1, period=30), retry=RetryConfig(retry_rejected=True))
    assert driver.loop(pipeline, Script("first")) == "first"
    assert driver.loop(pipeline, Script("second")) == "second"
    assert clock.sleeps == [pytest.approx(30)]


def test_attempts_budget_is_paid_and_refilled(driver: Driver, build: Build) -> None:
    """Rounds draw from the budget, and successes refill gRPC's form."""
    pipeline = build(retry=RetryConfig(base_delay=0, budget=BudgetConfig.grpc()))
    with pytest.raises(ConnectionError):
        driver.loop(pipeline, Script(DOWN))
    assert pipeline.snapshot().budget == pytest.approx(7)
    for _ in range(5):
        driver.loop(pipeline, Script("ok"))
    assert pipeline.snapshot().budget == pytest.approx(7.5)


def test_attempts_number_their_rounds(build: Build) -> None:
    """Each round tells its number, and a loop without a block ends after one round."""
    pipeline = build(retry=RetryConfig(base_delay=0))
    numbers = []
    for attempt in pipeline.attempts():
        with attempt:
            numbers.append(attempt.number)
            if attempt.number < 3:
                raise DOWN
    assert numbers == [1, 2, 3]
    assert [attempt.number for attempt in pipeline.attempts()] == [1]


def test_attempts_async_late_round_is_interrupted_and_tried_again(build: Build, clock: ManualClock) -> None:
    """A round over its limit counts as a failure, and another round follows."""
    pipeline = build(timeout=5.0, retry=RetryConfig(base_delay=1, jitter=False))

    async def main() -> str:
        async for attempt in pipeline.attempts():
            async with attempt:
                await clock.asleep(100 if attempt.number == 1 else 1)
                return f"round {attempt.number}"
        return "never"

    assert asyncio.run(main()) == "round 2"
    assert clock.monotonic() == pytest.approx(1007)
    assert pipeline.snapshot().tally.timeouts == 1


def test_attempts_cancelled_round_is_not_tried_again(build: Build, clock: ManualClock) -> None:
    """Cancellation by the caller ends the loop, counts for nothing and gives the slot back."""
    pipeline = build(breaker=ONE_FAILURE, retry=RetryConfig(), bulkhead=1)
    rounds: list[int] = []

    async def work() -> None:
        async for attempt in pipeline.attempts():
            async with attempt:
                rounds.append(attempt.number)
                await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.ensure_future(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert rounds == [1]
    assert pipeline.snapshot().running == 0
    assert pipeline.snapshot().tally.failures == 0


def test_attempts_second_round_waiting_for_a_slot_is_cancelled_neutrally(build: Build, clock: ManualClock) -> None:
    """What an earlier round measured does not colour a later round that never ran."""
    pipeline = build(
        breaker=CircuitBreakerConfig("service", failure_threshold=2, timeout=5),
        retry=RetryConfig(base_delay=4, jitter=False),
        bulkhead=BulkheadConfig(1, max_waiting=1),
    )

    clock.auto_advance = False

    async def work() -> None:
        async for attempt in pipeline.attempts():
            async with attempt:
                raise DOWN

    async def main() -> None:
        task = asyncio.ensure_future(work())
        await clock.aadvance(3)
        go = asyncio.Event()
        holder = asyncio.ensure_future(pipeline.acall(go.wait))
        await clock.aadvance(3)  # the second round began to wait at 4 s; the limit of the first ended at 5 s
        assert pipeline.snapshot().waiting == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        await holder

    asyncio.run(main())
    assert pipeline.snapshot().tally.failures == 1
    assert pipeline.snapshot().running == 0
