"""A control plane of the test's own, asked over its API without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest_asyncio

from tests.api.rig import serving


@pytest_asyncio.fixture
async def api(tmp_path: Path, database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client of a control plane that serves loopback peers without tokens, on each kind of database."""
    async with serving(tmp_path, database_url=database_url) as served:
        yield served.client
