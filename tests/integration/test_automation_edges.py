"""Watch and recover where something has changed in between: targets, cool-downs, pidfiles, high descriptors."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from scrollintel.actions.supervised import SupervisedProcess
from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.recovery.target import Limits, Process, Remedy, Target
from scrollintel.service.automation.configured import AutomationConfig

from ..servers.processes import eventually
from .test_automation import incident, pid_of, until, watching, web


@pytest.mark.asyncio
async def test_cool_down_holds_over_a_restart_of_the_control_plane(tmp_path: Path, database_url: str) -> None:
    """A recovery of the life before counts: what fails right after it waits."""
    target = web(tmp_path, limits=Limits(cool_down=600.0, relapse_window=600.0))
    async with watching(tmp_path / "data", target, database_url=database_url) as (client, _):
        os.kill(pid_of(target), signal.SIGKILL)
        await incident(client, "watched")
    async with watching(tmp_path / "data", target, database_url=database_url, calm=False) as (client, _):
        os.kill(pid_of(target), signal.SIGKILL)
        story = await until(
            client, "/incidents", lambda shown: shown["items"] and "cool-down" in shown["items"][0]["detail"]
        )
        assert story["items"][0]["state"] == "open"


@pytest.mark.asyncio
async def test_target_whose_process_is_taken_out_during_a_recovery_ends_it(tmp_path: Path) -> None:
    """The strategy cannot be made any more: that is written as a failed step, and nothing waits for ever."""
    target = web(tmp_path, strategies={"default": (Remedy(kind="restart-process", approval=True),)})
    async with watching(tmp_path / "data", target) as (client, use_cases):
        os.kill(pid_of(target), signal.SIGKILL)
        story = await incident(client, "waiting")
        without = AutomationConfig(
            targets=(replace(target, process=None),), outbound=OutboundPolicy(private=("127.0.0.0/8",))
        )
        await use_cases.automation.apply(without)
        (question,) = (await client.get("/approvals")).json()["items"]
        answer = {"decision": "approve", "digest": question["digest"], "confirm": True}
        assert (await client.post(f"/approvals/{question['id']}/decide", json=answer)).status_code == 200
        ended = await until(client, f"/recovery/{story['recovery']}", lambda shown: shown["finished_at"])
        assert ended["outcome"] in ("failed", "refused")
        assert SupervisedProcess(target, tmp_path).running() is None


@pytest.mark.asyncio
async def test_incident_of_a_target_that_is_taken_out_is_over(tmp_path: Path) -> None:
    """Also when people had been called for it, or it was watched for a relapse."""
    target = web(tmp_path, strategies={})
    other = web(tmp_path, "other")
    async with watching(tmp_path / "data", target, other) as (client, use_cases):
        os.kill(pid_of(target), signal.SIGKILL)
        await incident(client, "escalated")
        config = AutomationConfig(targets=(other,), outbound=OutboundPolicy(private=("127.0.0.0/8",)))
        await use_cases.automation.apply(config)
        ended = await incident(client, "cancelled")
        assert ended["detail"] == "the target is not watched any more"


@pytest.mark.asyncio
async def test_two_recoveries_of_a_group_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """The one that waits for a person goes on when it may; the one that came later waits for it, and comes then."""
    asks = {"default": (Remedy(kind="restart-process", approval=True),)}
    targets = [web(tmp_path, f"g-{name}", service="g", group="g", strategies=asks) for name in "abc"]
    async with watching(tmp_path / "data", *targets) as (client, _):
        os.kill(pid_of(targets[0]), signal.SIGKILL)
        await incident(client, "waiting")
        (question,) = (await client.get("/approvals")).json()["items"]
        later = await client.post("/recovery/initiate", json={"service": "g-b", "reason": "by hand"})
        assert later.status_code == 202, later.text
        answer = {"decision": "approve", "digest": question["digest"], "confirm": True}
        assert (await client.post(f"/approvals/{question['id']}/decide", json=answer)).status_code == 200
        await incident(client, "watched")
        shown = await until(client, "/approvals", lambda shown: shown["items"])
        assert shown["items"][0]["recovery"] == later.json()["id"]


def test_stranger_that_has_got_the_number_of_a_pidfile_is_not_the_process(tmp_path: Path) -> None:
    """The program has written its number and died; whoever has that number now began later."""
    pidfile = tmp_path / "own.pid"
    process = Process(command=(sys.executable, "-c", "pass"), pidfile=str(pidfile))
    supervised = SupervisedProcess(Target(name="own", service="own", process=process), tmp_path)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"]) as stranger:
        try:
            pidfile.write_text(str(stranger.pid))
            assert supervised.running() is not None
            long_ago = time.time() - 3600.0
            os.utime(pidfile, (long_ago, long_ago))
            assert supervised.running() is None
        finally:
            stranger.kill()
    pidfile.write_bytes(b"\xff\xfe")
    assert supervised.running() is None


def test_process_is_started_and_killed_by_a_program_with_many_open_files(tmp_path: Path) -> None:
    """Descriptors above 1,023, which select cannot wait for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= 2100 or hard == resource.RLIM_INFINITY, "the machine allows too few open files"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2100), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        process = Process(command=(sys.executable, "-c", "import time; time.sleep(300)"), stop_timeout=0.5)
        supervised = SupervisedProcess(Target(name="a", service="a", process=process), tmp_path)
        running = supervised.start("key")
        supervised.kill_now(running)
        assert eventually(lambda: supervised.running() is None)
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
