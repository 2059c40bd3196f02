"""A database without room over the API: what is told of it, also when it cannot be told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from scrollintel.service.full_disk import FullDisk
from scrollintel.storage.errors import StoreUnavailableError

from .rig import serving


@pytest.mark.asyncio
async def test_end_of_a_full_disk_that_could_not_be_recorded_is_recorded_later(tmp_path: Path) -> None:
    """The audit log holds it once, as soon as it can be written."""
    async with serving(tmp_path) as (client, use_cases):
        plane = use_cases.plane
        plane.database.reserve, plane.database.full = None, True
        disk = FullDisk(plane)
        await disk.look()
        plane.database.full = False
        plane.distrust = "not now"
        with pytest.raises(StoreUnavailableError):
            await disk.look()
        plane.distrust = None
        for _ in range(2):
            await disk.look()
        log = (await client.get("/audit", params={"target": "database"})).json()["items"]
        assert [item["action"] for item in log] == ["storage.has_room"]
