"""A rate limit at run time."""

from __future__ import annotations

from typing import Any

from ..call import Call
from ..clock import Clock
from ..config.rate_limit import RateLimitConfig
from ..errors import RateLimitedError
from ..hub import EventHub
from ..locks import new_lock
from ..machines.rate import RateMachine
from .gate import Wait, tell_refusal


class RateLimit:
    """The gate of one rate limit; an attempt that may wait reserves its permit first and then waits for it."""

    __slots__ = ("_clock", "_hub", "_lock", "_machine", "_name", "config", "rejections")

    def __init__(self, name: str, config: RateLimitConfig, clock: Clock, hub: EventHub) -> None:
        self.config = config
        self.rejections = 0
        self._name = name
        self._clock = clock
        self._hub = hub
        self._lock = new_lock()
        self._machine = RateMachine(config.per_second, config.capacity)

    def available(self) -> float:
        """Return the permits there are now; below 0 as many are reserved."""
        with self._lock:
            return self._machine.available(self._clock.monotonic())

    def enter(self, call: Call) -> object:
        """Take a permit, or reserve one to wait for; raises RateLimitedError when that would take too long."""
        now = self._clock.monotonic()
        max_wait = self.config.max_wait
        if call.deadline is not None and max_wait:
            max_wait = min(max_wait, max(0.0, call.deadline - now))
        with self._lock:
            wait = self._machine.acquire(now, max_wait)
            self.rejections += wait > max_wait
        if wait == 0.0:
            return True
        if wait <= max_wait:
            return Wait(seconds=wait)
        tell_refusal(self._hub, self._clock, self._name, "rate_limit", retry_after=wait)
        raise RateLimitedError(self._name, wait)

    def resume(self, call: Call, wait: Wait) -> object:
        """Return the permit that was reserved."""
        return True

    def give_up(self, call: Call, wait: Wait) -> None:
        """Give a reserved permit back."""
        call.not_started()
        with self._lock:
            self._machine.give_back()

    def leave(self, call: Call, permit: Any, error: BaseException | None, value: object) -> None:
        """Do nothing: a permit is spent whatever became of the attempt."""

    def reconfigure(self, config: RateLimitConfig) -> None:
        """Go on with another rate; saved permits are kept up to the new burst."""
        with self._lock:
            self.config = config
            self._machine.reconfigure(config.per_second, config.capacity, self._clock.monotonic())
