"""An adaptive throttle at run time."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from ..call import Call
from ..chance import chance
from ..clock import Clock
from ..config.breaker import CircuitBreakerConfig
from ..config.throttle import ThrottleConfig
from ..context import REQUEST, Criticality
from ..errors import ThrottledError
from ..hub import EventHub
from ..locks import new_lock
from ..machines.throttle import ThrottleMachine
from .classify import ABANDONED, FAILURE, Judge
from .gate import Immediate, tell_refusal
from .meter import Counter

TOLD_EVERY = 1.0
"""Seconds between two events about the same throttle at least."""
_ORDINARY = Criticality.CRITICAL.rank


class Throttle(Immediate):
    """The gate of one throttle.

    While it is `calm` and `boundary` has not come, every attempt passes and is accepted, and one that ends well is
    counted by `step`, without the lock.

    Arguments:
        breaker: Says what is a failure when the configuration does not; None when the policy has no breaker.
        source: Gives random numbers from 0 up to but not including 1.
    """

    __slots__ = (
        "_clock", "_counter", "_hub", "_judge", "_lock", "_machine", "_name", "_pulled", "_random", "_told", "_told_at",
        "boundary", "calm", "config", "rejections", "step",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        config: ThrottleConfig,
        clock: Clock,
        hub: EventHub,
        *,
        breaker: CircuitBreakerConfig | None = None,
        source: Callable[[], float] = chance,
    ) -> None:
        self.rejections = 0
        self._name = name
        self._clock = clock
        self._hub = hub
        self._random = source
        self._lock = new_lock()
        self._machine = ThrottleMachine(config)
        self._told = False
        self._told_at = clock.monotonic() - TOLD_EVERY
        self._counter = Counter()
        self._pulled = 0
        self.step = self._counter.step
        self._adopt(config, breaker)
        self._publish()

    def _adopt(self, config: ThrottleConfig, breaker: CircuitBreakerConfig | None) -> None:
        self.config = config
        self._judge = Judge(breaker, errors=config.failure_predicate, results=config.result_predicate)

    def share(self) -> float:
        """Return the share of ordinary (critical) attempts that is refused now."""
        with self._lock:
            self._pull()
            share = self._machine.share(self._clock.monotonic(), _ORDINARY)
            self._publish()
        return share

    def enter(self, call: Call) -> object:
        """Let the attempt pass, or raise ThrottledError."""
        rank = REQUEST.get().criticality.rank
        now = self._clock.monotonic()
        with self._lock:
            self._pull()
            admitted = self._machine.admit(now, rank, self._random())
            self.rejections += not admitted
            change = self._change(now)
            self._publish()
        self._tell(change)
        if admitted:
            return True
        tell_refusal(self._hub, self._clock, self._name, "throttle")
        raise ThrottledError(self._name)

    def leave(self, call: Call, permit: Any, error: BaseException | None, value: object) -> None:
        """Count whether the dependency accepted the attempt; one that never reached it counts for nothing."""
        self.count(error, value)

    def count(self, error: BaseException | None, value: object) -> None:
        """Count the end of an attempt."""
        verdict = self._judge.verdict(error, value)
        if verdict is ABANDONED:
            return
        now = self._clock.monotonic()
        with self._lock:
            self._pull()
            self._machine.record(now, accepted=verdict is not FAILURE)
            self._publish()

    def reconfigure(self, config: ThrottleConfig, breaker: CircuitBreakerConfig | None) -> None:
        """Go on under `config`; the counts stay unless the window is another one."""
        with self._lock:
            self._pull()
            self._adopt(config, breaker)
            self._machine.reconfigure(config)
            self._publish()

    def _pull(self) -> None:
        """Take the attempts over that were counted without the lock, which is held."""
        counted = self._counter.read()
        if counted != self._pulled:
            self._machine.absorb(counted - self._pulled)
            self._pulled = counted

    def _publish(self) -> None:
        """Say whether attempts need the lock, which is held."""
        machine = self._machine
        self.calm = machine.requests == machine.accepts
        self.boundary = -inf if self._judge.looks_at_values else machine.boundary

    def _change(self, now: float) -> float | None:
        """Return the share when it is to be told that throttling began or ended; the lock is held."""
        if not self._hub.active or now - self._told_at < TOLD_EVERY:
            return None
        share = self._machine.share(now, _ORDINARY)
        if (share > 0.0) is self._told:
            return None
        self._told, self._told_at = share > 0.0, now
        return share

    def _tell(self, share: float | None) -> None:
        if share is None:
            return
        from ..events import ThrottleChanged

        self._hub.emit(ThrottleChanged(policy=self._name, at=self._clock.time(), active=share > 0.0, share=share))
