"""The stream: one schedule of requests, sent at the same moments with protection and without."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .client import Client, Response
from .meter import Answer, Meter, Sample
from .services.database import SKUS
from .yard import Service

CLIENT_TIMEOUT = 2.0
"""Seconds after which the unprotected client gives up; without it a hung service would hold it for ever."""


class Kind(Enum):
    """What a shopper asks for; the share of each in the stream."""

    PRODUCT = 0.65
    RELATED = 0.2
    ORDER = 0.15


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the schedule."""

    number: int
    kind: Kind
    sku: int

    def target(self, lane: str) -> tuple[str, str]:
        """Return method and path; an order carries a key by which the service knows it again."""
        if self.kind is Kind.ORDER:
            return "POST", f"/order/{self.sku}?key={lane}-{self.number}"
        return "GET", f"/{self.kind.name.lower()}/{self.sku}"


class ServerError(Exception):
    """The service answered that it could not do it."""


def says_no(answer: object) -> bool:
    """Tell whether a returned answer is a failure: for breakers and retries, which see any result."""
    return isinstance(answer, Response) and answer.failed


Handler = Callable[[Request], Coroutine[Any, Any, Answer]]


class Lane:
    """One of the two ways in which the stream is sent."""

    def __init__(self, name: str, service: Service) -> None:
        self.name = name
        self.meter = Meter()
        self.client = Client(service, name)
        self.handler: Handler = self.plain

    async def send(self, request: Request) -> Response:
        """Send `request` once."""
        return await self.client.request(*request.target(self.name))

    async def plain(self, request: Request) -> Answer:
        """Send without protection, as most programs do: once, with the client's own timeout."""
        async with asyncio.timeout(CLIENT_TIMEOUT):
            response = await self.send(request)
        if response.failed:
            raise ServerError(str(response.status))
        return Answer.FRESH

    async def serve(self, request: Request) -> None:
        """Handle `request` and note how it ended for the one who asked."""
        started = time.monotonic()
        self.meter.begin(started)
        answer, error = Answer.FAILED, "cancelled"
        try:
            answer, error = await self.handler(request), ""
        except Exception as raised:  # whatever it is, the shopper got no answer
            error = f"HTTP {raised}" if isinstance(raised, ServerError) else type(raised).__name__
        finally:
            self.meter.end(Sample(started, time.monotonic(), answer, error))


class Stream:
    """Sends each request of a seeded schedule down both lanes at its moment, whatever became of the earlier ones."""

    def __init__(self, service: Service, *, rate: float, seed: int) -> None:
        self.protected = Lane("protected", service)
        self.control = Lane("control", service)
        self.rate = rate
        self._random = random.Random(seed)
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def next_request(self) -> Request:
        """Draw the next request of the schedule."""
        self._number += 1
        kind = self._random.choices(list(Kind), [kind.value for kind in Kind])[0]
        return Request(self._number, kind, min(SKUS, 1 + int(self._random.paretovariate(0.8))))

    def send(self, lane: Lane, request: Request) -> None:
        """Start to handle a request and do not wait for it."""
        task = asyncio.create_task(lane.serve(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def run(self) -> None:
        """Send until cancelled; then cancel what is under way."""
        moment = time.monotonic()
        try:
            while True:
                moment += self._random.uniform(0.5, 1.5) / self.rate
                await asyncio.sleep(max(0.0, moment - time.monotonic()))
                request = self.next_request()
                self.send(self.protected, request)
                self.send(self.control, request)
        finally:
            left = list(self._tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
