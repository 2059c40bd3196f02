"""A process with many circuits: what it takes to scrape it, and what a call costs meanwhile."""

from __future__ import annotations

import random
import time
from array import array
from collections.abc import Callable

from benchmarks.timing import PLAIN, Run
from scrollintel import CircuitBreakerConfig
from scrollintel.core.config.policy import Policy
from scrollintel.core.hub import EventHub
from scrollintel.core.manager import FaultToleranceManager
from scrollintel.telemetry.prometheus import Collector, exposition

from .figures import Call, Scrape

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
CALLS = 300
"""Calls that each circuit has seen before the first scrape; twenty more come before every other one."""


class Busy:
    """A manager whose circuits have all been called, and are called again between scrapes.

    Arguments:
        circuits: How many there are.
    """

    def __init__(self, circuits: int) -> None:
        self.manager = FaultToleranceManager(hub=EventHub())
        self._random = random.Random(1)
        self._circuits = [
            self.manager.registry.circuit(CircuitBreakerConfig(f"circuit-{number}")) for number in range(circuits)
        ]
        self.call(CALLS)

    def call(self, times: int) -> None:
        """Leave behind what `times` calls of every circuit leave behind, most of them around 40 ms."""
        draw = self._random.lognormvariate
        for circuit in self._circuits:
            circuit.durations.extend(array("d", (draw(-3.2, 0.8) for _ in range(times))))
            circuit.fold()


def scrapes(circuits: int, rounds: int) -> list[Scrape]:
    """Scrape a process in each way, in turn, with calls in between."""
    from prometheus_client import CollectorRegistry, generate_latest

    busy = Busy(circuits)
    registry = CollectorRegistry()
    registry.register(Collector(busy.manager))
    ways: dict[str, Callable[[], bytes]] = {
        "text 0.0.4": lambda: exposition(busy.manager).body,
        "OpenMetrics": lambda: exposition(busy.manager, accept=OPENMETRICS).body,
        "`prometheus_client`": lambda: generate_latest(registry),
    }
    seconds: dict[str, list[float]] = {form: [] for form in ways}
    pages: dict[str, bytes] = {}
    for _ in range(rounds):
        for form, way in ways.items():
            busy.call(20)
            began = time.perf_counter()
            pages[form] = way()
            seconds[form].append(time.perf_counter() - began)
    what = f"a process with {circuits:,} circuits"
    return [
        Scrape(what, form, series(pages[form]), len(pages[form]), tuple(seconds[form]), form != "`prometheus_client`")
        for form in ways
    ]


def series(page: bytes) -> int:
    """Return how many samples a page holds."""
    return sum(not line.startswith(b"#") for line in page.splitlines())


def call(run: Run) -> Call:
    """Measure a successful call through a closed circuit, whose manager is scraped before every slice or is not."""
    figures: dict[bool, list[float]] = {False: [], True: []}

    def work(value: int) -> int:
        return value

    wrapped = {}
    for scraped in figures:
        manager = FaultToleranceManager(hub=EventHub())
        wrapped[scraped] = manager, _protected(manager, work)
    count = run.count(PLAIN.timed(run, wrapped[False][1], 20_000))

    def measure(scraped: bool) -> None:
        manager, function = wrapped[scraped]
        if scraped:
            exposition(manager)
        function(1)
        figures[scraped].append(PLAIN.timed(run, function, count))

    run.interleave([False, True], measure)
    return Call("a success through a closed circuit", tuple(figures[False]), tuple(figures[True]))


def _protected(manager: FaultToleranceManager, work: Callable[[int], int]) -> Callable[[int], int]:
    policy = Policy("measured", breaker=CircuitBreakerConfig("measured"))
    return manager.registry.pipeline(policy)(work)
