"""A modelled service: hosts with workers, a bounded line, and troubles that come and go."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random

from .loop import VirtualLoop
from .scenario import Distribution, ServiceChange, ServiceConfig

Answer = asyncio.Future[None]
COLDEST = 0.01
"""Share of its speed that a cold host has at least, because one that had stood still would never give an answer."""


def drawing(config: ServiceConfig, random: Random) -> Callable[[], float]:
    """Return what gives the service time of one request, in seconds at full speed."""
    mean = config.service_time
    if config.distribution is Distribution.EXPONENTIAL:
        rate = 1.0 / mean
        return lambda: random.expovariate(rate)
    if config.distribution is Distribution.LOGNORMAL:
        from math import log

        # The mean of a lognormal variable is exp(mu + sigma² / 2).
        mu, sigma = log(mean) - config.spread**2 / 2.0, config.spread
        return lambda: random.lognormvariate(mu, sigma)
    return lambda: mean


class Host:
    """One host: `workers` at work, a first-in-first-out line of at most `queue` behind them.

    A piece of work takes as long as the speed says at which it begins. Work whose client has gone is done like any
    other, which is what keeps an overload alive.
    """

    __slots__ = (
        "_cold", "_config", "_draw", "_failures", "_goal", "_hangs", "_latency", "_line", "_loop", "_low", "_random",
        "_running", "_timely", "number",
    )  # fmt: skip

    def __init__(self, number: int, config: ServiceConfig, loop: VirtualLoop, random: Random) -> None:
        self.number = number
        self._config = config
        self._loop = loop
        self._random = random.random
        self._draw = drawing(config, random)
        self._line: deque[tuple[Answer, bool]] = deque()
        self._running = 0
        self._latency, self._failures, self._hangs = config.latency, config.failures, config.hangs
        self._goal = self._low = 1.0
        self._cold = False
        self._timely = 0
        for change in config.changes:
            if change.hosts is None or number in change.hosts:
                loop.call_at(change.at, self._follow)
                if change.until is not None:
                    loop.call_at(change.until, self._follow)

    @property
    def speed(self) -> float:
        """Speed as a share of the full one; a cold host gains it with the answers that it gives in time."""
        if not self._cold:
            return self._goal
        low = max(self._low, COLDEST * self._goal)
        return low + (self._goal - low) * min(1.0, self._timely / self._config.cold_start)

    @property
    def waiting(self) -> int:
        """Requests in the line."""
        return len(self._line)

    def accept(self, answer: Answer) -> None:
        """Take a request and see to it that `answer` gets a result or an error, or nothing when it hangs."""
        if self._hangs and self._random() < self._hangs:
            return
        fails = bool(self._failures) and self._random() < self._failures
        if self._running < self._config.workers and not self._line and self.speed > 0.0:
            self._running += 1
            self._begin(answer, fails)
        elif len(self._line) < self._config.queue:
            self._line.append((answer, fails))
        else:
            self._loop.call_later(self._config.refusal_time, _fail, answer, ConnectionRefusedError("the line is full"))

    def _begin(self, answer: Answer, fails: bool) -> None:
        self._loop.call_later(self._draw() / self.speed, self._finish, answer, fails)

    def _finish(self, answer: Answer, fails: bool) -> None:
        if self._latency > 0.0:
            self._loop.call_later(self._latency, self._deliver, answer, fails)
        else:
            self._deliver(answer, fails)
        if self._line and self.speed > 0.0:
            self._begin(*self._line.popleft())
        else:
            self._running -= 1

    def _deliver(self, answer: Answer, fails: bool) -> None:
        if answer.done():
            return
        if fails:
            answer.set_exception(ConnectionResetError("the service failed"))
        else:
            self._timely += 1
            answer.set_result(None)

    def _follow(self) -> None:
        """Take over what holds now, because a change begins or ends."""
        now, config = self._loop.time(), self._config
        goal, self._latency = 1.0, config.latency
        self._failures, self._hangs = config.failures, config.hangs
        for change in sorted(config.changes, key=lambda change: change.at):
            if self._befalls(change, now):
                goal = goal if change.capacity is None else change.capacity
                self._latency = self._latency if change.latency is None else change.latency
                self._failures = self._failures if change.failures is None else change.failures
                self._hangs = self._hangs if change.hangs is None else change.hangs
        if goal != self._goal:
            before = self.speed
            self._cold = goal > before and config.cold_start > 0
            self._low, self._goal, self._timely = before, goal, 0
            while self._line and self._running < config.workers and self.speed > 0.0:
                self._running += 1
                self._begin(*self._line.popleft())

    def _befalls(self, change: ServiceChange, now: float) -> bool:
        mine = change.hosts is None or self.number in change.hosts
        return mine and change.at <= now and (change.until is None or now < change.until)


def _fail(answer: Answer, error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
