"""An asyncio event loop whose time is a number: it jumps to the next timer, and nothing ever waits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")
Callback = Callable[..., object]

if TYPE_CHECKING:
    _Base: Any  # typeshed calls methods abstract that the class itself has: they refuse what is not overridden
else:
    _Base = asyncio.AbstractEventLoop

COMPACT_FROM = 1024
"""Cancelled timers from which the queue is cleaned, once they are the greater part of it."""


class StalledError(RuntimeError):
    """Everything waits, and no timer is left that could wake anything."""


class Handle:
    """A scheduled callback that can be taken back."""

    __slots__ = ("_loop", "args", "callback", "context", "timed")

    def __init__(
        self, loop: VirtualLoop, callback: Callback, args: tuple[Any, ...], context: Context, timed: bool
    ) -> None:
        self._loop = loop
        self.callback: Callback | None = callback
        self.args = args
        self.context = context
        self.timed = timed

    def cancel(self) -> None:
        """Take the callback back; does nothing once it has run."""
        if self.callback is not None:
            self.take()
            if self.timed:
                self._loop.forget_one()

    def take(self) -> tuple[Any, ...]:
        """Return the arguments, once: a handle that is done keeps nothing alive."""
        args, self.args, self.callback = self.args, (), None
        return args

    def cancelled(self) -> bool:
        """Tell whether it will not run (any more)."""
        return self.callback is None


class VirtualLoop(_Base):  # type: ignore[misc]
    """Runs coroutines in virtual time: what is ready runs in order of arrival, then time jumps to the next timer.

    Timers of the same time run in the order in which they were made, so a run is the same every time. There are no
    sockets, threads, processes or signals: whatever would need one raises NotImplementedError.

    Arguments:
        start: Seconds at which time begins; 0 by default.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        self._number = 0
        self._cancelled = 0
        self._running = False
        self._closed = False
        self._problem: BaseException | None = None

    # ------------------------------------------------------------------ what tasks and futures ask for

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._now

    def call_soon(self, callback: Callback, *args: Any, context: Context | None = None) -> Any:  # Any: an own handle
        """Run `callback` before time moves on."""
        handle = Handle(self, callback, args, copy_context() if context is None else context, False)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(self, callback: Callback, *args: Any, context: Context | None = None) -> Any:
        """Run `callback` before time moves on; there is only one thread."""
        return self.call_soon(callback, *args, context=context)

    def call_later(self, delay: float, callback: Callback, *args: Any, context: Context | None = None) -> Any:
        """Run `callback` after `delay` seconds of virtual time."""
        handle = Handle(self, callback, args, copy_context() if context is None else context, True)
        self._number += 1
        heappush(self._timers, (self._now + delay if delay > 0.0 else self._now, self._number, handle))
        return handle

    def call_at(self, when: float, callback: Callback, *args: Any, context: Context | None = None) -> Any:
        """Run `callback` when virtual time has come to `when`; a time that has passed is now."""
        handle = Handle(self, callback, args, copy_context() if context is None else context, True)
        self._number += 1
        heappush(self._timers, (when if when > self._now else self._now, self._number, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **more: Any) -> asyncio.Task[Any]:  # Any: as asyncio declares it
        """Return a task that runs `coro`."""
        return asyncio.Task(coro, loop=self, **more)

    def get_debug(self) -> bool:
        """Return False: there is no debug mode."""
        return False

    def is_running(self) -> bool:
        """Tell whether a coroutine or a span of time is being run."""
        return self._running

    def is_closed(self) -> bool:
        """Tell whether it was closed."""
        return self._closed

    def close(self) -> None:
        """Forget everything that is scheduled."""
        self._closed = True
        self._ready.clear()
        self._timers.clear()

    def call_exception_handler(self, context: dict[str, Any]) -> None:  # Any: as asyncio declares it
        """Keep the first error that nobody handles; it is raised when the run ends."""
        if self._problem is None:
            self._problem = context.get("exception") or RuntimeError(context["message"])

    def forget_one(self) -> None:
        """Count a cancelled timer, and clean the queue when most of it is cancelled."""
        self._cancelled += 1
        if self._cancelled >= COMPACT_FROM and self._cancelled * 2 > len(self._timers):
            self._timers[:] = [entry for entry in self._timers if entry[2].callback is not None]
            heapify(self._timers)
            self._cancelled = 0

    # ------------------------------------------------------------------ running

    def run_until_complete(self, future: Awaitable[T]) -> T:
        """Run until `future` is done and return its result.

        Raises:
            StalledError: when it waits and nothing is left that could wake it.
        """
        awaited = asyncio.ensure_future(future, loop=self)
        self._run(inf, awaited)
        if not awaited.done():
            raise StalledError("everything waits, and no timer is left")
        return awaited.result()

    def run_until(self, end: float) -> bool:
        """Run until virtual time is `end` or nothing is left to be run; True when nothing is left."""
        self._run(end, None)
        if not self._timers:
            return True
        self._now = max(self._now, end)
        return False

    def _run(self, end: float, awaited: asyncio.Future[Any] | None) -> None:
        if asyncio._get_running_loop() is not None:
            raise RuntimeError("virtual time cannot run inside a running event loop; use a thread")
        asyncio._set_running_loop(self)
        self._running = True
        ready, timers = self._ready, self._timers
        try:
            while True:
                while ready:
                    handle = ready.popleft()
                    callback = handle.callback
                    if callback is not None:
                        handle.context.run(callback, *handle.take())
                if self._problem is not None:
                    problem, self._problem = self._problem, None
                    raise problem
                if awaited is not None and awaited.done():
                    return
                if not timers or timers[0][0] > end:
                    return
                when, _, handle = heappop(timers)
                callback = handle.callback
                if callback is None:
                    self._cancelled -= 1
                    continue
                self._now = when
                handle.context.run(callback, *handle.take())
        finally:
            self._running = False
            asyncio._set_running_loop(None)
