"""The clock of a simulation: the virtual time of its event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from .loop import VirtualLoop

WALL = 1_700_000_000.0
"""Seconds since 1970-01-01 UTC at which a simulation begins, so that what it tells is the same every time."""
BLOCKS = "a simulation has one thread, which must not block: only coroutines run in virtual time"


class VirtualClock:
    """A `Clock` on the time of a virtual loop.

    Arguments:
        loop: The event loop whose time it tells.
        wall: Seconds since 1970-01-01 UTC at the loop's time 0; 1,700,000,000 by default.
    """

    __slots__ = ("_loop", "_wall", "monotonic")

    def __init__(self, loop: VirtualLoop, wall: float = WALL) -> None:
        self._loop = loop
        self._wall = wall
        # The loop's own method: a method around it would cost every call twice.
        self.monotonic = loop.time

    def time(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self._wall + self._loop.time()

    def sleep(self, seconds: float) -> None:
        """Raise RuntimeError, because nothing else could run meanwhile."""
        raise RuntimeError(BLOCKS)

    async def asleep(self, seconds: float) -> None:
        """Suspend the calling task for `seconds` of virtual time."""
        await asyncio.sleep(seconds)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Raise RuntimeError, because no other thread could set `event`."""
        raise RuntimeError(BLOCKS)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Leave timers to the event loop."""
        return
