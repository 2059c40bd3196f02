"""Watch and recover where something has changed in between: targets, cool-downs, pidfiles, high descriptors."""

from __future__ import annotations

import asyncio
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
from scrollintel.recovery.symptom import Depth
from scrollintel.recovery.target import Limits, Process, Remedy, Target
from scrollintel.service.automation.configured import AutomationConfig

from ..servers.processes import eventually
from .test_automation import QUICK, incident, pid_of, until, watching, web


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
        first = await until(client, f"/recovery/{question['recovery']}", lambda shown: shown["finished_at"])
        second = await until(client, f"/recovery/{later.json()['id']}", lambda shown: shown["finished_at"])
        assert (first["outcome"], second["outcome"]) == ("recovered", "not_needed")
        assert second["finished_at"] > first["finished_at"]


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


@pytest.mark.asyncio
async def test_settings_that_change_start_nothing_that_has_died(tmp_path: Path) -> None:
    """Only a target that is new is started with the file; what has failed is for the recovery, or for people."""
    target, later = web(tmp_path), web(tmp_path, "later")
    async with watching(tmp_path / "data", target) as (client, use_cases):
        await client.put("/automation/stop-switch", json={"reason": "do not touch"})
        os.kill(pid_of(target), signal.SIGKILL)
        await incident(client, "open")
        outbound = OutboundPolicy(private=("127.0.0.0/8",))
        await use_cases.automation.apply(AutomationConfig(targets=(replace(target, tier=2), later), outbound=outbound))
        assert SupervisedProcess(target, tmp_path / "data").running() is None
        assert SupervisedProcess(later, tmp_path / "data").running() is None
        await client.delete("/automation/stop-switch")
        await incident(client, "watched", 1)
        newest = web(tmp_path, "newest")
        await use_cases.automation.apply(AutomationConfig(targets=(replace(target, tier=2), newest), outbound=outbound))
        try:
            assert SupervisedProcess(newest, tmp_path / "data").running() is not None
        finally:
            for each in (later, newest):
                running = SupervisedProcess(each, tmp_path / "data").running()
                if running is not None:
                    SupervisedProcess(each, tmp_path / "data").kill_now(running)


@pytest.mark.asyncio
async def test_process_whose_pidfile_moves_is_still_known(tmp_path: Path) -> None:
    """It is not started a second time, and its end is noticed as before."""
    target = web(tmp_path)
    assert target.process is not None
    moved = replace(target, process=replace(target.process, pidfile=str(tmp_path / "run" / "web.pid")))
    async with watching(tmp_path / "data", target) as (client, use_cases):
        former = pid_of(target)
        config = AutomationConfig(targets=(moved,), outbound=OutboundPolicy(private=("127.0.0.0/8",)))
        await use_cases.automation.apply(config)
        await until(client, "/checks", lambda shown: [item["condition"] for item in shown["items"]] == ["healthy"])
        assert pid_of(moved) == former
        os.kill(former, signal.SIGKILL)
        await incident(client, "watched")
        process = SupervisedProcess(moved, tmp_path)
        assert await asyncio.to_thread(eventually, lambda: process.running() is not None)
        running = process.running()
        assert running is not None and running.pid != former
        process.kill_now(running)


@pytest.mark.asyncio
async def test_target_of_a_cancelled_incident_is_watched_again_once_it_is_healthy(tmp_path: Path) -> None:
    """Also when people had been called for it: its next failure is repaired."""
    target = web(tmp_path, strategies={"default": (Remedy(kind="restart-process", approval=True),)})
    async with watching(tmp_path / "data", target) as (client, _):
        os.kill(pid_of(target), signal.SIGKILL)
        story = await incident(client, "waiting")
        (question,) = (await client.get("/approvals")).json()["items"]
        answer = {"decision": "refuse", "digest": question["digest"]}
        await client.post(f"/approvals/{question['id']}/decide", json=answer)
        await incident(client, "escalated")
        cancelled = await client.post(f"/incidents/{story['id']}/cancel", json={"reason": "I do it"})
        assert cancelled.status_code == 200
        SupervisedProcess(target, tmp_path).start()
        await until(client, "/checks", lambda shown: [item["condition"] for item in shown["items"]] == ["healthy"])
        os.kill(pid_of(target), signal.SIGKILL)
        again = await incident(client, "waiting")
        assert again["id"] != story["id"]


@pytest.mark.asyncio
async def test_hang_that_every_check_notices_calls_nobody(tmp_path: Path) -> None:
    """Whichever check is first: `ready` alone has no strategy, and `alive` fails a moment later."""
    target = web(tmp_path, strategies={"unresponsive": (Remedy(kind="restart-process"),)})
    ready = replace(target.checks[1], name="ready", depth=Depth.READY, timeout=0.2)
    target = replace(target, checks=(*target.checks, ready))
    async with watching(tmp_path / "data", target) as (client, _):
        os.kill(pid_of(target), signal.SIGSTOP)
        story = await incident(client, "watched")
        assert "escalated" not in {line["kind"] for line in story["timeline"]}
        assert story["failure_type"] == "unresponsive"


@pytest.mark.asyncio
async def test_recovery_by_hand_is_refused_while_automation_is_stopped(tmp_path: Path) -> None:
    """Whoever asks is told so at once, and no recovery that does nothing is left behind."""
    target = web(tmp_path)
    async with watching(tmp_path / "data", target) as (client, _):
        await client.put("/automation/stop-switch", json={"reason": "do not touch"})
        refused = await client.post("/recovery/initiate", json={"service": "web"})
        assert (refused.status_code, refused.json()["detail"]) == (
            409, "all automation is stopped by local: do not touch",
        )  # fmt: skip
        assert (await client.get("/recovery/history")).json()["items"] == []


@pytest.mark.asyncio
async def test_service_that_cannot_start_says_where_its_output_is_and_a_repair_by_hand_is_in_the_story(
    tmp_path: Path,
) -> None:
    """The reason is in the step, and whoever repairs it is in the timeline."""
    flag = tmp_path / "works"
    target = web(tmp_path, limits=replace(QUICK, attempts=1, verify_timeout=2.0))
    assert target.process is not None
    program = f"test -e {flag} || exit 3; exec {' '.join(target.process.command)}"
    target = replace(target, process=replace(target.process, command=("/bin/sh", "-c", program)))
    flag.touch()
    async with watching(tmp_path / "data", target) as (client, _):
        flag.unlink()
        os.kill(pid_of(target), signal.SIGKILL)
        story = await incident(client, "escalated")
        details = [step["detail"] for step in story["recoveries"][0]["steps"] if step["step"] == "verify"]
        assert "has gone again" in details[0] and str(tmp_path / "web.log") in details[0]
        flag.touch()
        by_hand = await client.post("/recovery/initiate", json={"service": "web", "reason": "mended"})
        assert by_hand.status_code == 202, by_hand.text
        ended = await incident(client, "resolved")
        line = next(line for line in ended["timeline"] if line["kind"] == "by_hand")
        assert (line["actor"], line["data"]["recovery"]) == ("local", by_hand.json()["id"])


@pytest.mark.asyncio
async def test_first_targets_may_come_while_the_control_plane_looks_after_itself(tmp_path: Path) -> None:
    """A file that is taken over and the loop that adjusts begin to watch once, whoever is first."""
    target = web(tmp_path)
    config = AutomationConfig(targets=(target,), outbound=OutboundPolicy(private=("127.0.0.0/8",)))
    async with watching(tmp_path / "data") as (client, use_cases):
        automation = use_cases.automation
        await asyncio.gather(automation.apply(config), automation.adjust(), automation.adjust())
        await until(client, "/checks", lambda shown: [item["condition"] for item in shown["items"]] == ["healthy"])
        os.kill(pid_of(target), signal.SIGKILL)
        await incident(client, "watched")
        running = SupervisedProcess(target, tmp_path).running()
        assert running is not None
        SupervisedProcess(target, tmp_path).kill_now(running)
