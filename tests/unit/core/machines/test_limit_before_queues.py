"""The adaptive limit before services that are well and have a queue of their own, which grows and empties."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from math import log
from random import Random

import pytest

from scrollintel.core.config import AdaptiveLimitConfig, LimitAlgorithm
from scrollintel.core.machines.limit import Flight, LimitMachine
from scrollintel.core.machines.line import Place
from scrollintel.core.outcome import Verdict

CRITICAL = 1
MAX_WAIT = 1.0


def exponential(mean: float, source: Random) -> Callable[[], float]:
    """Return service times that know nothing of the past."""
    return lambda: source.expovariate(1.0 / mean)


def heavy(mean: float, source: Random) -> Callable[[], float]:
    """Return service times of which one in twenty takes three times the mean or longer (lognormal, sigma 1)."""
    return lambda: source.lognormvariate(log(mean) - 0.5, 1.0)


class Service:
    """Workers with an endless queue, the calls of one client, and the limit between them.

    Arguments:
        kind: Algorithm of the limit.
        workers: How many calls are worked on at once.
        seed: Of all that is random.
    """

    def __init__(self, kind: LimitAlgorithm, workers: int, seed: int) -> None:
        self.source = Random(seed)
        self.machine = LimitMachine(AdaptiveLimitConfig(kind), 0.0)
        self.workers = workers
        self.queue: deque[Flight] = deque()
        self.busy = self.refused = self.number = 0
        self.events: list[tuple[float, int, Callable[[float], None]]] = []

    def at(self, when: float, act: Callable[[float], None]) -> None:
        """Let something happen later."""
        self.number += 1
        heapq.heappush(self.events, (when, self.number, act))

    def share_refused(self, work: Callable[[], float], rate: float, seconds: float) -> float:
        """Return the share of the calls that the limit refuses, in percent.

        Arguments:
            work: Gives the service time of one call, in seconds.
            rate: Calls per second, at random times.
            seconds: How long they come.
        """
        self.work = work
        now, offered = 0.0, 0
        while now < seconds:
            now += self.source.expovariate(rate)
            self.at(now, self.come)
            offered += 1
        while self.events:
            now, _, act = heapq.heappop(self.events)
            act(now)
            for place in self.machine.woken:
                if place.slot is not None:
                    self.arrive(place.slot, now)
                else:
                    self.refused += place.gone
            self.machine.woken.clear()
        return 100.0 * self.refused / offered

    def come(self, now: float) -> None:
        """A caller wants a slot."""
        answer = self.machine.acquire(now, CRITICAL)
        if isinstance(answer, Flight):
            self.arrive(answer, now)
        elif answer is None:
            self.refused += 1
        else:
            self.at(now + MAX_WAIT, lambda now, place=answer: self.give_up(place))  # type: ignore[misc]

    def give_up(self, place: Place[Flight]) -> None:
        """A caller has waited for as long as it may."""
        if not place.granted and not place.gone:
            self.machine.withdraw(place)
            self.refused += 1

    def arrive(self, flight: Flight, now: float) -> None:
        """A call reaches the service."""
        self.queue.append(flight)
        self.begin(now)

    def begin(self, now: float) -> None:
        """Work on what is next when somebody is free."""
        if self.queue and self.busy < self.workers:
            flight = self.queue.popleft()
            self.busy += 1
            self.at(now + self.work(), lambda now: self.answer(flight, now))

    def answer(self, flight: Flight, now: float) -> None:
        """A call ends."""
        self.busy -= 1
        self.machine.release(flight, now, Verdict.SUCCESS)
        self.begin(now)


SERVICES = {
    "32 workers that are half busy": (heavy, 0.5, 32, 0.5, 0.0),
    "4 workers that are half busy": (heavy, 0.1, 4, 0.5, 0.2),
    "4 workers, load 0.8": (heavy, 0.1, 4, 0.8, 1.0),
    "4 workers, load 0.8, nearly seconds": (exponential, 0.5, 4, 0.8, 2.0),
    "4 workers, load 0.9": (exponential, 0.02, 4, 0.9, 1.0),
    "one worker that is half busy": (heavy, 0.02, 1, 0.5, 0.5),
    "one worker, load 0.8": (exponential, 0.02, 1, 0.8, 2.0),
}


@pytest.mark.parametrize("kind", LimitAlgorithm)
@pytest.mark.parametrize("name", SERVICES)
def test_limit_lets_the_queue_of_a_healthy_service_come_and_go(name: str, kind: LimitAlgorithm) -> None:
    """A queue that comes from chance empties by itself; hardly any call is refused for it."""
    draw, mean, workers, load, allowed = SERVICES[name]
    service = Service(kind, workers, seed=1)
    refused = service.share_refused(draw(mean, service.source), load * workers / mean, seconds=120.0)
    assert refused <= allowed
