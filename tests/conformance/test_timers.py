"""The timer wheel behind the time limits of coroutines on the system's clock, in a loop whose time can be moved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from scrollintel import (
    CallTimeoutError,
    CircuitBreakerConfig,
    CircuitState,
    EventHub,
    Pipeline,
    Policy,
    SystemClock,
    TimeoutConfig,
)
from scrollintel.core.drivers import deadline

LONG, SHORT = 30.0, 0.5


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock can be set forward."""

    shift = 0.0

    def time(self) -> float:
        """Return the real time and what was added to it."""
        return super().time() + self.shift


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    """Return a loop together with which the system's clock is set forward, and close it in the end."""
    found = Loop()
    monkeypatch.setattr(SystemClock, "monotonic", staticmethod(lambda: time.monotonic() + found.shift))
    yield found
    found.close()


def build(seconds: float | TimeoutConfig, **parts: Any) -> Pipeline:
    """Return a pipeline with a time limit on the system's clock."""
    return Pipeline(Policy("service", timeout=seconds, **parts), hub=EventHub())


async def turns(number: int = 5) -> None:
    """Let others have their turns."""
    for _ in range(number):
        await asyncio.sleep(0)


def pending() -> int:
    """Return the limits that are waiting in the wheel."""
    wheel = deadline._WHEELS.wheel
    return 0 if wheel is None else sum(len(slot) for slot in wheel._slots.values())


async def hang() -> None:
    """Never return."""
    await asyncio.Event().wait()


@pytest.mark.parametrize("seconds", [LONG, SHORT])
def test_timer_ends_a_hanging_coroutine_in_time(loop: Loop, seconds: float) -> None:
    """Just before its limit a call still hangs; after it, it is cancelled and counted."""
    pipeline = build(seconds, breaker=CircuitBreakerConfig("service", failure_threshold=1))

    async def main() -> None:
        task = asyncio.ensure_future(pipeline.acall(hang))
        await turns()
        loop.shift += seconds - 0.2
        await turns()
        assert not task.done()
        loop.shift += 0.3
        with pytest.raises(CallTimeoutError, match=f"{seconds:g} s"):
            await task

    loop.run_until_complete(main())
    assert pipeline.circuit().state is CircuitState.OPEN
    assert pending() == 0


@pytest.mark.parametrize("seconds", [LONG, SHORT])
def test_timer_of_a_call_that_ended_cancels_nobody(loop: Loop, seconds: float) -> None:
    """Time that passes after calls that ended, failed or were cancelled hits no task."""
    pipeline = build(seconds)

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ConnectionError("down")

    async def main() -> None:
        await pipeline.acall(asyncio.sleep, 0)
        with pytest.raises(ConnectionError):
            await pipeline.acall(fails)
        task = asyncio.ensure_future(pipeline.acall(hang))
        await turns()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert pending() == 0
        loop.shift += 100
        await turns(10)
        current = asyncio.current_task()
        assert current is not None
        assert current.cancelling() == 0

    loop.run_until_complete(main())


def test_timer_slot_is_shared_and_fires_for_those_that_hang(loop: Loop) -> None:
    """Of a thousand calls in the same slot exactly those that still run are ended, with one timer of the loop."""
    pipeline = build(LONG)
    release = asyncio.Event()

    async def main() -> None:
        before = len(loop._scheduled)  # type: ignore[attr-defined]
        good = [asyncio.ensure_future(pipeline.acall(release.wait)) for _ in range(500)]
        bad = [asyncio.ensure_future(pipeline.acall(hang)) for _ in range(500)]
        await turns()
        assert pending() == 1000
        assert len(loop._scheduled) - before <= 5  # type: ignore[attr-defined]
        release.set()
        await asyncio.gather(*good)
        assert pending() == 500
        loop.shift += LONG + 0.1
        results = await asyncio.gather(*bad, return_exceptions=True)
        assert {type(result) for result in results} == {CallTimeoutError}
        await turns()

    loop.run_until_complete(main())
    assert pending() == 0


@pytest.mark.parametrize("seconds", [LONG, SHORT])
def test_timer_cancellation_at_every_turn_leaves_nothing(loop: Loop, seconds: float) -> None:
    """Whenever the caller cancels, no limit stays behind and the cancellation is the caller's."""
    pipeline = build(TimeoutConfig(attempt=seconds, total=2 * seconds), breaker=CircuitBreakerConfig("service"))

    async def operation() -> None:
        await turns(6)

    async def main() -> int:
        for steps in range(100):
            task = asyncio.ensure_future(pipeline.acall(operation))
            await turns(steps)
            task.cancel()
            await asyncio.wait([task])
            assert pending() == 0
            if not task.cancelled():
                return steps
        raise AssertionError

    assert loop.run_until_complete(main()) > 5
    assert pipeline.snapshot().tally.failures == 0


@pytest.mark.parametrize("first", ["caller", "limit"])
def test_timer_and_caller_in_the_same_turn(loop: Loop, first: str) -> None:
    """When the limit and the caller cancel in one turn, the caller's cancellation is the one that surfaces."""
    pipeline = build(LONG)
    seen: list[int] = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            await pipeline.acall(hang)
        finally:
            seen.append(task.cancelling())

    async def main() -> None:
        task = asyncio.ensure_future(work())
        await turns()
        wheel = deadline._WHEELS.wheel
        assert wheel is not None
        (slot,) = [slot for slot in wheel._slots.values() if slot]
        (timer,) = slot
        for cancel in (task.cancel, timer.fire) if first == "caller" else (timer.fire, task.cancel):
            cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    loop.run_until_complete(main())
    assert seen == [1]


def nested_calls(outer: Pipeline, inner: Pipeline) -> Callable[[], Awaitable[None]]:
    """Return an operation that hangs under two policies."""

    async def run() -> None:
        await outer.acall(inner.acall, hang)

    return run


@pytest.mark.parametrize(("outside", "inside"), [(LONG, 60.0), (60.0, LONG), (LONG, LONG), (SHORT, LONG)])
def test_timer_nested_limits_end_with_the_earliest(loop: Loop, outside: float, inside: float) -> None:
    """The earliest limit ends the innermost call; both circuits count, and the task is left clean."""
    outer = build(outside, breaker=CircuitBreakerConfig("outer", failure_threshold=1))
    inner = build(inside, breaker=CircuitBreakerConfig("inner", failure_threshold=1))

    async def main() -> None:
        task = asyncio.ensure_future(nested_calls(outer, inner)())
        await turns()
        loop.shift += min(outside, inside) + 0.1
        with pytest.raises(CallTimeoutError):
            await task
        assert task.cancelling() == 0
        await turns()

    loop.run_until_complete(main())
    assert inner.circuit().state is CircuitState.OPEN
    assert outer.circuit().state is CircuitState.OPEN
    assert pending() == 0


def test_timer_wheel_belongs_to_its_loop() -> None:
    """Loops one after the other in one thread, and one abandoned with a call in flight, do not meet."""
    pipeline = build(LONG)
    for _ in range(3):
        loop = Loop()

        async def main(loop: Loop = loop) -> None:
            task = asyncio.ensure_future(pipeline.acall(hang))
            await turns()
            loop.shift += LONG + 0.1
            with pytest.raises(CallTimeoutError):
                await task

        loop.run_until_complete(main())
        loop.close()


def test_timer_is_not_made_for_what_never_suspends(loop: Loop) -> None:
    """A coroutine that returns without suspending leaves no trace in the loop."""
    pipeline = build(LONG)

    async def immediate() -> str:
        return "at once"

    async def main() -> None:
        deadline._WHEELS.wheel = None
        assert await pipeline.acall(immediate) == "at once"
        assert deadline._WHEELS.wheel is None

    loop.run_until_complete(main())
