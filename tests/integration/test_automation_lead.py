"""Watch and recover on hosts of one PostgreSQL database: only the one that leads watches and repairs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from scrollintel.actions.supervised import SupervisedProcess
from scrollintel.storage.writer import WriterState

from ..servers.leading import other_leads
from .test_automation import PATIENCE, incident, pid_of, until, watching, web


@pytest.mark.asyncio
async def test_host_that_regains_the_lead_watches_and_repairs_again(tmp_path: Path, postgres_url: str) -> None:
    """While another host leads, this one leaves a failed process alone; afterwards it repairs as before."""
    target = web(tmp_path)
    async with watching(tmp_path / "data", target, database_url=postgres_url) as (client, use_cases):
        with other_leads(postgres_url):
            await _so(lambda: use_cases.plane.writer.state is WriterState.STANDBY)
            await _so(lambda: not use_cases.automation.views())
            os.kill(pid_of(target), signal.SIGKILL)
            await _so(lambda: SupervisedProcess(target, tmp_path).running() is None)
        await until(client, "/checks", lambda shown: [item["condition"] for item in shown["items"]] == ["healthy"])
        former = pid_of(target)
        os.kill(former, signal.SIGKILL)
        story = await incident(client, "watched")
        assert (story["failure_type"], story["attempts"]) == ("exited", 1)
        assert pid_of(target) != former


@pytest.mark.asyncio
async def test_incident_that_another_host_has_opened_is_repaired_by_the_next_one(
    tmp_path: Path, postgres_url: str
) -> None:
    """What was open when the lead was lost is considered anew when it is regained."""
    target = web(tmp_path)
    async with watching(tmp_path / "data", target, database_url=postgres_url) as (client, use_cases):
        await client.put("/automation/stop-switch", json={"reason": "so that it stays open"})
        os.kill(pid_of(target), signal.SIGKILL)
        story = await incident(client, "open")
        with other_leads(postgres_url):
            await _so(lambda: use_cases.plane.writer.state is WriterState.STANDBY)
            await _so(lambda: not use_cases.automation.views())
            use_cases.automation.switch.go()
        ended = await until(
            client, f"/incidents/{story['id']}", lambda shown: shown["state"] in ("watched", "resolved")
        )
        assert ended["id"] == story["id"]
        assert SupervisedProcess(target, tmp_path).running() is not None


async def _so(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not look():
            await asyncio.sleep(0.01)
