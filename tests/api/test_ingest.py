"""What reports leave behind when they say the most that the protocol allows, or come while others are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from scrollintel.models.fault_tolerance_models import metadata
from scrollintel.service import ingest
from scrollintel.service.fleet import MAX_LEVELS_OF_REPLICA, MAX_POLICIES_OF_REPLICA
from scrollintel.service.use_cases import UseCases
from scrollintel.testing import ManualClock

from .rig import serving
from .test_replicas import join

MOST = 2**53 - 1


def count(use_cases: UseCases, table: str) -> int:
    """Return how many rows a table holds."""
    with use_cases.plane.database.reader() as connection:
        return connection.scalar(select(func.count()).select_from(metadata.tables[table])) or 0


def opened(policy: str, at: float) -> dict[str, object]:
    """Return the fact that a circuit has opened."""
    return {
        "event": "circuit.state_changed", "policy": policy, "at": at, "old": "closed", "new": "open", "reason": "down",
    }  # fmt: skip


@pytest.mark.asyncio
async def test_counts_beyond_what_a_column_holds_are_written_as_the_most_it_holds(tmp_path: Path) -> None:
    """One report cannot keep everything that is reported afterwards out of the database, nor out of the roll-up."""
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as (client, use_cases):
        path = f"/replicas/{(await join(client, 'one')).json()['replica']}/report"
        circuits = [
            ["p", f"k{number}", "closed", "created", 1.0, None, MOST, MOST, 0, 0, 0, *[0] * 5,
             1e308, *[None] * 2, 1e308, None, None, None, 0]
            for number in range(1_100)
        ]  # fmt: skip
        policies = [["p", 1, None, None, None, 1e308, MOST, MOST, MOST, 0, 0, MOST, MOST, MOST]] * 1_100
        body = {"circuits": circuits, "policies": policies}
        assert (await client.post(path, json=body)).status_code == 204
        clock.advance(21)
        await use_cases.ingest.flush()
        assert count(use_cases, "fault_tolerance_metrics") == 1
        assert count(use_cases, "retry_statistics") == 1


@pytest.mark.asyncio
async def test_changes_of_state_that_come_during_a_write_are_written_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when as many wait as can wait: each is written once, and none is lost."""
    monkeypatch.setattr(ingest, "MAX_PENDING", 4)
    async with serving(tmp_path) as (client, use_cases):
        path = f"/replicas/{(await join(client, 'one')).json()['replica']}/report"
        table = metadata.tables["circuit_transitions"]
        taken = use_cases.plane.change

        async def change_with_reports(decide: Any, *, urgent: bool = False) -> object:
            await client.post(path, json={"facts": [opened("c", 3.0), opened("d", 4.0)]})
            return await taken(decide, urgent=urgent)

        await client.post(path, json={"facts": [opened("a", 1.0), opened("b", 2.0)]})
        monkeypatch.setattr(use_cases.plane, "change", change_with_reports)
        await use_cases.ingest.flush()
        monkeypatch.setattr(use_cases.plane, "change", taken)
        await use_cases.ingest.flush()
        with use_cases.plane.database.reader() as connection:
            found = connection.scalars(select(table.c.circuit).order_by(table.c.id)).all()
        assert found == ["a", "b", "c", "d"]
        assert use_cases.ingest.dropped == 0


@pytest.mark.asyncio
async def test_replica_is_known_with_so_many_policies_and_levels_and_no_more(tmp_path: Path) -> None:
    """Reports of changes add up; what is beyond the most that a replica can have is left out and not counted."""
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as (client, use_cases):
        path = f"/replicas/{(await join(client, 'one')).json()['replica']}/report"
        for part in range(2):
            names = [f"p{part}-{number}" for number in range(MAX_POLICIES_OF_REPLICA)]
            policies = [[name, 1, None, None, None, None, 1, 0, 0, 0] for name in names]
            levels = [[f"s{part}-{number}", 0, "ordered", False, 1.0] for number in range(MAX_LEVELS_OF_REPLICA)]
            answer = await client.post(path, json={"policies": policies, "levels": levels})
            assert answer.status_code == 204, answer.text
        (session,) = use_cases.plane.fleet.sessions()
        assert len(session.policies) == MAX_POLICIES_OF_REPLICA
        assert len(session.levels) == MAX_LEVELS_OF_REPLICA
        clock.advance(21)
        await use_cases.ingest.flush()
        assert count(use_cases, "retry_statistics") == MAX_POLICIES_OF_REPLICA
