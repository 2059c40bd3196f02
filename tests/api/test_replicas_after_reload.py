"""Replicas while the database is read anew, and while it has no room."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from scrollintel.control.records import POLICIES, PolicyRecord, Source
from scrollintel.core.config.policy import Policy
from scrollintel.core.manager import FaultToleranceManager
from scrollintel.service.local import LocalSession

from .rig import serving
from .test_replicas import join


@pytest.mark.asyncio
async def test_replica_that_waits_while_the_database_is_read_anew_gets_all_that_is_wanted(tmp_path: Path) -> None:
    """What another host changed meanwhile is in no list of changes: the answer holds everything, and comes at once."""
    async with serving(tmp_path) as (client, use_cases):
        joined = (await join(client, "one")).json()
        fleet = use_cases.plane.fleet
        session = fleet.get(joined["replica"])
        listening = asyncio.create_task(
            client.post(f"/replicas/{session.id}/listen", json={"sequence": joined["sequence"], "wait": 25})
        )
        while session.waiter is None:
            await asyncio.sleep(0)
        fleet.begin_at(joined["sequence"] + 1000)
        heard = (await asyncio.wait_for(listening, 5.0)).json()
        assert heard["sequence"] == joined["sequence"] + 1000
        assert heard.keys() == {"sequence", "desired"}


@pytest.mark.asyncio
async def test_local_replica_takes_over_what_is_wanted_when_the_database_is_read_anew(tmp_path: Path) -> None:
    """A process that serves itself runs what another host put in force while its own database was away."""
    async with serving(tmp_path) as (_, use_cases):
        plane = use_cases.plane
        manager = FaultToleranceManager()
        LocalSession(use_cases, manager).attach()
        (session,) = plane.fleet.sessions()
        record = PolicyRecord(
            name="payments",
            service=None,
            revision=1,
            content=Policy("payments").to_dict(),
            reason=None,
            changed_at=plane.now,
            changed_by="other host",
            sequence=1,
            source=Source.API,
            location=None,
        )
        await plane.change(lambda tx: tx.put(POLICIES, record))
        assert session.policies_applied == {}
        plane.fleet.begin_at(plane.fleet.sequence + 1000)
        assert session.policies_applied == {"payments": 1}


@pytest.mark.asyncio
async def test_replica_joins_while_the_database_has_no_room(tmp_path: Path) -> None:
    """A join needs no record: a full disk keeps no replica from hearing what is wanted of it."""
    async with serving(tmp_path) as (client, use_cases):
        use_cases.plane.database.full = True
        answer = await join(client, "one")
        use_cases.plane.database.full = False
    assert answer.status_code == 200
