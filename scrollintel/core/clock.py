"""Where time comes from: the system's clock, or any object with the same four methods."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic as _monotonic
from time import sleep as _sleep
from time import time as _time
from typing import Protocol


class TimerHandle(Protocol):
    """A scheduled call that can be taken back."""

    def cancel(self) -> None:
        """Take the call back; does nothing once it has run."""


class Clock(Protocol):
    """A source of time that can also wait, so that tests can replace both at once.

    Durations come from `monotonic`, timestamps from `time`; both in seconds.
    """

    def monotonic(self) -> float:
        """Seconds on a scale that never goes back."""

    def time(self) -> float:
        """Seconds since 1970-01-01 UTC."""

    def sleep(self, seconds: float) -> None:
        """Block the calling thread for `seconds`."""

    async def asleep(self, seconds: float) -> None:
        """Suspend the calling task for `seconds`."""

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Block until `event` is set or `timeout` seconds are over; True when it is set."""

    def call_later(self, seconds: float, callback: Callable[[], object]) -> TimerHandle | None:
        """Schedule `callback`, or return None to let the event loop's own timers do it."""


class SystemClock:
    """The clock of this machine."""

    __slots__ = ()

    # The functions themselves: a method around them would cost every call twice.
    monotonic = staticmethod(_monotonic)
    time = staticmethod(_time)
    sleep = staticmethod(_sleep)

    async def asleep(self, seconds: float) -> None:
        """Suspend the calling task for `seconds`."""
        import asyncio

        await asyncio.sleep(seconds)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Block until `event` is set or `timeout` seconds are over; True when it is set."""
        return event.wait(None if timeout is None else min(timeout, threading.TIMEOUT_MAX))

    def call_later(self, seconds: float, callback: Callable[[], object]) -> TimerHandle | None:
        """Leave timers to the event loop."""
        return None


SYSTEM_CLOCK: Clock = SystemClock()
