"""The keys that a new database lacks are on disk before anything counts on them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from scrollintel.composition import wire
from scrollintel.models.fault_tolerance_models import metadata
from scrollintel.service.keys import PURPOSES, SEALED_STATE
from scrollintel.storage.transaction import Transaction


@pytest.mark.asyncio
async def test_keys_are_on_disk_when_the_database_refuses_another_change_of_their_group(tmp_path: Path) -> None:
    """The group is made again one by one then, and the keys that were made the first time are written all the same."""
    use_cases = wire(directory=tmp_path)
    plane = use_cases.plane

    def breaks_a_rule(tx: Transaction) -> None:
        tx.append("health_checks", at=tx.now, service="x", status="nonsense", source="test")

    plane.on_serving.append(lambda: plane.writer.change_unheard(breaks_a_rule))
    await use_cases.start()
    try:
        await plane.change(lambda tx: None)
        with plane.database.reader() as connection:
            purposes = set(connection.scalars(select(metadata.tables["data_keys"].c.purpose)))
            state = set(connection.scalars(select(metadata.tables["control_state"].c.key)))
    finally:
        await use_cases.stop()
    assert purposes == set(PURPOSES)
    assert state.issuperset(SEALED_STATE)
