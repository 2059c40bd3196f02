"""A shop that degrades: features go by level, pages come from kept answers, orders wait in an outbox."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from scrollintel import DegradationConfig, DegradationLevel, GracefulDegradation, Outcome

from .client import Response
from .meter import Answer
from .services import database
from .traffic import Kind, Lane, Request, ServerError
from .watching import Watched

SERVICE = "shop"
RECOMMENDATIONS, ORDERS, STOCK, LIVE = "recommendations", "orders at once", "every stock live", "live pages"
FEATURES = {
    RECOMMENDATIONS: DegradationLevel.NONE,
    ORDERS: DegradationLevel.MINIMAL,
    STOCK: DegradationLevel.MODERATE,
    LIVE: DegradationLevel.SEVERE,
}
"""Each feature with the worst level at which it stays on: one is given up with each level."""
CLERKS = 4
"""Kept orders that are delivered at once."""
EVALUATED_EVERY = 0.1
"""Seconds between two looks at the health."""


class Page(NamedTuple):
    """An answer with the number of the request that it was fetched for; -1 for an exported page."""

    number: int
    response: Response


Fetch = Callable[[Request], Awaitable[Page]]
Book = Callable[[Request], Awaitable[None]]


class Shop:
    """Answers the stream's requests by what the level allows; no shopper is left without a page.

    Arguments:
        lane: The protected lane.
        export: The database from which all pages are exported once, before anything breaks.
    """

    def __init__(self, lane: Lane, export: Path) -> None:
        self.levels = GracefulDegradation()
        self.outbox: list[Request] = []
        self.kept_orders = 0
        self._lane = lane
        self._pages = _exported(export)

    def follow(self, watch: Watched, config: DegradationConfig) -> None:
        """Let the health of a circuit or policy lead the level from now on."""
        self.levels.register_service(SERVICE, config=config, watch=[watch])
        for name, worst in FEATURES.items():
            self.levels.feature(name, service=SERVICE, up_to=worst)
        self.levels.start(EVALUATED_EVERY)

    @property
    def level(self) -> DegradationLevel:
        """The present level."""
        return self.levels.level(SERVICE)

    async def live(self, request: Request) -> Page:
        """Fetch the live answer; raises when there is none."""
        response = await self._lane.send(request)
        if response.failed:
            raise ServerError(str(response.status))
        return Page(request.number, response)

    def kept(self, outcome: Outcome) -> Page:
        """Answer a failed call with the exported page; a fallback of the library's."""
        request = outcome.args[0]
        assert isinstance(request, Request)
        return self.exported(request)

    def exported(self, request: Request) -> Page:
        """Return the exported page of a product, an empty one for anything else."""
        if request.kind is Kind.PRODUCT:
            return Page(-1, self._pages[request.sku])
        return Page(-1, Response(203, {"rows": []}))

    async def handle(self, request: Request, fetch: Fetch, book: Book) -> Answer:
        """Answer one request.

        `fetch` gives a live or kept answer, `book` sends an order or raises; both through the protection under test.
        """
        enabled = self.levels.is_enabled
        if request.kind is Kind.ORDER:
            return await self.order(request, book) if enabled(ORDERS) else self.keep(request)
        if request.kind is Kind.RELATED:
            if not enabled(RECOMMENDATIONS):
                return Answer.REDUCED
        elif not enabled(STOCK) and request.number % (3 if enabled(LIVE) else 2) == 0:
            # The others still ask: without evidence nobody would know when the service is well again.
            return Answer.STALE
        page = await fetch(request)
        return Answer.FRESH if page.number == request.number else Answer.STALE

    async def order(self, request: Request, book: Book) -> Answer:
        """Book at once, or keep the order when that fails."""
        try:
            await book(request)
        except Exception:  # whatever it was, the order is kept and sent again later
            return self.keep(request)
        return Answer.FRESH

    def keep(self, request: Request) -> Answer:
        """Keep an order for later: by its key it is booked once, however often it is sent."""
        self.outbox.append(request)
        self.kept_orders += 1
        return Answer.KEPT

    async def deliver(self, within: float) -> int:
        """Book the kept orders now that all is well; returns how many are left after so many seconds."""
        clerks = [asyncio.create_task(self._deliver()) for _ in range(CLERKS)]
        _, busy = await asyncio.wait(clerks, timeout=within)
        for clerk in busy:
            clerk.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        return len(self.outbox)

    async def _deliver(self) -> None:
        while self.outbox:
            request, booked = self.outbox.pop(), False
            try:
                async with asyncio.timeout(1.0):
                    booked = not (await self._lane.send(request)).failed
            except OSError:  # a timeout is one of these
                pass
            finally:
                if not booked:
                    self.outbox.append(request)
            if not booked:
                await asyncio.sleep(0.05)


def _exported(path: Path) -> dict[int, Response]:
    connection = database.connect(path, busy_timeout=2.0)
    try:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT sku, name, price_cents FROM products").fetchall()
    finally:
        connection.close()
    return {int(row["sku"]): Response(203, {"rows": [dict(row)]}) for row in rows}
