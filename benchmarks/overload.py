"""A dip of capacity that would never end by itself: how much is answered in it, and how soon all is well again.

`python -m benchmarks.overload` prints, for each algorithm of the adaptive limit, warm and cold servers and seeds, the
share of calls answered within their second: before, during and after the dip, and when it stays above 95 %.

One server answers 1,000 calls per second in the order of their arrival, does not notice abandoned ones, and has a
queue of 2,000. Twenty clients together send 800 calls per second; a call that took a second has failed and may be
tried twice again, as far as a budget of 10 % allows. For 20 seconds the server has 30 % of its capacity, so that 37.5
% of the calls can be answered. Afterwards it has all of it at once (warm), or as it gives answers in time again
(cold: all after 20,000 answers, as a cache fills). Without a limit the queue stays full of calls that nobody waits
for any more.

The clients run the real machines under virtual time; nothing is set by hand but what the tables say.
"""

from __future__ import annotations

import argparse
import heapq
import random
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

from scrollintel.core.config.limit import AdaptiveLimitConfig, LimitAlgorithm
from scrollintel.core.config.retry import BudgetConfig
from scrollintel.core.machines.budget import BudgetMachine
from scrollintel.core.machines.limit import Flight, LimitMachine
from scrollintel.core.machines.line import Place
from scrollintel.core.outcome import Verdict

TIMEOUT = 1.0
QUEUE = 2000
BEGIN, WINDOW = 30.0, 5.0
COLD_ANSWERS = 20_000
CRITICAL = 1


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens.

    Arguments:
        seed: Of all randomness.
        cold: Answers in time until the server has its whole capacity back; 0 for at once.
        clients: How many share the load.
        load: Calls per second, as a share of the capacity.
        capacity: Answers per second.
        dip: Capacity in the dip, as a share.
        dip_seconds: How long the dip lasts.
        seconds: How long it is watched.
        attempts: Attempts of one call at most.
    """

    seed: int = 1
    cold: int = 0
    clients: int = 20
    load: float = 0.8
    capacity: float = 1000.0
    dip: float = 0.3
    dip_seconds: float = 20.0
    seconds: float = 150.0
    attempts: int = 3

    @property
    def end(self) -> float:
        """When the dip is over."""
        return BEGIN + self.dip_seconds


@dataclass(slots=True)
class Report:
    """What came of it: times at which calls began, of all and of the answered ones."""

    scenario: Scenario
    offered: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    refused: int = 0

    def share(self, begin: float, end: float) -> float:
        """Return the share of the calls that began in this time and were answered."""
        offered = bisect_left(self.offered, end) - bisect_left(self.offered, begin)
        return (bisect_left(self.answered, end) - bisect_left(self.answered, begin)) / offered if offered else 1.0

    @property
    def during(self) -> float:
        """Share answered in the dip."""
        return self.share(BEGIN, self.scenario.end)

    @property
    def recovery(self) -> float | None:
        """Return the seconds from the end of the dip until at least 95 % are answered in each 5 s; None for never."""
        end = self.scenario.end
        count = int((self.scenario.seconds - end) / WINDOW)
        shares = [self.share(end + place * WINDOW, end + (place + 1) * WINDOW) for place in range(count)]
        good = next((i for i in range(count) if all(share >= 0.95 for share in shares[i:])), None)
        return None if good is None else good * WINDOW


@dataclass(slots=True)
class _Try:
    client: int
    attempt: int
    born: float


class _World:
    """The server, its clients, and the events to come."""

    def __init__(self, scenario: Scenario, config: AdaptiveLimitConfig | None) -> None:
        self.scenario = scenario
        self.random = random.Random(scenario.seed)
        self.limits = [None if config is None else LimitMachine(config, 0.0) for _ in range(scenario.clients)]
        self.budgets = [BudgetMachine(BudgetConfig(ratio=0.1)) for _ in range(scenario.clients)]
        self.report = Report(scenario)
        self.waiting: dict[Place[Flight], _Try] = {}
        self._events: list[tuple[float, int, Any]] = []
        self._count = 0
        self._free = 0.0
        self._warm = 0

    def run(self) -> Report:
        """Let everything happen."""
        scenario = self.scenario
        now = 0.0
        while now < scenario.seconds:
            now += self.random.expovariate(scenario.load * scenario.capacity)
            self.report.offered.append(now)
            self._later(now, _Try(self.random.randrange(scenario.clients), 1, now))
        while self._events:
            now, _, event = heapq.heappop(self._events)
            if isinstance(event, _Try):
                self._come(now, event)
            else:
                self._end(now, *event)
        self.report.answered.sort()
        return self.report

    def _later(self, at: float, event: object) -> None:
        self._count += 1
        heapq.heappush(self._events, (at, self._count, event))

    def _come(self, now: float, one: _Try) -> None:
        if one.attempt == 1:
            self.budgets[one.client].deposit_call()
        limit = self.limits[one.client]
        answer = None if limit is None else limit.acquire(now, CRITICAL)
        if limit is None or isinstance(answer, Flight):
            self._send(now, one, answer)
        elif answer is None:
            self.report.refused += 1
        else:
            self.waiting[answer] = one
        if limit is not None:
            self._wake(now, limit)

    def _wake(self, now: float, limit: LimitMachine) -> None:
        woken, limit.woken = limit.woken, []
        for place in woken:
            one = self.waiting.pop(place)
            if place.granted:
                self._send(now, one, place.slot)
            else:
                self.report.refused += 1

    def _capacity(self, now: float) -> float:
        scenario = self.scenario
        if now < BEGIN:
            return scenario.capacity
        if now < scenario.end:
            self._warm = 0
            return scenario.capacity * scenario.dip
        share = min(1.0, self._warm / scenario.cold) if scenario.cold else 1.0
        return scenario.capacity * (scenario.dip + (1.0 - scenario.dip) * share)

    def _send(self, now: float, one: _Try, flight: object) -> None:
        capacity = self._capacity(now)
        if (self._free - now) * capacity > QUEUE:
            self._later(now + 0.001, (one, flight, False))
            return
        self._free = max(now, self._free) + 1.0 / capacity
        late = self._free - now > TIMEOUT
        self._warm += not late
        self._later(now + TIMEOUT if late else self._free, (one, flight, not late))

    def _end(self, now: float, one: _Try, flight: object, answered: bool) -> None:
        limit, budget = self.limits[one.client], self.budgets[one.client]
        if limit is not None and isinstance(flight, Flight):
            limit.release(flight, now, Verdict.SUCCESS if answered else Verdict.FAILURE)
            self._wake(now, limit)
        if answered:
            self.report.answered.append(one.born)
        elif one.attempt < self.scenario.attempts and budget.withdraw():
            delay = self.random.random() * 0.1 * 2.0**one.attempt
            self._later(now + delay, _Try(one.client, one.attempt + 1, one.born))


def simulate(scenario: Scenario, config: AdaptiveLimitConfig | None = None) -> Report:
    """Return what comes of a scenario; without a configuration the clients have no limit."""
    return _World(scenario, config).run()


def main() -> None:
    """Print a line for each run."""
    parser = argparse.ArgumentParser(description="goodput in and after a dip of capacity")
    parser.add_argument("--seeds", type=int, default=5, help="seeds from 1 to this one; default 5")
    parser.add_argument("--clients", type=int, default=20, help="clients that share the load; default 20")
    args = parser.parse_args()
    kinds: list[AdaptiveLimitConfig | None] = [None, *(AdaptiveLimitConfig(algorithm=kind) for kind in LimitAlgorithm)]
    for config in kinds:
        for cold in (0, COLD_ANSWERS):
            for seed in range(1, args.seeds + 1):
                scenario = Scenario(seed=seed, cold=cold, clients=args.clients)
                report = simulate(scenario, config)
                back = "never" if report.recovery is None else f"{report.recovery:.0f} s"
                print(
                    f"{'no limit' if config is None else config.algorithm.value:10} {'cold' if cold else 'warm'} "
                    f"seed {seed}  before {report.share(0.0, BEGIN):7.2%}  dip {report.during:6.2%}  "
                    f"first 5 s {report.share(scenario.end, scenario.end + WINDOW):7.2%}  recovery {back:>5}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
