"""Virtual time: coroutines run at once, in the same order every time, and nothing ever waits."""

from __future__ import annotations

import asyncio
import time

import pytest

from scrollintel.core.clock import Clock
from scrollintel.simulation.clock import VirtualClock
from scrollintel.simulation.loop import COMPACT_FROM, StalledError, VirtualLoop


def test_an_hour_of_sleep_takes_no_time() -> None:
    """Time jumps to the next timer."""
    loop, began = VirtualLoop(), time.monotonic()
    loop.run_until_complete(asyncio.sleep(3600))
    assert loop.time() == 3600.0
    assert time.monotonic() - began < 60.0


def test_sleepers_wake_in_the_order_of_their_times_and_then_of_their_beginnings() -> None:
    """The order is that of the times; equal times keep the order in which they were asked for."""
    loop, seen = VirtualLoop(), []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((name, loop.time()))

    async def main() -> None:
        await asyncio.gather(sleeper("late", 3), sleeper("first", 1), sleeper("second", 1), sleeper("soon", 0.5))

    loop.run_until_complete(main())
    assert seen == [("soon", 0.5), ("first", 1.0), ("second", 1.0), ("late", 3.0)]


def test_what_is_ready_runs_before_time_moves_on() -> None:
    """A long chain of ready callbacks does not let a timer overtake it."""
    loop = VirtualLoop()

    async def main() -> float:
        loop.call_later(0.001, lambda: None)
        for _ in range(1000):
            await asyncio.sleep(0)
        return loop.time()

    assert loop.run_until_complete(main()) == 0.0


def test_asyncio_timeouts_and_queues_work() -> None:
    """The tools of asyncio see virtual time."""
    loop = VirtualLoop()

    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Queue[int]().get(), 2)
        return loop.time()

    assert loop.run_until_complete(main()) == 7.0


def test_the_clock_tells_the_time_of_the_loop() -> None:
    """Both scales move together; what would block a thread is refused."""
    loop = VirtualLoop()
    virtual: Clock = VirtualClock(loop, wall=1000.0)
    loop.run_until_complete(virtual.asleep(2.5))
    assert (virtual.monotonic(), virtual.time()) == (2.5, 1002.5)
    with pytest.raises(RuntimeError, match="must not block"):
        virtual.sleep(1)


def test_run_until_stops_in_the_middle_and_goes_on() -> None:
    """A span of time runs what falls due in it, the end included."""
    loop, seen = VirtualLoop(), []
    for at in (1.0, 2.0, 3.0):
        loop.call_at(at, seen.append, at)
    assert loop.run_until(2.0) is False
    assert (seen, loop.time()) == ([1.0, 2.0], 2.0)
    assert loop.run_until(10.0) is True
    assert seen == [1.0, 2.0, 3.0]


def test_a_cancelled_timer_does_not_run_and_does_not_pile_up() -> None:
    """Timers that were taken back are dropped long before their time."""
    loop, seen = VirtualLoop(), []
    for _ in range(3 * COMPACT_FROM):
        loop.call_later(60.0, seen.append, 1).cancel()
    assert len(loop._timers) < 2 * COMPACT_FROM
    loop.run_until(100.0)
    assert seen == []


def test_who_waits_for_nothing_is_told() -> None:
    """A coroutine that nothing can wake ends in an error instead of hanging."""
    with pytest.raises(StalledError, match="everything waits"):
        VirtualLoop().run_until_complete(asyncio.Event().wait())


def test_an_error_that_nobody_handles_ends_the_run() -> None:
    """A callback that raises is not passed over."""
    loop = VirtualLoop()

    def fail() -> None:
        raise ValueError("broken")

    loop.call_later(1.0, fail)
    with pytest.raises(ValueError, match="broken"):
        loop.run_until(2.0)


def test_virtual_time_does_not_run_inside_a_running_loop() -> None:
    """It would block everything else there."""

    async def main() -> None:
        with pytest.raises(RuntimeError, match="use a thread"):
            VirtualLoop().run_until(1.0)
        await asyncio.to_thread(VirtualLoop().run_until, 1.0)

    asyncio.run(main())
