"""A real server under four times its load: whom it serves, whom it refuses, and what it says to these."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from scrollintel import AdmissionConfig, Criticality
from scrollintel.core.strategies.admission import Admission
from scrollintel.integrations import asgi, wsgi
from scrollintel.integrations.propagation import Accept
from tests.integration.asgi_server import ServedApplication
from tests.integration.wsgi_server import served

SLOTS, SERVICE = 4, 0.2
"""Four slots of 200 ms: 20 requests a second."""
RATE = {Criticality.CRITICAL: 10, Criticality.SHEDDABLE_PLUS: 20, Criticality.SHEDDABLE: 30}
"""Requests a second, whatever becomes of them."""
SECONDS, LEARNING = 3.5, 1.0


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Take a while, or tell at once that all is well."""
    if scope["path"] != "/healthz":
        await asyncio.sleep(SERVICE)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def admission() -> Admission:
    """Return the admission of a small server."""
    return Admission(AdmissionConfig("shop", max_concurrent=SLOTS, max_waiting=SLOTS, period=0.25))


@pytest.fixture
def url(admission: Admission) -> Iterator[str]:
    """Return the address of the server."""
    app = asgi.ServerMiddleware(application, admission=admission, accept=Accept(), user=lambda scope: scope["path"])
    server = ServedApplication(app)
    yield server.url
    server.stop()


def test_overloaded_server_serves_the_critical_ones(url: str, admission: Admission, seed: int) -> None:
    """Critical requests are served, sheddable ones get 503 and a time to come back, health checks always pass."""
    statuses: dict[Criticality, Counter[int]] = defaultdict(Counter)
    waits: set[str | None] = set()
    health: Counter[int] = Counter()
    draw = random.Random(seed)

    async def ask(client: httpx.AsyncClient, criticality: Criticality, at: float) -> None:
        await asyncio.sleep(at)
        headers = {"request-criticality": criticality.value}
        answer = await client.get(f"{url}/user/{draw.randrange(1000)}", headers=headers)
        if at >= LEARNING:
            statuses[criticality][answer.status_code] += 1
        if answer.status_code == 503:
            waits.add(answer.headers.get("retry-after"))

    async def check(client: httpx.AsyncClient, at: float) -> None:
        await asyncio.sleep(at)
        health[(await client.get(f"{url}/healthz")).status_code] += 1

    async def main() -> None:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=30, verify=False) as client:
            asked = [
                ask(client, kind, number / rate) for kind, rate in RATE.items() for number in range(int(rate * SECONDS))
            ]
            await asyncio.gather(*asked, *(check(client, at) for at in (1.0, 1.5, 2.0, 2.5, 3.0)))

    asyncio.run(main())

    def share(criticality: Criticality) -> float:
        return statuses[criticality][200] / statuses[criticality].total()

    # On a quiet machine these are 1 and 0; a busy one serves less.
    assert share(Criticality.CRITICAL) > 0.75
    assert share(Criticality.SHEDDABLE) < 0.3
    assert {status for counts in statuses.values() for status in counts} == {200, 503}
    assert health == {200: 5}
    assert waits <= {"1", "2", "3"} and len(waits) == 3
    figures = admission.figures()
    assert (figures.running, figures.waiting) == (0, 0)
    assert sum(figures.shed) > 0


def test_wsgi_server_refuses_what_finds_no_slot_in_time() -> None:
    """One slot, no line: the second of two requests gets 503 with Retry-After while the first one runs."""
    inside, free = threading.Event(), threading.Event()

    def app(environ: Any, start_response: Any) -> Any:
        inside.set()
        assert free.wait(20)
        start_response("200 OK", [])
        return [b""]

    admission = Admission(AdmissionConfig(max_concurrent=1, max_waiting=0))
    protected = wsgi.ServerMiddleware(app, admission=admission)
    with served(protected) as url, served(protected) as other, ThreadPoolExecutor(1) as thread:
        first = thread.submit(httpx.get, url, timeout=30, trust_env=False)
        assert inside.wait(20)
        refused = httpx.get(other, timeout=30, trust_env=False)
        free.set()
        assert first.result().status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (503, "shed")
    assert int(refused.headers["retry-after"]) in (1, 2, 3)
    assert admission.figures().running == 0
