"""Cancellation at every point where a call can be suspended: nothing is lost and nothing fires later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from scrollintel import (
    BudgetConfig,
    BulkheadConfig,
    CallTimeoutError,
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitState,
    EventHub,
    FallbackConfig,
    HedgeConfig,
    Pipeline,
    Policy,
    RateLimitConfig,
    RetryConfig,
    TimeoutConfig,
)
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build

MOST = 500
"""Turns of the event loop within which every call here has ended."""


def every_step(run: Callable[[int], bool]) -> int:
    """Cancel after 0, 1, 2 ... turns until the call ends first; return how many turns it takes."""
    for steps in range(MOST):
        if not run(steps):
            return steps
    raise AssertionError(f"the call had not ended after {MOST} turns")


@dataclass
class House:
    """A pipeline with its clock, and what it held before a cancelled call."""

    pipeline: Pipeline
    clock: ManualClock

    def holdings(self) -> dict[str, object]:
        """Return what a cancelled call must leave as it was."""
        view = self.pipeline.snapshot()
        circuit = view.circuits[0] if view.circuits else None
        return {
            "running": view.running,
            "waiting": view.waiting,
            "probes": 0 if circuit is None else circuit.probes_in_flight,
            "failures": view.tally.failures,
            "state": view.state,
            "timers": self.clock.pending,
        }


async def cancel_after(steps: int, work: Callable[[], Awaitable[Any]]) -> asyncio.Task[Any]:
    """Start a task, cancel it after a number of turns of the loop, and wait until it has ended."""
    task: asyncio.Task[Any] = asyncio.ensure_future(work())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    for _ in range(5):  # losers of a hedged call have their turns as well
        await asyncio.sleep(0)
    return task


EVERYTHING: dict[str, Any] = {
    "breaker": CircuitBreakerConfig("service", failure_threshold=50, timeout=None),
    "retry": RetryConfig(max_attempts=3, jitter=False, budget=BudgetConfig(ratio=0, reserve=50)),
    "timeout": TimeoutConfig(attempt=20, total=100),
    "bulkhead": BulkheadConfig(2, max_waiting=2),
    "rate_limit": RateLimitConfig(1, period=1, burst=1, max_wait=30),
    "fallback": FallbackConfig(stale_if_error=10),
}

PIPELINES: dict[str, dict[str, Any]] = {
    "short way": {"breaker": EVERYTHING["breaker"]},
    "short way with a limit": {"breaker": CircuitBreakerConfig("service", timeout=7)},
    "retry": {"retry": EVERYTHING["retry"]},
    "bulkhead": {"bulkhead": EVERYTHING["bulkhead"]},
    "rate limit": {"rate_limit": EVERYTHING["rate_limit"]},
    "hedge": {"hedge": HedgeConfig(delay=2, max_hedges=2), "bulkhead": BulkheadConfig(5)},
    "everything": EVERYTHING,
    "everything with hedging": {**EVERYTHING, "hedge": HedgeConfig(delay=1, max_hedges=2)},
}


def make(parts: dict[str, Any]) -> House:
    """Return a pipeline of its own on a clock of its own."""
    clock = ManualClock()
    return House(Pipeline(Policy("service", **parts), clock=clock, hub=EventHub()), clock)


def cancel_once(parts: dict[str, Any], steps: int) -> bool:
    """Cancel one call after a number of turns and check what it leaves; False when it had ended before."""
    house = make(parts)
    clock = house.clock
    calls = 0

    async def operation() -> str:
        nonlocal calls
        calls += 1
        await clock.asleep(3)
        if calls == 1 and "retry" in parts:
            raise ConnectionError("the first attempt fails, so that there is a back-off to be cancelled in")
        await clock.asleep(3)
        return "done"

    async def main() -> bool:
        before = house.holdings()
        task = await cancel_after(steps, lambda: house.pipeline.acall(operation))
        if task.cancelled():
            after = house.holdings()
            assert after["failures"] in (0, 1)
            assert {**after, "failures": 0} == before
        assert await house.pipeline.acall(operation) == "done"
        return task.cancelled()

    cancelled = asyncio.run(main())
    view = house.pipeline.snapshot()
    assert (view.running or 0, view.waiting or 0) == (0, 0)
    if view.permits is not None:
        clock.advance(1000)  # a permit that was lost would leave less than the one that is saved
        assert house.pipeline.snapshot().permits == 1
    return cancelled


@pytest.mark.parametrize("parts", PIPELINES.values(), ids=PIPELINES.keys())
def test_cancellation_at_every_turn_loses_nothing(parts: dict[str, Any]) -> None:
    """Slots, places in line, timers and the circuit are as before, and the next call works."""
    assert every_step(lambda steps: cancel_once(parts, steps)) > 10


@pytest.mark.parametrize("steps", range(20))
def test_cancellation_of_a_probe_gives_its_place_back(steps: int) -> None:
    """Whenever a probe is cancelled, the next call may probe at once."""
    house = make({"breaker": CircuitBreakerConfig("service", failure_threshold=1, recovery_timeout=10, timeout=5)})
    pipeline, clock = house.pipeline, house.clock

    async def fails() -> None:
        raise ConnectionError("down")

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def works() -> str:
        return "ok"

    async def main() -> None:
        with pytest.raises(ConnectionError):
            await pipeline.acall(fails)
        clock.advance(10)
        task = await cancel_after(steps, lambda: pipeline.acall(hangs))
        assert task.cancelled()
        assert pipeline.circuit().state in (CircuitState.HALF_OPEN, CircuitState.OPEN)
        assert pipeline.circuit().snapshot().probes_in_flight == 0
        assert await pipeline.acall(works) == "ok"
        assert pipeline.snapshot().tally.failures == 1

    asyncio.run(main())


@pytest.mark.parametrize("steps", range(40))
def test_cancellation_in_a_waiting_line_passes_the_slot_on(build: Build, steps: int) -> None:
    """Whenever a waiter is cancelled, even in the very turn in which it was granted, the others are served."""
    pipeline = build(bulkhead=BulkheadConfig(1, max_waiting=3))
    served: list[int] = []

    async def one(number: int) -> None:
        served.append(number)
        for _ in range(7):
            await asyncio.sleep(0)

    async def main() -> None:
        tasks = [asyncio.ensure_future(pipeline.acall(one, number)) for number in range(4)]
        for _ in range(steps):
            await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.wait(tasks)
        assert [number for number in served if number != 1] == [0, 2, 3]

    asyncio.run(main())
    assert (pipeline.snapshot().running, pipeline.snapshot().waiting) == (0, 0)


@pytest.mark.parametrize("steps", range(25))
def test_cancellation_while_backing_off_pays_its_token_back(steps: int) -> None:
    """A retry that was paid for and never started costs nothing."""
    house = make({"retry": RetryConfig(max_attempts=5, jitter=False, budget=BudgetConfig(ratio=0, reserve=10))})
    attempts = 0

    async def fails() -> None:
        nonlocal attempts
        attempts += 1
        raise ConnectionError("down")

    async def main() -> None:
        task = await cancel_after(steps, lambda: house.pipeline.acall(fails))
        assert task.cancelled() or attempts == 5

    asyncio.run(main())
    assert house.pipeline.snapshot().budget == 10 - max(0, attempts - 1)


def test_cancellation_of_a_second_attempt_in_line_is_neutral(build: Build, clock: ManualClock) -> None:
    """What the first attempt measured does not colour the second one that never ran."""
    clock.auto_advance = False
    pipeline = build(
        breaker=CircuitBreakerConfig("service", failure_threshold=2, timeout=5),
        retry=RetryConfig(base_delay=4, jitter=False),
        bulkhead=BulkheadConfig(1, max_waiting=1),
    )

    async def fails() -> None:
        raise ConnectionError("down")

    async def main() -> None:
        task = asyncio.ensure_future(pipeline.acall(fails))
        await clock.aadvance(3)
        go = asyncio.Event()
        holder = asyncio.ensure_future(pipeline.acall(go.wait))
        await clock.aadvance(3)  # the second attempt waits since 4 s; the limit of the first ended at 5 s
        assert pipeline.snapshot().waiting == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        await holder

    asyncio.run(main())
    assert pipeline.snapshot().tally.failures == 1
    assert pipeline.circuit().state is CircuitState.CLOSED


def test_cancellation_of_a_loop_that_backs_off_pays_its_token_back() -> None:
    """A round that was paid for and never began costs nothing in a loop of attempts either."""
    house = make({"retry": RetryConfig(jitter=False, budget=BudgetConfig(ratio=0, reserve=10))})
    house.clock.auto_advance = False

    async def work() -> None:
        async for attempt in house.pipeline.attempts():
            async with attempt:
                raise ConnectionError("down")

    assert asyncio.run(cancel_after(3, work)).cancelled()
    assert house.pipeline.snapshot().budget == 10


@pytest.mark.parametrize("steps", range(12))
def test_cancellation_while_waiting_for_a_permit_gives_it_back(steps: int) -> None:
    """A reserved permit that was not used is there for the next call."""
    house = make({"rate_limit": RateLimitConfig(1, period=10, max_wait=1000)})
    house.clock.auto_advance = False
    pipeline = house.pipeline

    async def operation() -> None:
        pass

    async def main() -> None:
        await pipeline.acall(operation)
        task = await cancel_after(steps, lambda: pipeline.acall(operation))
        assert task.cancelled()

    asyncio.run(main())
    assert pipeline.snapshot().permits == 0
    assert house.clock.pending == 0


def test_cancellation_at_every_suspension_of_a_hand_driven_call() -> None:
    """Driven by hand, a call lets an error thrown in at any of its suspensions out and gives everything back."""
    for suspension in range(12):
        house = make({**EVERYTHING, "timeout": None, "retry": None, "rate_limit": None})

        class Pause:
            def __await__(self) -> Any:
                yield

        async def operation() -> str:
            for _ in range(10):
                await Pause()
            return "done"

        coroutine = house.pipeline.acall(operation)
        ended = False
        try:
            for _ in range(suspension):
                coroutine.send(None)
        except StopIteration as done:
            ended = True
            assert done.value == "done"
        if not ended:
            with pytest.raises(asyncio.CancelledError):
                coroutine.throw(asyncio.CancelledError())
        view = house.pipeline.snapshot()
        assert (view.running, view.waiting, view.tally.failures) == (0, 0, 0)
        assert view.tally.successes == (1 if ended else 0)


def test_cancellation_by_garbage_collection_gives_everything_back(build: Build) -> None:
    """A call that nobody finishes is closed and gives its slot back, without a word in the circuit."""
    pipeline = build(breaker=CircuitBreakerConfig("service", failure_threshold=1, timeout=5), bulkhead=1)

    async def main() -> None:
        class Pause:
            def __await__(self) -> Any:
                yield

        async def operation() -> None:
            await Pause()

        coroutine = pipeline.acall(operation)
        coroutine.send(None)
        assert pipeline.snapshot().running == 1
        del coroutine

    asyncio.run(main())
    assert pipeline.snapshot().running == 0
    assert pipeline.snapshot().tally.failures == 0


# ------------------------------------------------------------------------------------------- whose cancellation


def test_cancelling_count_is_restored_after_our_timeout(build: Build, clock: ManualClock) -> None:
    """After a time limit of ours the task is not left as if somebody had cancelled it."""
    pipeline = build(timeout=5.0)

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        for _ in range(3):
            with pytest.raises(CallTimeoutError):
                await pipeline.acall(clock.asleep, 100)
            assert task.cancelling() == 0
        async with asyncio.timeout(10):
            await clock.asleep(1)

    asyncio.run(main())


def test_cancelling_count_is_kept_for_the_caller(build: Build, clock: ManualClock) -> None:
    """A caller's cancellation that comes together with our time limit wins, and is still counted by the task."""
    pipeline = build(breaker=CircuitBreakerConfig("service", failure_threshold=1, timeout=5))
    seen: list[int] = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            await pipeline.acall(asyncio.Event().wait)
        except asyncio.CancelledError:
            seen.append(task.cancelling())
            raise

    async def main() -> None:
        task = asyncio.ensure_future(work())
        await asyncio.sleep(0)
        clock.advance(5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert seen == [1]


def test_timer_that_was_due_in_the_same_turn_spares_what_follows(build: Build, clock: ManualClock) -> None:
    """A limit that passes just when the operation ends does not cancel what its task does next."""
    pipeline = build(timeout=5.0)

    async def main() -> None:
        event = asyncio.Event()

        async def work() -> str:
            await pipeline.acall(event.wait)
            for _ in range(5):
                await asyncio.sleep(0)
            return "undisturbed"

        task = asyncio.ensure_future(work())
        await asyncio.sleep(0)
        event.set()  # the task is to be woken in the next turn
        clock.advance(5)  # and so is its timer
        assert await task == "undisturbed"
        assert task.cancelling() == 0

    asyncio.run(main())
    assert clock.pending == 0


def test_timer_of_an_ended_call_never_fires_into_the_task(build: Build, clock: ManualClock) -> None:
    """Whatever time passes after a call, its task is left alone."""
    pipeline = build(timeout=5.0)

    async def main() -> None:
        for ends in range(8):

            async def operation(turns: int = ends) -> None:
                for _ in range(turns):
                    await asyncio.sleep(0)

            await pipeline.acall(operation)
            clock.advance(100)
            for _ in range(5):
                await asyncio.sleep(0)

    asyncio.run(main())
    assert clock.pending == 0


def test_operation_that_answers_its_cancellation_keeps_its_answer(build: Build, clock: ManualClock) -> None:
    """A late operation that cleans up and returns is late all the same, but its value is not thrown away."""
    pipeline = build(breaker=CircuitBreakerConfig("service", failure_threshold=1, timeout=5))

    async def operation() -> str:
        try:
            await clock.asleep(100)
        except asyncio.CancelledError:
            return "cleaned up"
        return "never"

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        assert await pipeline.acall(operation) == "cleaned up"
        assert task.cancelling() == 0

    asyncio.run(main())
    assert pipeline.snapshot().tally.timeouts == 1
    assert pipeline.circuit().state is CircuitState.OPEN


def test_timeout_inside_a_timeout_of_asyncio(build: Build) -> None:
    """A surrounding `asyncio.timeout` that passes first is a caller's cancellation: neutral, and its TimeoutError."""
    pipeline = build(breaker=CircuitBreakerConfig("service", failure_threshold=1, timeout=60))

    async def main() -> None:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0):
                await pipeline.acall(asyncio.Event().wait)
        assert not isinstance(caught.value, CallTimeoutError)

    asyncio.run(main())
    assert pipeline.circuit().state is CircuitState.CLOSED
    assert pipeline.snapshot().tally.failures == 0


def test_task_group_around_protected_calls(build: Build, clock: ManualClock) -> None:
    """In a task group one failing call cancels its siblings, and these count for nothing."""
    pipeline = build(breaker=CircuitBreakerConfig("service", failure_threshold=2, timeout=60), bulkhead=10)

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ConnectionError("down")

    async def main() -> None:
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                for _ in range(5):
                    group.create_task(pipeline.acall(asyncio.Event().wait))
                group.create_task(pipeline.acall(fails))

    asyncio.run(main())
    view = pipeline.snapshot()
    assert (view.running, view.tally.failures, view.tally.abandoned) == (0, 1, 5)


@pytest.mark.parametrize("steps", range(15))
def test_cancellation_of_a_guarded_block_loses_nothing(build: Build, steps: int) -> None:
    """Blocks give back what they hold whenever they are cancelled."""
    pipeline = build(
        breaker=CircuitBreakerConfig("service", failure_threshold=1, timeout=60),
        bulkhead=BulkheadConfig(1, max_waiting=1),
        rate_limit=RateLimitConfig(10),
    )

    async def block() -> None:
        async with pipeline.guard():
            for _ in range(5):
                await asyncio.sleep(0)

    async def main() -> None:
        other = asyncio.ensure_future(block())
        task = await cancel_after(steps, block)
        await other
        await block()
        assert task.done()

    asyncio.run(main())
    assert (pipeline.snapshot().running, pipeline.snapshot().waiting) == (0, 0)
    assert pipeline.snapshot().tally.failures == 0


def test_breaker_block_cancelled_is_neutral(clock: ManualClock) -> None:
    """A circuit breaker's own block is neutral to cancellation as well."""
    circuit = CircuitBreaker(CircuitBreakerConfig("service", failure_threshold=1), clock=clock)

    async def block() -> None:
        async with circuit:
            await asyncio.Event().wait()

    asyncio.run(_cancelled(block))
    assert circuit.state is CircuitState.CLOSED


async def _cancelled(work: Callable[[], Awaitable[Any]]) -> None:
    assert (await cancel_after(2, work)).cancelled()
