"""The scene: how much the server can do, who asks, and when its capacity falls and comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from scrollintel.core.config.policy import Policy
from scrollintel.simulation.arrivals import arrivals
from scrollintel.simulation.contender import Contender
from scrollintel.simulation.scenario import (
    ArrivalsConfig,
    ClientsConfig,
    Scenario,
    ServiceChange,
    ServiceConfig,
)

CAPACITY = 200.0
"""Requests per second; so few that two cores are mostly idle and only the server's workers are short."""
WORKERS = 4
LOAD = 0.8
LOW = 0.3
CLIENTS = 10
TIMEOUT = 1.0
QUEUE = 2.0
"""Requests that may wait, in seconds of full capacity."""
CEILING = LOW / LOAD
"""Share of the requests that can be answered in the dip."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long everything takes.

    Arguments:
        before, dip, after: Seconds of full capacity, of low capacity, and of watching what comes then.
        bucket: Seconds of one point of the chart.
        cold: Seconds of full capacity whose answers in time a cold server needs until it is warm again.
    """

    before: float
    dip: float
    after: float
    bucket: float
    cold: float


FULL = Lengths(15.0, 15.0, 45.0, 2.5, 20.0)
QUICK = Lengths(4.0, 5.0, 9.0, 1.0, 3.0)


def scene(lengths: Lengths, *, cold: bool, policies: Mapping[str, Policy], clients: int = CLIENTS) -> Scenario:
    """Return the scene in the words of the simulator, which can run it in virtual time as well.

    Arguments:
        lengths: How long everything takes.
        cold: Whether the server comes back cold.
        policies: Those that take part.
        clients: How many share the load.
    """
    return Scenario(
        name="cold server" if cold else "warm server",
        arrivals=ArrivalsConfig(rate=LOAD * CAPACITY),
        policies={name: Contender(policy) for name, policy in policies.items()},
        duration=lengths.before + lengths.dip + lengths.after,
        bucket=lengths.bucket,
        clients=ClientsConfig(count=clients, timeout=TIMEOUT),
        service=ServiceConfig(
            service_time=WORKERS / CAPACITY,
            workers=WORKERS,
            queue=int(QUEUE * CAPACITY),
            cold_start=int(lengths.cold * CAPACITY) if cold else 0,
            changes=(ServiceChange(at=lengths.before, until=lengths.before + lengths.dip, capacity=LOW),),
        ),
    )


def schedule(scenario: Scenario, seed: int) -> list[tuple[float, int]]:
    """Return when which client sends a request, the same for the same seed; the times are those of the simulator."""
    choosing = Random(f"clients {seed}")
    times = arrivals(scenario.arrivals, scenario.duration, Random(f"arrivals {seed}"))
    return [(at, choosing.randrange(scenario.clients.count)) for at in times]
