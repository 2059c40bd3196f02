"""Automated recovery over the API: how it stands, stop switch, brake, what it would do, signs of life."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest

from scrollintel.actions.kinds import strategy_kinds
from scrollintel.recovery.target import Heartbeat, Mode, Remedy
from scrollintel.security.access import Binding, Role

from ..servers.outage import outage
from .recovery_rig import token
from .watching_rig import Flags, Json, away, back, incident_of, shown, watching

WAITS = {"default": (Remedy(kind="wait"),)}


@pytest.fixture
def flags(tmp_path: Path) -> Flags:
    """Return targets of this test."""
    return Flags(tmp_path / "flags")


@pytest.mark.asyncio
async def test_stop_switch_works_without_the_database_and_is_on_record_afterwards(
    tmp_path: Path, database_url: str, flags: Flags
) -> None:
    """It holds at once; the audit log has it, with who and why, as soon as there is a database again."""
    async with watching(tmp_path / "data", flags.target("a"), database_url=database_url) as (client, use_cases):
        with outage(database_url):
            await away(use_cases)
            stopped = await client.put("/automation/stop-switch", json={"reason": "storm outside"})
            assert (stopped.status_code, stopped.json()["stopped"]["by"]) == (200, "local")
            again = await client.put("/automation/stop-switch", json={"reason": "another"})
            assert again.json()["stopped"]["reason"] == "storm outside"
            assert (await client.delete("/automation/stop-switch")).json()["stopped"] is None
        await back(use_cases)
        audited = await _audited(client)
        told = [(item["action"], item["actor"], item["reason"]) for item in audited]
        assert told == [
            ("automation.go", "local", None), ("automation.stop", "local", "another"),
            ("automation.stop", "local", "storm outside"),
        ]  # fmt: skip
        assert all("journalled_at" in item["after"] for item in audited)


async def _audited(client: httpx2.AsyncClient) -> list[Json]:
    """Return what the audit log says about automation, newest first."""
    found: list[Json] = (await client.get("/audit")).json()["items"]
    return [item for item in found if item["target_kind"] == "automation"]


@pytest.mark.asyncio
async def test_switch_and_brake_are_for_those_who_may_act_everywhere(tmp_path: Path, flags: Flags) -> None:
    """They concern all services; an operator of one may read how automation stands."""
    async with watching(tmp_path / "data", flags.target("a"), enforced=True) as (client, use_cases):
        some = await token(use_cases, Binding(Role.OPERATOR, ("a",)))
        assert (await client.get("/automation", headers=some)).json()["watching"] is True
        reason = {"reason": "x"}
        assert (await client.put("/automation/stop-switch", json=reason, headers=some)).status_code == 403
        assert (await client.delete("/automation/stop-switch", headers=some)).status_code == 403
        assert (await client.post("/automation/brake/release", json=reason, headers=some)).status_code == 403
        assert (await client.post("/configuration-file/reload", headers=some)).status_code == 403
        assert use_cases.automation.switch.stopped() is None


@pytest.mark.asyncio
async def test_stop_says_at_once_why_open_incidents_wait(tmp_path: Path, flags: Flags) -> None:
    """Who looks at an incident sees that automation is stopped, without waiting for another failure."""
    target = flags.target("a", mode=Mode.RECOVER, strategies=WAITS)
    async with watching(tmp_path / "data", target) as (client, _):
        await client.put("/automation/stop-switch", json={"reason": "first"})
        flags.down("a")
        number = (await incident_of(client, "a", "open"))["id"]
        await shown(client, f"/incidents/{number}", lambda body: "stopped by local: first" in body["detail"])
        assert (await client.delete("/automation/stop-switch")).json()["stopped"] is None
        await incident_of(client, "a", "recovering")
        assert [item["action"] for item in await _audited(client)] == ["automation.go", "automation.stop"]


@pytest.mark.asyncio
async def test_dry_run_tells_chain_verdict_and_impact_and_does_nothing(tmp_path: Path, flags: Flags) -> None:
    """What cannot be done for a failure is left out with the reason; names outside the scope are not told."""
    call = Remedy(kind="webhook", options={"url": "https://fix.example.com/", "headers": {"X-Word": "hunter2"}})
    chain = {"default": (Remedy(kind="restart-process"), Remedy(kind="wait"), call)}
    needed = flags.target("needed")
    mine = flags.target("mine", mode=Mode.RECOVER, strategies=chain, depends_on=(("needed", "hard"),))
    shop = flags.target("shop", depends_on=(("mine", "hard"),))
    async with watching(tmp_path / "data", needed, mine, shop, enforced=True) as (client, use_cases):
        body = {"target": "mine", "failure_type": "not_ready"}
        told = (await client.post("/automation/dry-run", json=body)).json()
        assert [remedy["kind"] for remedy in told["chain"]] == ["wait", "webhook"]
        assert "hunter2" not in json.dumps(told)
        assert set(told["left_out"]) == {"restart-process"}
        assert (told["verdict"]["ruling"], told["held_by"]) == ("go", None)
        assert told["verdict"]["inputs"]["max_running"] == 5
        assert [item["service"] for item in told["impact"]["affected"]] == ["shop"]
        flags.down("needed")
        await incident_of(client, "needed", "open")
        headers = await token(use_cases, Binding(Role.VIEWER, ("mine",)))
        part = await client.post("/automation/dry-run", json=body, headers=headers)
        assert (part.json()["held_by"], part.json()["impact"]["hidden"]) == ("needed", 1)
        assert "shop" not in part.text
        for name in ("shop", "nothing"):
            hidden = await client.post("/automation/dry-run", json={"target": name}, headers=headers)
            assert hidden.status_code == 404
        observed = (await client.post("/automation/dry-run", json={"target": "shop"})).json()
        assert (observed["verdict"]["ruling"], observed["chain"]) == ("refuse", [])
        assert (await client.get("/recovery/history")).json()["items"] == []


@pytest.mark.asyncio
async def test_checks_and_topology_show_what_lies_in_the_scope(tmp_path: Path, flags: Flags) -> None:
    """Targets with their looks; edges only between services that may be seen."""
    a, b = flags.target("a"), flags.target("b", depends_on=(("a", "soft"),))
    async with watching(tmp_path / "data", a, b, enforced=True) as (client, use_cases):
        one = (await client.get("/checks/b")).json()
        assert (one["condition"], one["declaration"]["depends_on"]) == ("healthy", [{"name": "a", "kind": "soft"}])
        (check,) = (await client.get("/checks", params={"service": "b"})).json()["items"]
        assert (check["target"], check["checks"][0]["name"], check["checks"][0]["good"]) == ("b", "flag", True)
        graph = (await client.get("/topology")).json()
        assert graph["edges"] == [{"service": "b", "needs": "a", "kind": "soft", "source": "declared"}]
        headers = await token(use_cases, Binding(Role.VIEWER, ("b",)))
        part = (await client.get("/topology", headers=headers)).json()
        assert ([node["target"] for node in part["nodes"]], part["edges"]) == (["b"], [])
        assert [(await client.get(f"/checks/{n}", headers=headers)).status_code for n in ("a", "x", "b")] == [
            404,
            404,
            200,
        ]
        seen = (await client.get("/checks", headers=headers)).json()["items"]
        assert [item["target"] for item in seen] == ["b"]


@pytest.mark.asyncio
async def test_strategies_are_listed_with_traits_and_options(tmp_path: Path) -> None:
    """All kinds, and what each takes as a schema."""
    async with watching(tmp_path) as (client, _):
        listed = {item["name"]: item for item in (await client.get("/strategies")).json()["items"]}
        assert set(listed) == set(strategy_kinds())
        assert listed["failover"]["traits"]["failover"] is True
        assert "seconds" in listed["wait"]["options"]["properties"]


@pytest.mark.asyncio
async def test_heartbeat_is_taken_from_who_may_join_for_the_service(tmp_path: Path, flags: Flags) -> None:
    """A beat with progress is shown; a target that expects none, and one of another service, is none."""
    agent = flags.target("agent", heartbeat=Heartbeat(timeout=3600.0, progress_timeout=3600.0))
    async with watching(tmp_path / "data", agent, flags.target("mute"), enforced=True, healthy=False) as (
        client,
        use_cases,
    ):
        own = await token(use_cases, Binding(Role.REPLICA, ("agent",)))
        other = await token(use_cases, Binding(Role.REPLICA, ("mute",)))
        assert (await client.post("/heartbeats/agent", json={"progress": "step 1"}, headers=own)).status_code == 204
        await shown(
            client,
            "/checks",
            lambda body: None not in (body["items"][0]["last_beat"], body["items"][0]["last_progress"]),
            service="agent",
        )
        for name, headers in (("agent", other), ("mute", other), ("mute", own), ("nothing", own)):
            assert (await client.post(f"/heartbeats/{name}", json={}, headers=headers)).status_code == 404
        for progress in (True, {"a": 1}, "x" * 201):
            answer = await client.post("/heartbeats/agent", json={"progress": progress}, headers=own)
            assert answer.status_code == 422, progress


@pytest.mark.asyncio
async def test_reload_without_a_settings_file_is_a_conflict(tmp_path: Path) -> None:
    """There is nothing to read anew, and the answer says so."""
    async with watching(tmp_path) as (client, _):
        answer = await client.post("/configuration-file/reload")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


@pytest.mark.asyncio
async def test_brake_that_is_not_engaged_can_be_released(tmp_path: Path, database_url: str, flags: Flags) -> None:
    """The same as none; while the database is away it cannot be, because every control plane has to know."""
    async with watching(tmp_path / "data", flags.target("a"), database_url=database_url) as (client, use_cases):
        assert (await client.post("/automation/brake/release", json={"reason": "x"})).json()["brake"] is None
        with outage(database_url):
            await away(use_cases)
            assert (await client.post("/automation/brake/release", json={"reason": "x"})).status_code == 503
        await back(use_cases)
