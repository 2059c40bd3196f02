"""Pages that follow a fleet and facts in this event loop, on a clock that stands still."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from scrollintel.api.schemas.live import RENDERING
from scrollintel.control.circuit_view import CircuitWhole
from scrollintel.core.states import CircuitState
from scrollintel.replica.protocol import CircuitReport
from scrollintel.security.access import Binding, Identity, IdentityKind, Permission, Role
from scrollintel.service.caller import Caller
from scrollintel.service.facts import FactStream
from scrollintel.service.fleet import Fleet, Session
from scrollintel.service.live.stream import INTERVAL, LiveStream
from scrollintel.service.reports import Report
from scrollintel.testing import ManualClock
from scrollintel.watch.watcher import TargetView

Json = dict[str, Any]  # Any: JSON values
SEE = Permission.CIRCUITS_READ
NUMBERS = itertools.count()


def caller(*services: str) -> Caller:
    """Return somebody who sees some services, or all."""
    bindings = (Binding(Role.VIEWER, services or ("*",)),)
    return Caller(Identity(f"tok_{next(NUMBERS)}", IdentityKind.TOKEN, bindings=bindings))


def row(name: str, state: str = "closed", successes: int = 0, reason: str = "created") -> CircuitReport:
    """Return the report of a circuit."""
    counts = (successes, *[0] * 9)
    return CircuitReport(name, None, state, reason, 1.0, None, *counts, *[None] * 5, None, None, 0)


class World:
    """A fleet, facts, and the pages that follow them.

    Attributes:
        fails: Circuits at which a look fails.
        looks: How often each circuit was looked at.
        views: The targets.
    """

    def __init__(self) -> None:
        self.clock = ManualClock(auto_advance=False)
        self.fleet = Fleet(clock=self.clock)
        self.facts = FactStream()
        self.fails: set[str] = set()
        self.looks: Counter[str] = Counter()
        self.views: list[TargetView] = []
        self.errors: list[Exception | None] = []
        self.live = LiveStream(self, self.fleet, self.facts, self.clock, on_look=self.errors.append)
        self._pages: list[Page] = []

    # ------------------------------------------------------------------ what there is to see

    def configured(self) -> dict[str, object]:
        """Return all circuits."""
        return dict.fromkeys(self.fleet.circuit_names())

    def bring_up_to_date(self) -> None:
        """Nothing runs in this process."""

    def circuit(self, caller: Caller, name: str) -> CircuitWhole | None:
        """Return a circuit of the services of the caller."""
        self.looks[name] += 1
        if name in self.fails:
            raise RuntimeError(name)
        parts = [part for part in self.fleet.parts(name) if caller.identity.allows(SEE, part.service)]
        return CircuitWhole(name, None, None, None, parts) if parts else None

    def targets(self, caller: Caller) -> list[TargetView]:
        """Return all targets."""
        return list(self.views)

    def summary(self, caller: Caller, circuits: Mapping[str, CircuitState]) -> Json:
        """Return a small summary: circuits by state, and a figure."""
        calls = sum(part.report.successes for name in circuits for part in self.fleet.parts(name))
        return {"circuits": dict(Counter(state.value for state in circuits.values())), "calls_per_second": calls}

    # ------------------------------------------------------------------ what happens

    def join(self, service: str = "orders", instance: str = "one") -> Session:
        """Have a replica join."""
        return self.fleet.join(instance=instance, service=service, version="1", pid=None, host=None, actor="a")

    def report(self, session: Session, *rows: CircuitReport, full: bool = False) -> None:
        """Have a replica report."""
        self.fleet.take(session, Report(circuits=list(rows), full=full))

    def happen(self, number: int, service: str | None = None, **data: Any) -> None:  # Any: JSON values
        """Have facts happen, numbered on."""
        for _ in range(number):
            self.facts.tell("thing.happened", {"number": self.facts.number + 1, **data}, service=service)

    # ------------------------------------------------------------------ who looks

    def follow(self, who: Caller | None = None, last: str | None = None) -> AsyncGenerator[bytes]:
        """Follow, a chunk at a time."""
        return self.live.follow(who or caller(), RENDERING, last_id=last, alive=lambda: True)

    async def page(self, who: Caller | None = None, last: str | None = None) -> Page:
        """Open a page that reads whatever comes, and has read the first message."""
        page = Page(self.follow(who, last), self.clock)
        self._pages.append(page)
        await self.clock.aadvance(INTERVAL)
        return page

    async def slow(self, who: Caller | None = None) -> AsyncGenerator[bytes]:
        """Open a page that reads when it is asked to, and has read the first message."""
        stream = self.follow(who)
        assert (await anext(stream)).startswith(b"retry")
        assert b'"whole":true' in await anext(stream)
        await self.clock.aadvance(INTERVAL)
        return stream

    async def close(self) -> None:
        """Close all pages."""
        self.facts.close()
        ended = await asyncio.gather(*(page.task for page in self._pages), return_exceptions=True)
        assert not any(isinstance(end, Exception) for end in ended), ended


class Page:
    """Reads a stream, and notes when what came."""

    def __init__(self, stream: AsyncGenerator[bytes], clock: ManualClock) -> None:
        self.chunks: list[bytes] = []
        self.times: list[float] = []
        self.beats = 0
        self._stream = stream
        self._clock = clock
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for chunk in self._stream:
            if chunk.startswith(b":"):
                self.beats += 1
            elif not chunk.startswith(b"retry"):
                self.chunks.append(chunk)
                self.times.append(self._clock.monotonic())

    @property
    def messages(self) -> list[Json]:
        """The batches, oldest first."""
        return [message for chunk in self.chunks for message in batches(chunk)]

    @property
    def numbers(self) -> list[int]:
        """The numbers of the facts, in the order in which they came."""
        return [fact["number"] for message in self.messages for fact in message.get("facts", ())]


def batches(chunk: bytes) -> Iterator[Json]:
    """Yield the batches in a chunk."""
    for block in chunk.decode().split("\n\n"):
        if "event: batch" in block:
            yield json.loads(block.partition("data: ")[2])


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """Give a world, and close its pages."""
    made = World()
    try:
        yield made
    finally:
        await made.close()
