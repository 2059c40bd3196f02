"""Control planes for tests, asked over their API without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from scrollintel.api.application import create_api
from scrollintel.composition import wire
from scrollintel.service.use_cases import UseCases

BASE = "http://127.0.0.1/api/v1/fault-tolerance"


class Served(NamedTuple):
    """A control plane that serves, and a client of it."""

    client: httpx2.AsyncClient
    use_cases: UseCases


@asynccontextmanager
async def serving(directory: Path, **settings: Any) -> AsyncIterator[Served]:  # Any: arguments of `wire`
    """Serve a control plane whose records lie in `directory`."""
    use_cases = wire(directory=directory, **settings)
    app = create_api(use_cases)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, client=("127.0.0.1", 1))
        async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
            yield Served(client, use_cases)


def bearer(token: str) -> dict[str, str]:
    """Return the header that sends a token."""
    return {"Authorization": f"Bearer {token}"}
