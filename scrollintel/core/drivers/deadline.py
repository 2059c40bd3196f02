"""Time limits for coroutines at the price of a comparison: no timer exists until an operation suspends."""

from __future__ import annotations

import asyncio
import threading
import types
from collections.abc import Callable, Generator
from typing import Any

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import CallTimeoutError

GRAIN = 64
"""Slots of the wheel per second; a limit may end up to 16 ms late."""
MAX_SLOTS = 4096
"""Slots up to the end of a limit; they are wider for longer limits, which end at most 1/4096 late."""
SHORT = 1.0
"""Seconds below which a limit gets a timer of its own, which ends on time."""


class Timer:
    """Cancels the running task at a time, once."""

    __slots__ = ("_cancelling", "_fired", "_stop", "_task")

    def __init__(self, at: float, clock: Clock) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit needs a running asyncio task")
        self._task = task
        self._cancelling = task.cancelling()
        self._fired = False
        loop = task.get_loop()
        if clock is SYSTEM_CLOCK:
            wheel = _WHEELS.wheel
            if wheel is None or wheel.loop is not loop:
                wheel = _WHEELS.wheel = Wheel(loop)
            self._stop: Callable[[Timer], object] = wheel.add(self, at)
            return
        left = max(0.0, at - clock.monotonic())
        handle = clock.call_later(left, lambda: loop.call_soon_threadsafe(self.fire)) or loop.call_later(
            left, self.fire
        )
        self._stop = lambda _: handle.cancel()

    def fire(self) -> None:
        """Cancel the task."""
        if not self._fired:
            self._fired = True
            self._task.cancel()

    def ended_it(self) -> bool:
        """Take our cancellation back after the code has ended; True when nobody else cancelled as well."""
        return self._fired and self._task.uncancel() <= self._cancelling

    def stop(self) -> None:
        """Never fire any more."""
        self._stop(self)
        self._fired = True


class Wheel:
    """The timers of one event loop: one loop timer for each slot in use instead of one for each call."""

    __slots__ = ("_slots", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._slots: dict[tuple[float, int], set[Timer]] = {}

    def add(self, timer: Timer, at: float) -> Callable[[Timer], object]:
        """Fire `timer` when its time has come; return what takes it out again."""
        left = at - SYSTEM_CLOCK.monotonic()
        now = self.loop.time()  # most loops take it from the same clock, but none promises that
        if left < SHORT:
            handle = self.loop.call_at(now + left, timer.fire)
            return lambda _: handle.cancel()
        width = 1.0 / GRAIN
        while left > width * MAX_SLOTS:
            width *= 2.0
        number = (width, int((now + left) / width) + 1)
        slot = self._slots.get(number)
        if slot is None:
            slot = self._slots[number] = set()
            self.loop.call_at(number[1] * width, self._fire, number)
        slot.add(timer)
        return slot.discard

    def _fire(self, number: tuple[float, int]) -> None:
        for timer in self._slots.pop(number):
            timer.fire()


class _Wheels(threading.local):
    wheel: Wheel | None = None


_WHEELS = _Wheels()


@types.coroutine
def bounded(value: Any, at: float, clock: Clock, source: str, began: float) -> Generator[Any, Any, Any]:
    """Await `value` until `at` on the scale of `clock`.

    A coroutine is driven by hand up to its first suspension, and only then does a timer start: one that never
    suspends costs no timer, and could not be interrupted by one. Cancelling follows `asyncio.timeout`.

    Raises:
        CallTimeoutError: when the time is over and nobody else cancelled the task.
    """
    if type(value) is not types.CoroutineType:
        value = _await(value)
    try:
        pending = value.send(None)
    except StopIteration as done:
        return done.value
    timer = Timer(at, clock)
    try:
        while True:
            try:
                sent = yield pending
            except GeneratorExit:
                value.close()
                raise
            except BaseException as error:  # passed on to the operation
                pending = value.throw(error)
            else:
                pending = value.send(sent)
    except StopIteration as done:
        timer.ended_it()
        return done.value
    except asyncio.CancelledError as error:
        if timer.ended_it():
            raise CallTimeoutError(source, at - began) from error
        raise
    except BaseException:
        timer.ended_it()
        raise
    finally:
        timer.stop()


async def _await(value: Any) -> Any:
    return await value
