"""Blocks: `with guard()`, loops of attempts, and a circuit breaker as a block, in both colours."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator

import pytest

from scrollintel import (
    BudgetConfig,
    BulkheadConfig,
    BulkheadFullError,
    CallTimeoutError,
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitOpenError,
    CircuitState,
    RateLimitConfig,
    RateLimitedError,
    RetryConfig,
    RetryScheduled,
    TimeoutConfig,
    UnprotectedError,
    remaining,
)
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger, Script

DOWN = ConnectionError("down")
ONE_FAILURE = CircuitBreakerConfig("service", failure_threshold=1, recovery_timeout=10, success_threshold=1)


def test_guard_counts_and_opens(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A block that raises is a failure, an open circuit refuses the block, a good probe closes it."""
    pipeline = build(breaker=ONE_FAILURE)
    assert driver.block(pipeline, Script("ok")) == "ok"
    with pytest.raises(ConnectionError):
        driver.block(pipeline, Script(DOWN))
    body = Script("never")
    with pytest.raises(CircuitOpenError):
        driver.block(pipeline, body)
    assert body.calls == 0
    clock.advance(10)
    driver.block(pipeline, Script("ok"))
    assert pipeline.circuit().state is CircuitState.CLOSED
    assert (pipeline.snapshot().tally.successes, pipeline.snapshot().tally.failures) == (2, 1)


def test_guard_takes_part_in_all_gates(driver: Driver, build: Build, clock: ManualClock) -> None:
    """Bulkhead and rate limit hold for blocks, and a block that is refused keeps nothing."""
    pipeline = build(breaker=ONE_FAILURE, bulkhead=1, rate_limit=RateLimitConfig(2, period=100))

    def nested() -> None:
        with pytest.raises(BulkheadFullError), pipeline.guard():
            raise AssertionError

    driver.block(pipeline, nested)
    with pytest.raises(RateLimitedError):
        driver.block(pipeline, Script("never"))
    assert pipeline.snapshot().running == 0
    assert pipeline.circuit().state is CircuitState.CLOSED
    assert pipeline.snapshot().tally.failures == 0


def test_guard_passes_its_deadline_on(driver: Driver, build: Build) -> None:
    """Code in the block sees the time that is left, and code after it does not."""
    seen: list[float | None] = []

    def body() -> None:
        seen.append(remaining())

    driver.block(build(timeout=TimeoutConfig(attempt=8, total=9)), body)
    seen.append(remaining())
    assert seen == [pytest.approx(8), None]


def test_guard_with_a_result_predicate_has_no_result_to_judge(driver: Driver, build: Build) -> None:
    """A block returns nothing, so a predicate on results is not asked."""
    config = CircuitBreakerConfig("service", result_predicate=lambda response: response.status == 503)  # type: ignore[attr-defined]
    pipeline = build(breaker=config)
    driver.block(pipeline, Script("ok"))
    assert driver.loop(pipeline, Script("ok")) == "ok"
    assert pipeline.snapshot().tally.successes == 2


def test_guard_of_a_keyed_policy_is_refused_with_a_reason(driver: Driver, build: Build) -> None:
    """A block has no arguments from which a key could be taken."""
    pipeline = build(breaker=ONE_FAILURE, key=lambda host: host)
    for use in (driver.block, driver.loop):
        with pytest.raises(UnprotectedError, match="key"):
            use(pipeline, Script("never"))


def test_guard_is_new_for_each_block(driver: Driver, build: Build, clock: ManualClock) -> None:
    """One guard object serves one block after the other, each with a time of its own."""
    pipeline = build(breaker=ONE_FAILURE, timeout=TimeoutConfig(total=5))
    guard = pipeline.guard()
    with guard:
        clock.advance(4)
    clock.advance(10)
    with guard:
        assert remaining() == pytest.approx(5)
    assert pipeline.snapshot().tally.successes == 2


def test_guard_async_interrupts_a_hanging_block(build: Build, clock: ManualClock) -> None:
    """`async with` ends a block that is late with an error, counts it, and leaves the task usable."""
    pipeline = build(breaker=CircuitBreakerConfig("service", failure_threshold=1, timeout=5), bulkhead=1)

    async def main() -> None:
        with pytest.raises(CallTimeoutError):
            async with pipeline.guard():
                await clock.asleep(100)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await clock.asleep(1)

    asyncio.run(main())
    assert clock.monotonic() == pytest.approx(1006)
    assert pipeline.circuit().state is CircuitState.OPEN
    assert pipeline.snapshot().running == 0
    assert pipeline.snapshot().tally.timeouts == 1


def test_guard_in_an_abandoned_async_generator_loses_no_slot(build: Build) -> None:
    """A generator that nobody finishes is closed in another task, and its block still gives everything back."""
    pipeline = build(breaker=ONE_FAILURE, bulkhead=1, timeout=TimeoutConfig(total=50))

    async def rows() -> AsyncIterator[int]:
        async with pipeline.guard():
            yield 1
            yield 2

    async def main() -> None:
        async for _ in rows():
            break
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio.run(main())
    assert pipeline.snapshot().running == 0
    assert pipeline.snapshot().tally.failures == 0


def test_guard_in_a_generator_finished_elsewhere_loses_no_slot(build: Build) -> None:
    """A plain generator that is closed in another context gives everything back as well."""
    import contextvars

    pipeline = build(breaker=ONE_FAILURE, bulkhead=1, timeout=TimeoutConfig(total=50))

    def rows() -> Iterator[int]:
        with pipeline.guard():
            yield 1

    iterator = rows()
    contextvars.copy_context().run(next, iterator)
    assert pipeline.snapshot().running == 1
    iterator.close()  # type: ignore[attr-defined]
    assert pipeline.snapshot().running == 0


def test_breaker_block_in_a_generator_finished_elsewhere_frees_its_probe(clock: ManualClock) -> None:
    """A circuit breaker used as a block may be left in another context than it was entered in."""
    import contextvars

    circuit = CircuitBreaker(ONE_FAILURE, clock=clock)
    with pytest.raises(ConnectionError):
        circuit.call(Script(DOWN))
    clock.advance(10)

    def rows() -> Iterator[int]:
        with circuit:
            yield 1

    iterator = rows()
    contextvars.copy_context().run(next, iterator)
    assert circuit.snapshot().probes_in_flight == 1
    iterator.close()  # type: ignore[attr-defined]
    assert circuit.snapshot().probes_in_flight == 0


def test_breaker_blocks_nest_and_interleave(clock: ManualClock) -> None:
    """Blocks of one circuit may be nested, and tasks may hold them at the same time."""
    circuit = CircuitBreaker(ONE_FAILURE, clock=clock)
    with circuit, circuit:
        pass

    async def one(order: list[int], number: int) -> None:
        async with circuit:
            order.append(number)
            await clock.asleep(10 - number)
            order.append(-number)

    async def main() -> list[int]:
        order: list[int] = []
        await asyncio.gather(*(one(order, number) for number in (1, 2, 3)))
        return order

    assert asyncio.run(main()) == [1, 2, 3, -3, -2, -1]
    assert circuit.snapshot().tally.successes == 5


# ------------------------------------------------------------------------------------------------ attempts


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
