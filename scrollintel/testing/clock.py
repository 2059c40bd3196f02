"""A clock that stands still until a test moves it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

POLL = 0.001
"""Real seconds between two looks at an event that another thread may set."""
QUIET_TURNS = 8
"""Turns of the event loop without news from the clock after which time moves on by itself."""
COMPACT_FROM = 64
"""Cancelled timers from which the queue is cleaned, once they are the greater part of it."""


class Timer:
    """A call scheduled on a manual clock; `cancel` takes it back."""

    __slots__ = ("_clock", "at", "callback", "number")

    def __init__(self, clock: ManualClock, at: float, number: int, callback: Callable[[], object] | None) -> None:
        self._clock = clock
        self.at = at
        self.number = number
        self.callback = callback

    def cancel(self) -> None:
        """Take the call back; does nothing once it has run."""
        self._clock._cancel(self)

    def __lt__(self, other: Timer) -> bool:
        return (self.at, self.number) < (other.at, other.number)


class ManualClock:
    """A clock for tests: time passes only when someone says so, and never in reality.

    Give it to a policy, breaker, registry or manager as `clock=`. All methods may be called from any thread.

    Arguments:
        start: Monotonic seconds to begin at; 1000.0 by default.
        wall: Seconds since 1970-01-01 UTC to begin at; 1,700,000,000.0 by default.
        auto_advance: When True, which is the default, sleeping moves the clock by itself, so that code which backs
            off runs through at once. When False a sleeper stays until another thread or task calls `advance`.
        patience: Real seconds, 0.1 by default, for which `wait` gives other threads a chance to set the event
            before it moves the clock to the end of the wait; only with `auto_advance`.

    Attributes:
        sleeps: Seconds asked for by each `sleep` and `asleep` so far, in order.

    Tasks that sleep at the same time wake in the order of their times: with `auto_advance` the clock moves to the
    next timer only when the tasks of the loop have come to rest (eight turns without news). It does not see real
    work in other threads or on sockets, and threads that sleep at the same time move it one after the other; where
    that matters, use `auto_advance=False` and `advance`.
    """

    def __init__(
        self,
        start: float = 1000.0,
        wall: float = 1_700_000_000.0,
        auto_advance: bool = True,
        *,
        patience: float = 0.1,
    ) -> None:
        self.sleeps: list[float] = []
        self.auto_advance = auto_advance
        self.patience = patience
        self._now = start
        self._offset = wall - start
        self._lock = threading.Lock()
        self._timers: list[Timer] = []
        self._cancelled = 0
        self._numbers = 0
        self._news = 0
        self._pumps: dict[Any, _Pump] = {}

    def monotonic(self) -> float:
        """Seconds on a scale that never goes back."""
        return self._now

    def time(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self._now + self._offset

    @property
    def pending(self) -> int:
        """Timers and sleepers that wait for their time."""
        with self._lock:
            return len(self._timers) - self._cancelled

    # ------------------------------------------------------------------ moving it

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once; timers that fall due are called in the order of their times, each at its time.

        A task that is woken runs when the event loop next gets its turn: in a coroutine use `aadvance`, or await
        something before looking at the effect.

        Raises:
            ValueError: when `seconds` is negative or not finite.
        """
        self._to(self._now + _checked(seconds))

    async def aadvance(self, seconds: float) -> None:
        """Let `seconds` pass and give the tasks of this event loop their turns before, between and after timers.

        Raises:
            ValueError: when `seconds` is negative or not finite.
        """
        end = self._now + _checked(seconds)
        await self._rest()
        while (at := self._next()) is not None and at <= end:
            self._to(at)
            await self._rest()
        self._to(end)
        await self._rest()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` once the clock has moved on by `seconds`; at once when that is not above zero.

        The callback runs in the thread that moves the clock, and must not block.
        """
        with self._lock:
            self._numbers += 1
            self._news += 1
            timer = Timer(self, self._now + seconds, self._numbers, callback)
            if seconds > 0.0:
                heappush(self._timers, timer)
                return timer
            timer.callback = None
        callback()
        return timer

    # ------------------------------------------------------------------ waiting on it

    def sleep(self, seconds: float) -> None:
        """Return when the clock has moved on by `seconds`; moves it there with `auto_advance`, blocks without."""
        self.sleeps.append(seconds)
        if seconds <= 0.0:
            return
        if self.auto_advance:
            self._to(self._now + _checked(seconds))
            return
        woken = threading.Event()
        timer = self.call_later(seconds, woken.set)
        try:
            woken.wait()
        finally:
            timer.cancel()

    async def asleep(self, seconds: float) -> None:
        """Suspend the task until the clock has moved on by `seconds`; with `auto_advance` it does so by itself."""
        import asyncio

        self.sleeps.append(seconds)
        if seconds <= 0.0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        pump = self._pump(loop) if self.auto_advance else None

        def wake() -> None:
            if pump is not None:
                pump.sleepers.discard(timer)
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, woken)

        timer = self.call_later(_checked(seconds), wake)
        if pump is not None:
            pump.add(timer)
        try:
            await woken
        finally:
            if pump is not None:
                pump.sleepers.discard(timer)
            timer.cancel()

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Block until `event` is set or the clock has moved on by `timeout` seconds; True when it is set.

        With `auto_advance` the event gets `patience` real seconds to be set by another thread; after that the clock
        moves on by what is left of `timeout`. Without a timeout only the event ends the wait.
        """
        if timeout is None:
            return event.wait()
        end = self._now + max(0.0, timeout)
        waited = 0.0
        while not event.wait(POLL) and self._now < end:
            waited += POLL
            if self.auto_advance and waited >= self.patience:
                while not event.is_set() and self._now < end:
                    at = self._next()
                    self._to(end if at is None else min(at, end))
        return event.is_set()

    # ------------------------------------------------------------------ inside

    def _to(self, end: float) -> None:
        """Move to `end`, calling what falls due on the way."""
        while True:
            with self._lock:
                self._news += 1
                timer = self._first()
                if timer is None or timer.at > end:
                    self._now = max(self._now, end)
                    return
                heappop(self._timers)
                self._now = max(self._now, timer.at)
                callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()

    def _first(self) -> Timer | None:
        """Return the earliest timer that was not cancelled; the lock is held."""
        timers = self._timers
        while timers and timers[0].callback is None:
            heappop(timers)
            self._cancelled -= 1
        return timers[0] if timers else None

    def _next(self) -> float | None:
        with self._lock:
            timer = self._first()
            return None if timer is None else timer.at

    def _cancel(self, timer: Timer) -> None:
        with self._lock:
            if timer.callback is None:
                return
            timer.callback = None
            self._cancelled += 1
            if self._cancelled >= COMPACT_FROM and self._cancelled * 2 > len(self._timers):
                self._timers = [item for item in self._timers if item.callback is not None]
                heapify(self._timers)
                self._cancelled = 0

    def _pump(self, loop: asyncio.AbstractEventLoop) -> _Pump:
        with self._lock:
            pump = self._pumps.get(loop)
            if pump is None:
                for old in [known for known in self._pumps if known.is_closed()]:
                    del self._pumps[old]
                pump = self._pumps[loop] = _Pump(self, loop)
            return pump

    async def _rest(self) -> None:
        """Give the tasks of the running loop their turns until the clock hears no more of them."""
        import asyncio

        seen, quiet = self._news, 0
        while quiet < QUIET_TURNS:
            await asyncio.sleep(0)
            quiet = quiet + 1 if self._news == seen else 0
            seen = self._news


class _Pump:
    """Moves the clock while tasks of one event loop sleep on it and nothing else in the loop wants to run."""

    __slots__ = ("_clock", "_loop", "_quiet", "_running", "_seen", "sleepers")

    def __init__(self, clock: ManualClock, loop: asyncio.AbstractEventLoop) -> None:
        self._clock = clock
        self._loop = loop
        self._running = False
        self._quiet = 0
        self._seen = -1
        self.sleepers: set[Timer] = set()

    def add(self, timer: Timer) -> None:
        """Take a sleeper in and start turning."""
        self.sleepers.add(timer)
        if not self._running:
            self._running = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        if not self.sleepers:
            self._running = False
            return
        news = self._clock._news
        self._quiet = self._quiet + 1 if news == self._seen else 0
        self._seen = news
        if self._quiet >= QUIET_TURNS:
            self._quiet = 0
            at = self._clock._next()
            if at is not None:
                self._clock._to(at)
        self._loop.call_soon(self._turn)


def _checked(seconds: float) -> float:
    if not isfinite(seconds) or seconds < 0.0:
        raise ValueError(f"seconds must be finite and not negative, not {seconds!r}")
    return seconds


def _resolve(future: Any) -> None:
    if not future.done():
        future.set_result(None)
