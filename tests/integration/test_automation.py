"""Watch and recover, end to end in one process: real processes fail, the API tells the story, people decide."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scrollintel.actions.supervised import SupervisedProcess
from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.recovery.symptom import Depth
from scrollintel.recovery.target import Check, Limits, Mode, Process, Remedy, Target
from scrollintel.service.automation.configured import AutomationConfig
from scrollintel.service.use_cases import UseCases

from ..api.rig import serving
from ..servers.outage import outage

Json = dict[str, Any]
PATIENCE = 30.0
SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer.allow_reuse_address = True
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever(0.02)
"""
RESTART = {"default": (Remedy(kind="restart-process"),)}
QUICK = Limits(cool_down=0.0, relapse_window=600.0)


def web(folder: Path, name: str = "web", **changes: Any) -> Target:
    """Return a target that is a small web server."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    program = folder / "server.py"
    program.write_text(SERVER)
    process = Process(
        command=(sys.executable, "-I", str(program), str(port)),
        pidfile=str(folder / f"{name}.pid"),
        log=str(folder / f"{name}.log"),
        stop_timeout=1.0,
        autostart=True,
    )
    checks = (
        Check(name="process", kind="process", depth=Depth.ALIVE, interval=0.1),
        Check(
            name="http", kind="http", depth=Depth.ALIVE, interval=0.1, timeout=0.5,
            options={"url": f"http://127.0.0.1:{port}/"},
        ),
    )  # fmt: skip
    fields: Json = {"mode": Mode.RECOVER, "strategies": RESTART, "limits": QUICK, **changes}
    return Target(**{"name": name, "service": name, "process": process, "checks": checks, **fields})


def pid_of(target: Target) -> int:
    """Return the number of a target's process."""
    running = SupervisedProcess(target, Path("/nonexistent")).running()
    assert running is not None
    return running.pid


@asynccontextmanager
async def watching(
    folder: Path, *targets: Target, calm: bool = True, **options: Any
) -> AsyncIterator[tuple[httpx2.AsyncClient, UseCases]]:
    """Serve a control plane that watches these targets, once all are healthy; their processes end with it.

    `calm`: nothing has ever failed.
    """
    config = AutomationConfig(targets=targets, outbound=OutboundPolicy(private=("127.0.0.0/8",)))
    try:
        async with serving(folder, automation=config, **options) as (client, use_cases):
            await until(client, "/checks", lambda shown: all(item["condition"] == "healthy" for item in shown["items"]))
            if calm:
                assert (await client.get("/incidents")).json()["items"] == [], "a start is no failure"
            yield client, use_cases
    finally:
        for target in targets:
            running = None if target.process is None else SupervisedProcess(target, folder).running()
            if running is not None:
                SupervisedProcess(target, folder).kill_now(running)


async def until(client: httpx2.AsyncClient, path: str, so: Any) -> Json:
    """Return what is shown there once it is so."""
    shown: Json = {}
    async with asyncio.timeout(PATIENCE):
        while not shown or not so(shown):
            answer = await client.get(path)
            shown = answer.json() if answer.status_code == 200 else {}
            await asyncio.sleep(0.02)
    return shown


async def incident(client: httpx2.AsyncClient, state: str, number: int = 0) -> Json:
    """Return the story of the newest incident once it is in that state."""
    shown = await until(
        client, "/incidents", lambda shown: len(shown["items"]) > number and shown["items"][number]["state"] == state
    )
    return dict((await client.get(f"/incidents/{shown['items'][number]['id']}")).json())


@pytest.mark.asyncio
async def test_process_that_is_killed_is_restarted_proven_and_its_story_told(tmp_path: Path, database_url: str) -> None:
    """Detection, declaration, first step, action and proof are on record in that order; another process runs."""
    target = web(tmp_path)
    async with watching(tmp_path / "data", target, database_url=database_url) as (client, _):
        former = pid_of(target)
        os.kill(former, signal.SIGKILL)
        story = await incident(client, "watched")
        assert pid_of(target) != former
        moments = [story[name] for name in ("detected_at", "declared_at", "recovering_at", "acted_at", "validated_at")]
        assert moments == sorted(moments)
        assert (story["failure_type"], story["attempts"], story["relapses"]) == ("exited", 1, 0)
        kinds = [line["kind"] for line in story["timeline"]]
        assert kinds == ["detected", "declared", "recovering", "step", "step", "step", "step", "repaired"]
        (recovery,) = story["recoveries"]
        assert [step["step"] for step in recovery["steps"]] == ["observe", "plan", "act", "verify"]
        assert (recovery["outcome"], recovery["strategy"], recovery["requested_by"]) == (
            "recovered", "restart-process", "system",
        )  # fmt: skip
        assert story["impact"]["inputs"]["tier"] == 3
        begun = next(line["data"] for line in story["timeline"] if line["kind"] == "recovering")
        assert (begun["remedies"], begun["inputs"]["attempts"], begun["left_out"]) == (["restart-process"], 0, {})
        audited = (await client.get("/audit", params={"service": "web"})).json()["items"]
        actions = {item["action"] for item in audited}
        assert {"incident.open", "recovery.start", "recovery.finish", "incident.repaired"} <= actions


@pytest.mark.asyncio
async def test_target_that_is_only_observed_is_left_alone(tmp_path: Path) -> None:
    """The incident is open and says why nothing is done; it ends when somebody has started the process."""
    target = web(tmp_path, mode=Mode.OBSERVE)
    async with watching(tmp_path / "data", target) as (client, _):
        os.kill(pid_of(target), signal.SIGKILL)
        story = await incident(client, "open")
        assert (
            "observe only"
            in (await until(client, f"/incidents/{story['id']}", lambda s: "observe" in s["detail"]))["detail"]
        )
        assert (await client.get("/recovery/history")).json()["items"] == []
        await asyncio.to_thread(SupervisedProcess(target, tmp_path).start)
        ended = await incident(client, "resolved")
        assert ended["detail"] == "it became healthy by itself"


@pytest.mark.asyncio
async def test_stop_switch_holds_automation_back_until_it_is_released(tmp_path: Path) -> None:
    """Nothing is restarted meanwhile; afterwards the same incident is repaired."""
    target = web(tmp_path)
    async with watching(tmp_path / "data", target) as (client, _):
        stopped = await client.put("/automation/stop-switch", json={"reason": "a test"})
        assert stopped.json()["stopped"]["reason"] == "a test"
        assert (tmp_path / "data" / "stop-switch").exists()
        os.kill(pid_of(target), signal.SIGKILL)
        story = await incident(client, "open")
        held = await until(client, f"/incidents/{story['id']}", lambda shown: "stopped" in shown["detail"])
        assert held["attempts"] == 0
        assert (await client.delete("/automation/stop-switch")).json()["stopped"] is None
        assert (await incident(client, "watched"))["id"] == story["id"]


@pytest.mark.asyncio
async def test_plan_that_needs_a_person_waits_for_one_and_is_bound_to_its_digest(tmp_path: Path) -> None:
    """Without access control a second confirmation stands in for a second person, which is on record."""
    target = web(tmp_path, strategies={"default": (Remedy(kind="restart-process", approval=True),)})
    async with watching(tmp_path / "data", target) as (client, _):
        former = pid_of(target)
        os.kill(former, signal.SIGKILL)
        await incident(client, "waiting")
        (question,) = (await client.get("/approvals")).json()["items"]
        assert question["plan"]["strategy"] == "restart-process"
        path = f"/approvals/{question['id']}/decide"
        other = await client.post(path, json={"decision": "approve", "digest": "0" * 64, "confirm": True})
        assert (other.status_code, other.json()["code"]) == (409, "conflict")
        once = await client.post(path, json={"decision": "approve", "digest": question["digest"]})
        assert (once.status_code, once.json()["code"]) == (409, "confirmation_needed")
        twice = await client.post(path, json={"decision": "approve", "digest": question["digest"], "confirm": True})
        assert (twice.json()["decision"], twice.json()["confirmed_twice"]) == ("approved", True)
        await incident(client, "watched")
        again = await client.post(path, json={"decision": "refuse", "digest": question["digest"]})
        assert (again.status_code, again.json()["code"]) == (409, "conflict")
        assert "does not stand any more: approved" in again.json()["detail"]


@pytest.mark.asyncio
async def test_refused_plan_is_not_carried_out_and_people_are_called(tmp_path: Path) -> None:
    """A "no" ends the recovery; the incident is escalated and nothing was started."""
    target = web(tmp_path, strategies={"default": (Remedy(kind="restart-process", approval=True),)})
    async with watching(tmp_path / "data", target) as (client, _):
        os.kill(pid_of(target), signal.SIGKILL)
        await incident(client, "waiting")
        (question,) = (await client.get("/approvals")).json()["items"]
        answer = {"decision": "refuse", "digest": question["digest"], "reason": "not today"}
        assert (await client.post(f"/approvals/{question['id']}/decide", json=answer)).json()["decision"] == "refused"
        story = await incident(client, "escalated")
        assert "refused" in story["detail"]
        assert SupervisedProcess(target, tmp_path).running() is None


@pytest.mark.asyncio
async def test_dependents_are_held_and_degraded_while_what_they_need_is_repaired(tmp_path: Path) -> None:
    """The root is repaired; the dependent has a level meanwhile and gets it back step by step."""
    database = web(tmp_path, "database", strategies={"default": (Remedy(kind="restart-process", approval=True),)})
    shop = web(tmp_path, "shop", depends_on=(("database", "hard"),), degrade_to=2)
    async with watching(tmp_path / "data", database, shop) as (client, _):
        os.kill(pid_of(database), signal.SIGKILL)
        story = await incident(client, "waiting")
        assert [item["service"] for item in story["impact"]["affected"]] == ["shop"]
        held = await until(client, "/degradation/shop", lambda shown: shown["level"] == "moderate")
        assert story["id"] in held["reason"]
        os.kill(pid_of(shop), signal.SIGKILL)
        dependent = await incident(client, "held")
        assert dependent["root"] == story["id"]
        (question,) = (await client.get("/approvals")).json()["items"]
        answer = {"decision": "approve", "digest": question["digest"], "confirm": True}
        await client.post(f"/approvals/{question['id']}/decide", json=answer)
        await until(client, f"/incidents/{story['id']}", lambda shown: shown["state"] == "watched")
        await until(client, f"/incidents/{dependent['id']}", lambda shown: shown["state"] == "watched")
        await until(client, "/degradation", lambda shown: shown["items"] == [])


@pytest.mark.asyncio
async def test_target_that_fails_again_and_again_is_left_to_people_after_its_attempts(tmp_path: Path) -> None:
    """A relapse is the same incident; after two recoveries of it people are called, once."""
    target = web(tmp_path, limits=replace(QUICK, attempts=2))
    async with watching(tmp_path / "data", target) as (client, _):
        for relapses in (0, 1):
            os.kill(pid_of(target), signal.SIGKILL)
            story = await until(
                client,
                "/incidents",
                lambda shown, relapses=relapses: (
                    [(i["state"], i["relapses"]) for i in shown["items"]] == [("watched", relapses)]
                ),
            )
        await until(client, "/checks", lambda shown: shown["items"][0]["condition"] == "healthy")
        os.kill(pid_of(target), signal.SIGKILL)
        story = await incident(client, "escalated")
        assert (story["attempts"], story["relapses"]) == (2, 2)
        assert sum(line["kind"] == "escalated" for line in story["timeline"]) == 1
        assert SupervisedProcess(target, tmp_path).running() is None


@pytest.mark.asyncio
async def test_storm_engages_the_brake_until_a_person_releases_it(tmp_path: Path) -> None:
    """Two of three replicas down: nothing is restarted by automation before the brake is released."""
    targets = [web(tmp_path, f"web-{number}", group="web") for number in range(3)]
    async with watching(tmp_path / "data", *targets) as (client, _):
        await client.put("/automation/stop-switch", json={"reason": "both at once"})
        for target in targets[:2]:
            os.kill(pid_of(target), signal.SIGKILL)
        await until(client, "/incidents", lambda shown: len(shown["items"]) == 2)
        await client.delete("/automation/stop-switch")
        standing = await until(client, "/automation", lambda shown: shown["brake"] is not None)
        assert "2 of 3 targets" in standing["brake"]["why"]
        assert all(SupervisedProcess(target, tmp_path).running() is None for target in targets[:2])
        released = await client.post("/automation/brake/release", json={"reason": "I have looked"})
        assert released.status_code == 200, released.text
        assert released.json()["brake"] is None


@pytest.mark.asyncio
async def test_failure_while_the_database_is_away_is_repaired_and_written_afterwards(
    tmp_path: Path, database_url: str
) -> None:
    """The incident goes to the local journal, the process comes back, and the whole story is in the database later."""
    target = web(tmp_path)
    async with watching(tmp_path / "data", target, database_url=database_url) as (client, use_cases):
        former = pid_of(target)
        with outage(database_url):
            async with asyncio.timeout(PATIENCE):
                while use_cases.plane.serving:
                    await asyncio.sleep(0.02)
            os.kill(former, signal.SIGKILL)
            shown = await until(
                client, "/incidents", lambda shown: shown["items"] and shown["items"][0]["state"] == "watched"
            )
            assert pid_of(target) != former
        await until(client, "/automation", lambda standing: standing["journalled"] == 0)
        story = (await client.get(f"/incidents/{shown['items'][0]['id']}")).json()
        assert story["timeline"][-1]["kind"] == "repaired"
        assert len(story["recoveries"]) == 1


@pytest.mark.asyncio
async def test_failure_that_turns_into_a_worse_one_is_repaired_after_all(tmp_path: Path) -> None:
    """Nothing can be done about a service that is not ready; once its process dies, it is restarted."""
    flag = tmp_path / "ready"
    flag.touch()
    target = web(tmp_path, strategies={"exited": (Remedy(kind="restart-process"),)})
    ready = Check(
        name="flag",
        kind="command",
        depth=Depth.READY,
        interval=0.1,
        options={"command": ["/usr/bin/test", "-e", str(flag)]},
    )
    target = replace(target, checks=(*target.checks, ready))
    async with watching(tmp_path / "data", target) as (client, _):
        flag.unlink()
        story = await incident(client, "escalated")
        assert (story["failure_type"], story["attempts"]) == ("not_ready", 0)
        former = pid_of(target)
        os.kill(former, signal.SIGKILL)
        await until(client, f"/incidents/{story['id']}", lambda shown: shown["state"] == "recovering")
        flag.touch()
        again = await incident(client, "watched")
        assert (again["id"], again["failure_type"], again["attempts"]) == (story["id"], "exited", 1)
        assert pid_of(target) != former
