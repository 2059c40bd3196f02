"""Bulkheads: one set of slots for both drivers, a fair and bounded line, nothing lost."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from scrollintel import BulkheadConfig, BulkheadFullError, CallRejected, Pipeline, TimeoutConfig, Value
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger, Script


def until(condition: Callable[[], bool]) -> None:
    """Yield to other threads until something is so."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.0005)


def waiting(pipeline: Pipeline) -> int:
    """Return the length of the line."""
    return pipeline.snapshot().waiting or 0


def test_bulkhead_full_refuses_and_is_told(driver: Driver, build: Build, ledger: Ledger) -> None:
    """Beyond its slots a bulkhead without a line refuses at once, and a nested call counts as another one."""
    pipeline = build(bulkhead=1)
    script = Script("inner")
    with pytest.raises(BulkheadFullError):
        driver.call(pipeline, driver.through(pipeline, driver.make(script)))
    assert script.calls == 0
    assert pipeline.snapshot().running == 0
    assert pipeline.snapshot().tally.rejections == 1
    assert [event.layer for event in ledger.of(CallRejected)] == ["bulkhead"]
    assert driver.call(pipeline, driver.make(Script("ok"))) == "ok"


@pytest.mark.parametrize("error", [ConnectionError("down"), GeneratorExit()])
def test_bulkhead_slot_comes_back_after_every_end(driver: Driver, build: Build, error: BaseException) -> None:
    """Errors and exits free the slot."""
    pipeline = build(bulkhead=1)
    for _ in range(3):
        with pytest.raises(type(error)):
            driver.call(pipeline, driver.make(Script(error)))
    assert pipeline.snapshot().running == 0


def test_bulkhead_fallback_answers_a_refusal(driver: Driver, build: Build) -> None:
    """A full bulkhead is answered by the fallback."""
    pipeline = build(bulkhead=1, fallback=Value("busy"))
    assert driver.call(pipeline, driver.through(pipeline, driver.make(Script("inner")))) == "busy"


def test_bulkhead_wait_ends_at_its_limit(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A call that waits in vain is refused after `max_wait`, and its place in line is free again."""
    clock.patience = 0.01
    pipeline = build(bulkhead=BulkheadConfig(1, max_waiting=1, max_wait=5))
    caught: list[float] = []
    nested = driver.through(pipeline, driver.make(Script("inner")))
    if driver.asynchronous:

        async def holder() -> None:
            task = asyncio.ensure_future(nested())
            await clock.aadvance(5)
            with pytest.raises(BulkheadFullError):
                await task
            caught.append(clock.monotonic())

        driver.call(pipeline, holder)
    else:

        def blocking_holder() -> None:
            with pytest.raises(BulkheadFullError):
                nested()
            caught.append(clock.monotonic())

        driver.call(pipeline, blocking_holder)
    assert caught == [pytest.approx(1005)]
    assert (pipeline.snapshot().running, waiting(pipeline)) == (0, 0)


def test_bulkhead_wait_is_bounded_by_the_deadline(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A call does not wait for a slot beyond its deadline."""
    clock.patience = 0.01
    pipeline = build(bulkhead=BulkheadConfig(1, max_waiting=1))
    limited = build("limited", timeout=TimeoutConfig(total=3))
    seen: list[float] = []
    waits = driver.through(limited, driver.through(pipeline, driver.make(Script("inner"))))
    if driver.asynchronous:

        async def holder() -> None:
            task = asyncio.ensure_future(waits())
            await clock.aadvance(4)
            with pytest.raises((BulkheadFullError, TimeoutError)):
                await task
            seen.append(clock.monotonic())

        driver.call(pipeline, holder)
    else:

        def blocking_holder() -> None:
            with pytest.raises(BulkheadFullError):
                waits()
            seen.append(clock.monotonic())

        driver.call(pipeline, blocking_holder)
    assert seen[0] <= 1004
    assert (pipeline.snapshot().running, waiting(pipeline)) == (0, 0)


def test_bulkhead_line_is_first_come_first_served(build: Build) -> None:
    """Threads and tasks stand in one line, and are served in the order of their arrival."""
    pipeline = build(bulkhead=BulkheadConfig(1, max_waiting=10))
    served: list[str] = []
    release = threading.Event()

    async def tasks() -> None:
        async def one(name: str) -> None:
            served.append(name)

        async def stand(name: str, place: int) -> asyncio.Task[None]:
            task = asyncio.ensure_future(pipeline.acall(one, name))
            while waiting(pipeline) < place:
                await asyncio.sleep(0)
            return task

        first = await stand("task 1", 1)
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(pipeline.call, served.append, "thread 2")
            while waiting(pipeline) < 2:
                await asyncio.sleep(0)
            third = await stand("task 3", 3)
            release.set()
            await asyncio.gather(first, third)
            second.result(5)

    holder = threading.Thread(target=lambda: pipeline.call(release.wait, 5))
    holder.start()
    until(lambda: pipeline.snapshot().running == 1)
    asyncio.run(tasks())
    holder.join()
    assert served == ["task 1", "thread 2", "task 3"]
    assert (pipeline.snapshot().running, waiting(pipeline)) == (0, 0)


def test_bulkhead_line_is_bounded(build: Build) -> None:
    """The line takes `max_waiting` calls and no more."""
    pipeline = build(bulkhead=BulkheadConfig(1, max_waiting=2))

    async def main() -> None:
        go = asyncio.Event()
        tasks = [asyncio.ensure_future(pipeline.acall(go.wait)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(BulkheadFullError):
            await pipeline.acall(go.wait)
        go.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert (pipeline.snapshot().running, waiting(pipeline)) == (0, 0)


def test_bulkhead_cancelled_waiter_leaves_the_line(build: Build) -> None:
    """A waiter that is cancelled frees its place, and one that was just granted passes its slot on."""
    pipeline = build(bulkhead=BulkheadConfig(1, max_waiting=3))

    async def main() -> None:
        go = asyncio.Event()
        first, second, third, fourth = (asyncio.ensure_future(pipeline.acall(go.wait)) for _ in range(4))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert waiting(pipeline) == 2
        go.set()
        await first  # its slot has passed to the third, which has not run since
        third.cancel()
        assert await fourth is True
        assert second.cancelled()
        assert third.cancelled()

    asyncio.run(main())
    assert (pipeline.snapshot().running, waiting(pipeline)) == (0, 0)


def test_bulkhead_slots_are_shared_by_threads_and_tasks(build: Build) -> None:
    """Never more calls than slots run at once, whatever their colour, and each is served in the end."""
    pipeline = build(bulkhead=BulkheadConfig(3, max_waiting=200))
    lock = threading.Lock()
    running = peak = done = 0

    def enter() -> None:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)

    def leave() -> None:
        nonlocal running, done
        with lock:
            running -= 1
            done += 1

    def plain() -> None:
        enter()
        time.sleep(0.0002)
        leave()

    async def coroutine() -> None:
        enter()
        await asyncio.sleep(0)
        leave()

    async def tasks() -> None:
        await asyncio.gather(*(pipeline.acall(coroutine) for _ in range(60)))

    threads = [
        *(threading.Thread(target=lambda: [pipeline.call(plain) for _ in range(20)]) for _ in range(4)),
        *(threading.Thread(target=lambda: asyncio.run(tasks())) for _ in range(2)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == 200
    assert peak == 3
    assert (pipeline.snapshot().running, waiting(pipeline)) == (0, 0)


def test_bulkhead_waiter_of_a_closed_loop_loses_no_slot(build: Build) -> None:
    """A loop that ends with a call in line takes its place in line with it."""
    pipeline = build(bulkhead=BulkheadConfig(1, max_waiting=5))
    release = threading.Event()
    holder = threading.Thread(target=lambda: pipeline.call(release.wait, 5))
    holder.start()
    until(lambda: pipeline.snapshot().running == 1)

    async def main() -> None:
        task = asyncio.ensure_future(pipeline.acall(asyncio.sleep, 0))
        await asyncio.sleep(0)
        assert waiting(pipeline) == 1
        del task

    asyncio.run(main())
    release.set()
    holder.join()
    assert (pipeline.snapshot().running, waiting(pipeline)) == (0, 0)
    assert pipeline.call(lambda: "ok") == "ok"
