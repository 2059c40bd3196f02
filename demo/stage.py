"""The stage: everything a scenario works with, and where it puts down what it measured."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from .faults import Faults
from .figures import Figure, Unit
from .meter import Summary
from .platform import Incident, Platform
from .services import database
from .timeline import Mark, Timeline
from .traffic import Lane, Stream
from .yard import PORT, Yard


@dataclass(frozen=True, slots=True)
class PolicyView:
    """How a policy is shown: its name, its circuit if it has one, and what it did."""

    name: str
    state: str | None
    retry_after: float | None
    rejections: int
    timeouts: int
    retries: int
    fallbacks: int


@dataclass(slots=True)
class Showing:
    """What the scenario under way shows beside the two lanes."""

    name: str = ""
    phase: str = ""
    began: float = 0.0
    policies: Callable[[], list[PolicyView]] = field(default=lambda: [])
    level: Callable[[], int] | None = None
    features: Callable[[], dict[str, bool]] = field(default=lambda: {})


class Stage:
    """Services, stream, faults and timeline of one run, with the figures measured so far."""

    def __init__(self, yard: Yard, *, rate: float, seed: int) -> None:
        self.yard = yard
        self.database = yard.folder / "shop.sqlite"
        self.timeline = Timeline()
        self.faults = Faults(yard, self.timeline, self.database)
        self.faults.lock(0)
        self.inventory = yard.add_watched("inventory", "demo.services.inventory", str(self.database), PORT)
        self.storefront = yard.add_watched(
            "storefront", "demo.services.storefront", str(yard.folder / "inventory.port"), PORT
        )
        self.batch_job = yard.add(
            "batch-job", "demo.services.batch_job", str(self.database), str(yard.folder / "lock-rhythm"), str(seed)
        )
        self.stream = Stream(self.storefront, rate=rate, seed=seed)
        self.platform = Platform(yard, [self.inventory, self.storefront], self._recovered)
        self.showing = Showing()
        self.seconds = 0.0
        self.figures: list[Figure] = []
        self.seed = seed

    def start_services(self) -> None:
        """Make the database and start the programs; blocks."""
        database.create(self.database, self.seed)
        with ThreadPoolExecutor(max_workers=1) as beside:  # it takes as long to start as all others together
            platform = beside.submit(self.platform.start)
            for service in (self.inventory, self.storefront, self.batch_job):
                service.start()
            platform.result()
        self.platform.join()

    @property
    def protected(self) -> Lane:
        """The lane that scrollintel protects."""
        return self.stream.protected

    @property
    def control(self) -> Lane:
        """The same requests without protection."""
        return self.stream.control

    def phase(self, text: str) -> None:
        """Say what is going on now."""
        self.showing.phase = text

    async def until(self, condition: Callable[[], bool], within: float) -> float:
        """Wait until `condition` holds and return the moment; NaN when it does not within so many seconds."""
        end = time.monotonic() + within
        while not condition():
            if time.monotonic() >= end:
                return math.nan
            await asyncio.sleep(0.005)
        return time.monotonic()

    def lanes(self, begin: float, end: float = math.inf) -> tuple[Summary, Summary]:
        """Sum up both lanes over the requests that started in that stretch: protected, control."""
        return self.protected.meter.summary(begin, end), self.control.meter.summary(begin, end)

    def measure(
        self,
        key: str,
        title: str,
        value: float,
        unit: Unit,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> None:
        """Put down a figure; with a bound it is a promise."""
        figure = Figure(self.showing.name, key, title, value, unit, at_most, at_least)
        self.figures.append(figure)

    async def audit(self) -> dict[str, int]:
        """Check the database and its books; see `database.audit`."""
        return await asyncio.to_thread(database.audit, self.database)

    def note(self, text: str) -> None:
        """Write a measured time on the timeline."""
        self.timeline.add(Mark.MEASURE, text)

    def _recovered(self, service: str, incident: Incident | None, text: str) -> None:
        self.timeline.add(Mark.RECOVERY, text, at=None if incident is None else incident.over)
        if incident is not None and incident.succeeded:
            self.faults.repaired(service, f"{service} is back (pid {self.yard.services[service].pid})")
