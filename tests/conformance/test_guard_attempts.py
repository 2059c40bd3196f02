"""Blocks: `with guard()`, loops of attempts, and a circuit breaker as a block, in both colours."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator

import pytest

from scrollintel import (
    BulkheadFullError,
    CallTimeoutError,
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitOpenError,
    CircuitState,
    RateLimitConfig,
    RateLimitedError,
    TimeoutConfig,
    UnprotectedError,
    remaining,
)
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Script

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
    config = CircuitBreakerConfig("service", result_predicate=lambda response: response.status == 503)
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
