"""Control planes for tests, asked over their API without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from scrollintel.service.use_cases import UseCases

from ..servers.control_plane import control_plane


class Served(NamedTuple):
    """A control plane that serves, and a client of it."""

    client: httpx2.AsyncClient
    use_cases: UseCases


@asynccontextmanager
async def serving(directory: Path, **settings: Any) -> AsyncIterator[Served]:  # Any: arguments of `wire`
    """Serve a control plane whose records lie in `directory`."""
    async with control_plane(directory, **settings) as (client, use_cases):
        yield Served(client, use_cases)


def bearer(token: str) -> dict[str, str]:
    """Return the header that sends a token."""
    return {"Authorization": f"Bearer {token}"}
