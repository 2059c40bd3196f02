"""Calls that pass adaptive limit, throttle and budget without a lock leave nothing behind and owe nobody a slot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from scrollintel import AdaptiveLimitConfig, BudgetConfig, Pipeline, Policy, RetryConfig
from scrollintel.core.hub import EventHub
from scrollintel.core.retry_scope import RETRIES, surrounding_retries
from scrollintel.testing import ManualClock

ACROSS = RetryConfig(base_delay=0.0, budget=BudgetConfig(across_layers=True))


def held(pipeline: Pipeline, running: list[int]) -> Callable[[int, asyncio.Event], Coroutine[object, object, None]]:
    """Return a protected operation that says that it runs and then waits for its end."""

    @pipeline
    async def operation(number: int, end: asyncio.Event) -> None:
        running.append(number)
        await end.wait()

    return operation


async def turns() -> None:
    """Let all tasks go as far as they can."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_books_are_open_inside_a_call_and_closed_after_it(clock: ManualClock, hub: EventHub) -> None:
    """Each call puts its budget into the context, and takes it away again, whether it succeeds or fails."""
    pipeline = Pipeline(Policy("service", retry=ACROSS), clock=clock, hub=hub)
    inside: list[bool] = []

    @pipeline
    def operation(fails: bool) -> None:
        inside.append(surrounding_retries() is not None)
        if fails:
            raise ConnectionError

    operation(False)
    assert RETRIES.get() is None
    with pytest.raises(ConnectionError):
        operation(True)
    assert RETRIES.get() is None
    assert inside == [True] * 4


def test_task_that_outlives_its_call_is_on_nobodys_books(clock: ManualClock, hub: EventHub) -> None:
    """A task keeps a copy of the context of its call, whose budget is none of its concern afterwards."""
    pipeline = Pipeline(Policy("service", retry=ACROSS), clock=clock, hub=hub)

    async def later(over: asyncio.Event) -> bool:
        await over.wait()
        return surrounding_retries() is None

    @pipeline
    async def operation(over: asyncio.Event) -> asyncio.Task[bool]:
        return asyncio.create_task(later(over))

    async def main() -> bool:
        over = asyncio.Event()
        task = await operation(over)
        over.set()
        return await task

    assert asyncio.run(main())


def test_call_that_took_its_slot_without_a_lock_passes_it_on_to_who_waits(clock: ManualClock, hub: EventHub) -> None:
    """Others have filled the limit meanwhile, and somebody stands in line."""
    pipeline = Pipeline(
        Policy("service", limit=AdaptiveLimitConfig(initial_limit=4, max_wait=None)), clock=clock, hub=hub
    )
    running: list[int] = []
    operation = held(pipeline, running)

    async def main() -> None:
        ended = asyncio.Event()
        ended.set()
        await operation(0, ended)  # has seen one call at once
        first, others = asyncio.Event(), asyncio.Event()
        tasks = [asyncio.create_task(operation(1, first))]
        await turns()
        slots = pipeline.lane.slots
        assert slots is not None
        assert slots.flights() == [] and len(slots.in_flight) == 1, "the call took its slot under the lock"
        tasks += [asyncio.create_task(operation(number, others)) for number in range(2, 6)]
        await turns()
        assert running == [0, 1, 2, 3, 4] and pipeline.snapshot().limits[0].waiting == 1
        first.set()
        await turns()
        assert running == [0, 1, 2, 3, 4, 5]
        others.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert pipeline.snapshot().limits[0].running == 0


def test_call_without_a_lock_passes_its_slot_on_when_each_key_has_a_limit_meanwhile(
    clock: ManualClock, hub: EventHub
) -> None:
    """Who stands in line of the limit that all keys had shares nothing with those of the keys, and is served there."""
    few = AdaptiveLimitConfig(initial_limit=2, max_limit=2, max_wait=None)
    pipeline = Pipeline(
        Policy("service", limit=AdaptiveLimitConfig(initial_limit=20, max_wait=None)), clock=clock, hub=hub
    )
    running: list[int] = []
    operation = held(pipeline, running)

    async def main() -> None:
        ended, end = asyncio.Event(), asyncio.Event()
        ended.set()
        seen = asyncio.Event()
        peak = [asyncio.create_task(operation(0, seen)) for _ in range(4)]
        await turns()
        seen.set()
        await asyncio.gather(*peak)  # has seen four calls at once
        tasks = [asyncio.create_task(operation(number, end)) for number in (1, 2, 3)]
        await turns()
        slots = pipeline.lane.slots
        assert slots is not None and slots.flights() == [], "the calls took their slots under the lock"
        pipeline.replace(Policy("service", limit=few))
        tasks.append(asyncio.create_task(operation(4, ended)))
        await turns()
        assert slots.waiting == 1 and running[4:] == [1, 2, 3]
        pipeline.replace(Policy("service", limit=few, key=lambda number, end: number))
        end.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 5.0)
        assert running[-1] == 4 and slots.running == 0

    asyncio.run(main())
