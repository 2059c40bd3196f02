"""Interleavings of a throttle that counts accepted attempts without a lock (decision 0024)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from scrollintel.core.config.policy import Policy
from scrollintel.core.config.throttle import ThrottleConfig
from scrollintel.core.hub import EventHub
from scrollintel.core.pipeline import Pipeline
from scrollintel.core.strategies.meter import Counter
from scrollintel.core.strategies.throttle import Throttle
from tests.concurrency.exploring import Scene, StillClock, assert_caught, assert_holds
from tests.concurrency.stage import AddsInSteps


class Valve:
    """A policy with a throttle that has seen nothing yet.

    Arguments:
        kind, counter: For planted races.
    """

    def __init__(self, kind: type[Throttle] = Throttle, counter: type[Counter] = Counter) -> None:
        clock: Any = StillClock()  # all that is used of one
        config = ThrottleConfig(min_requests=1000)
        self.pipeline = Pipeline(Policy("p", breaker=None, throttle=config), clock=clock, hub=EventHub())
        self.throttle = self.pipeline.lane.throttle = self.pipeline.lane.parts.throttle = kind(
            "p", config, clock, EventHub()
        )
        self.throttle.share()
        self.throttle._counter = counter()
        self.throttle._pulled = 0
        self.throttle.step = self.throttle._counter.step
        assert self.throttle.calm and clock.now < self.throttle.boundary
        self.call = self.pipeline(self.operation)

    @staticmethod
    def operation(fails: bool) -> None:
        """Succeed or fail."""
        if fails:
            raise ConnectionError

    def succeed(self) -> None:
        """Make a call that is accepted."""
        self.call(False)

    def fail(self) -> None:
        """Make a call that is not."""
        with suppress(ConnectionError):
            self.call(True)

    def look(self) -> None:
        """Ask what is refused, for which the counts are taken over."""
        self.throttle.share()

    def counts(self) -> tuple[int, int]:
        """Return attempts and accepted ones."""
        self.look()
        return self.throttle._machine.requests, self.throttle._machine.accepts


def successes_against_a_look(counter: type[Counter] = Counter) -> Scene:
    """Two calls are accepted while somebody looks."""

    def holds(valve: Valve) -> None:
        assert valve.counts() == (2, 2)

    return Scene(lambda: Valve(counter=counter), [Valve.succeed, Valve.succeed, Valve.look], holds)


def test_throttle_accepted_attempts_without_the_lock_all_count(seed: int) -> None:
    """Two calls and a look at the same moment are two accepted attempts."""
    assert_holds(successes_against_a_look(), seed)


def test_throttle_accepted_attempts_counted_in_steps_are_caught(seed: int) -> None:
    """The twin loses one."""
    assert_caught(successes_against_a_look(AddsInSteps), seed)


class PublishesLate(Throttle):
    """Says whether attempts need the lock after it has let go of it."""

    __slots__ = ()

    def share(self) -> float:
        """Return the share that is refused."""
        with self._lock:
            self._pull()
            share = self._machine.share(self._clock.monotonic(), 1)
        self._publish()
        return share


def failure_against_a_look(kind: type[Throttle] = Throttle) -> Scene:
    """The first call that is not accepted ends while somebody looks and another call is accepted."""

    def holds(valve: Valve) -> None:
        assert not valve.throttle.calm, "the next attempts pass although one was not accepted"
        assert valve.counts() == (2, 1)

    return Scene(lambda: Valve(kind), [Valve.fail, Valve.look, Valve.succeed], holds)


def test_throttle_is_not_calm_after_a_failure(seed: int) -> None:
    """From the first attempt that is not accepted on, all are looked at."""
    assert_holds(failure_against_a_look(), seed)


def test_throttle_that_says_late_whether_it_is_calm_is_caught(seed: int) -> None:
    """The twin is calm with a failure in its window."""
    assert_caught(failure_against_a_look(PublishesLate), seed)
