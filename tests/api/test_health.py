"""Health over the API: of services, of the platform itself, after a restart, and while the database is away."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from scrollintel.security.access import Binding, Role
from scrollintel.service.use_cases import UseCases
from scrollintel.testing import ManualClock

from ..servers.control_plane import BASE
from ..servers.outage import outage
from .recovery_rig import Json, Led, acting, finished, join, recovering, report, start, token, until


async def health(client: httpx2.AsyncClient, service: str = "orders") -> Json:
    """Return how a service stands."""
    answer = await client.get(f"/health/services/{service}")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def opened(client: httpx2.AsyncClient, use_cases: UseCases) -> None:
    """Have two replicas report circuits, one of them open with the fact that it has opened; all is on disk then."""
    one, two = await join(client), await join(client, instance="two")
    await report(client, one, payments="open", stock="closed")
    await report(client, two, stock="closed")
    fact = {"event": "circuit.state_changed", "at": 1.0, "policy": "payments", "old": "closed", "new": "open",
            "reason": "2 failures in a row"}  # fmt: skip
    await client.post(f"/replicas/{one}/report", json={"facts": [fact]})
    await use_cases.ingest.flush()


@pytest.mark.asyncio
async def test_health_of_a_service_is_judged_by_its_replicas_with_reasons(tmp_path: Path) -> None:
    """Unknown without replicas, healthy with one, degraded by an open circuit, and the list says the same."""
    async with recovering(tmp_path) as (client, _):
        assert await health(client) == {
            "service": "orders", "status": "unknown", "reasons": ["no replica has joined"], "remembered": False,
        }  # fmt: skip
        session = await join(client)
        await report(client, session, payments="closed")
        assert (await health(client))["status"] == "healthy"
        await report(client, session, payments="open")
        shown = await health(client)
        assert (shown["status"], shown["reasons"]) == ("degraded", ["refuses calls to payments"])
        everything = (await client.get("/health")).json()
        assert (everything["status"], everything["services"]) == ("degraded", [shown])


@pytest.mark.asyncio
async def test_health_of_a_service_is_shown_to_whom_it_concerns(tmp_path: Path) -> None:
    """What belongs to another service is in no answer, and asked for by its name it does not exist."""
    async with recovering(tmp_path, Led(service="billing")) as (client, use_cases):
        viewer = await token(use_cases, Binding(Role.VIEWER, ("orders",)))
        replica = await token(use_cases, Binding(Role.REPLICA, ("orders",)))
        assert [item["service"] for item in (await client.get("/health", headers=viewer)).json()["services"]] == [
            "orders"
        ]
        hidden = await client.get("/health/services/billing", headers=viewer)
        missing = await client.get("/health/services/nobody", headers=viewer)
        assert [answer.status_code for answer in (hidden, missing)] == [404, 404]
        assert hidden.json()["detail"] == "no service is known as 'billing'"
        for path in ("/health", "/health/summary", "/health/services/orders"):
            assert (await client.get(path, headers=replica)).status_code == 403


@pytest.mark.asyncio
async def test_health_after_a_restart_is_what_was_reported_before_until_replicas_report_again(
    tmp_path: Path, database_url: str
) -> None:
    """A circuit that was open keeps its service degraded, said to be remembered, until they report anew."""
    async with recovering(tmp_path / "data", database_url=database_url) as (client, use_cases):
        await opened(client, use_cases)
    async with recovering(tmp_path / "data", database_url=database_url) as (client, use_cases):
        before = await health(client)
        assert (before["status"], before["remembered"]) == ("degraded", True)
        assert before["reasons"] == [
            "refuses calls to payments",
            "this is what 2 replicas reported before the control plane was started",
        ]
        one = await join(client)
        joined = await health(client)
        assert (joined["status"], joined["remembered"]) == ("degraded", False)
        await report(client, one, payments="closed", stock="closed")
        half = await health(client)
        assert half["status"] == "healthy"
        assert half["reasons"] == ["1 replica of before the control plane was started has not come back"]
        await report(client, await join(client, instance="two"), stock="closed")
        assert (await health(client))["reasons"] == ["nothing is wrong"]


@pytest.mark.asyncio
async def test_health_of_a_service_that_is_only_remembered_is_shown(tmp_path: Path) -> None:
    """A service that nobody registered is known by its replicas, also when they have not come back yet."""
    async with recovering(tmp_path) as (client, use_cases):
        await report(client, await join(client, "unregistered"), payments="open")
        await use_cases.ingest.flush()
    async with recovering(tmp_path) as (client, use_cases):
        shown = await health(client, "unregistered")
        assert (shown["status"], shown["remembered"]) == ("degraded", True)
        summary = (await client.get("/health/summary")).json()
        assert summary["services"] == {"degraded": 1, "unknown": 1}


@pytest.mark.asyncio
async def test_what_happened_before_is_known_although_the_database_was_away_at_the_start(
    tmp_path: Path, postgres_url: str
) -> None:
    """Transitions and remembered circuits are taken over as soon as the database is back, before later ones."""
    async with recovering(tmp_path / "data", database_url=postgres_url) as (client, use_cases):
        await opened(client, use_cases)
    with outage(postgres_url):
        away = recovering(tmp_path / "data", database_url=postgres_url)
        client, use_cases = await away.__aenter__()
        one = await join(client)
        fact = {"event": "circuit.state_changed", "at": 2.0, "policy": "payments", "old": "open", "new": "half_open",
                "reason": "the wait is over"}  # fmt: skip
        await client.post(f"/replicas/{one}/report", json={"facts": [fact]})
    try:
        await until(lambda: use_cases.plane.serving)
        await use_cases.circuits.remembered.sweep()
        await use_cases.circuits.remembered.sweep()
        circuit = (await client.get("/circuit-breakers/payments")).json()
        assert [item["new"] for item in circuit["transitions"]] == ["half_open", "open"]
        assert circuit["state"] == "open"
    finally:
        await away.__aexit__(None, None, None)


@pytest.mark.asyncio
async def test_host_that_stands_by_says_so_and_who_it_waits_for(tmp_path: Path, postgres_url: str) -> None:
    """Its database is not away: another control plane holds it, and the screen, readiness and health tell which."""
    name = urlsplit(postgres_url).path[1:]
    async with recovering(tmp_path / "a", database_url=postgres_url) as (first, _):
        async with recovering(tmp_path / "b", database_url=postgres_url) as (second, _):
            summary = (await second.get("/health/summary")).json()
            assert (summary["storage"], summary["stale"]) == ("standby", True)
            assert summary["sentence"] == (
                f"This host stands by: another control plane holds the database '{name}' and serves; "
                "this one takes over when it lets go."
            )
            ready = await second.get(f"{BASE}/readyz")
            assert (ready.status_code, ready.json()) == (503, {"status": "standby", "storage": "standby"})
            assert (await second.get("/health")).json()["platform"]["storage"]["state"] == "standby"
        ready = await first.get(f"{BASE}/readyz")
        assert (ready.status_code, ready.json()) == (200, {"status": "ready", "storage": "serving"})


@pytest.mark.asyncio
async def test_platform_tells_of_database_writer_checkpoint_and_keys(tmp_path: Path, database_url: str) -> None:
    """What an operator asks first of the control plane itself, in order and while the database is away."""
    async with recovering(tmp_path / "data", database_url=database_url) as (client, use_cases):
        await use_cases.checkpoints.sign()
        platform = (await client.get("/health")).json()["platform"]
        assert (platform["status"], platform["stale"], platform["problems"]) == ("healthy", False, [])
        storage = platform["storage"]
        assert (storage["state"], storage["leads"], storage["problem"]) == ("serving", True, None)
        assert storage["dialect"] == database_url.partition(":")[0]
        assert storage["changes"] >= 1
        checkpoint = platform["audit"]["checkpoint"]
        assert checkpoint["records"] == platform["audit"]["records"] > 0
        assert checkpoint["at"] is not None
        assert checkpoint["problem"] is None
        assert platform["keys"] == {"state": "ready", "rotating": False}
        with outage(database_url):
            await until(lambda: not use_cases.plane.serving)
            answer = await client.get("/health")
            away = answer.json()["platform"]
            assert answer.headers["X-ScrollIntel-Stale"].startswith("storage unavailable for")
            assert (away["status"], away["stale"]) == ("degraded", True)
            assert (away["storage"]["state"], away["storage"]["leads"]) == ("unavailable", False)
            assert away["storage"]["problem"]
            assert away["audit"]["checkpoint"] == checkpoint
            summary = (await client.get("/health/summary")).json()
            assert (summary["storage"], summary["stale"]) == ("unavailable", True)
            assert summary["sentence"].startswith("The database is away")
    async with recovering(tmp_path / "data", database_url=database_url) as (client, use_cases):
        again = (await client.get("/health")).json()["platform"]["audit"]["checkpoint"]
        assert again["records"] >= checkpoint["records"]
        assert again["at"] >= checkpoint["at"]


@pytest.mark.asyncio
async def test_summary_tells_of_recoveries_that_run(tmp_path: Path) -> None:
    """Those that the caller may see, and none that have ended."""
    led, other = Led(), Led("other", service="billing")
    async with recovering(tmp_path, led, other) as (client, use_cases):
        mine, theirs = await start(client), await start(client, "billing")
        await acting(led)
        await acting(other)
        viewer = await token(use_cases, Binding(Role.VIEWER, ("orders",)))
        seen = (await client.get("/health/summary", headers=viewer)).json()
        assert [(item["id"], item["service"], item["status"]) for item in seen["recoveries"]] == [
            (mine, "orders", "running")
        ]
        assert seen["sentence"] == "1 recovery runs."
        assert (await client.get("/health")).json()["platform"]["recoveries"] == 2
        for led_one, operation in ((led, mine), (other, theirs)):
            led_one.release.set()
            await finished(client, operation)
        summary = (await client.get("/health/summary")).json()
        assert (summary["recoveries"], summary["sentence"]) == ([], "No application has joined yet.")


@pytest.mark.asyncio
async def test_platform_without_room_in_its_database_says_so(tmp_path: Path) -> None:
    """A full disk is a problem of the platform's for as long as it lasts, with what to do."""
    async with recovering(tmp_path) as (_, use_cases):
        use_cases.plane.database.full = True
        full = use_cases.health.platform()
        use_cases.plane.database.full = False
        again = use_cases.health.platform()
    assert (full["status"], full["problems"]) == (
        "degraded",
        ["the database has no room left; free some on its volume, and changes go on by themselves"],
    )
    assert (again["status"], again["problems"]) == ("healthy", [])


async def counted(client: httpx2.AsyncClient, session: str, successes: int, failures: int) -> None:
    """Report one circuit with what its process has counted so far, and its policy with as many calls."""
    row = ["payments", None, "closed", "created", 1.0, None, successes, failures, *[0] * 8, *[None] * 5, None, None, 0]
    policy = ["payments", 1, None, None, None, 5.0, 0, 0, 0, 0, 0, successes + failures, successes + failures, 0]
    answer = await client.post(f"/replicas/{session}/report", json={"circuits": [row], "policies": [policy]})
    assert answer.status_code == 204, answer.text


@pytest.mark.asyncio
async def test_calls_from_before_a_process_joined_count_once(tmp_path: Path, database_url: str) -> None:
    """Fifteen failures from before show in the share; joining again, also after a restart, counts nothing twice."""
    clock = ManualClock()

    async def share(use_cases: UseCases, client: httpx2.AsyncClient) -> tuple[float, float | None]:
        clock.advance(1.0)
        await use_cases.ingest.flush()
        summary = (await client.get("/health/summary")).json()
        return round(summary["calls_per_second"] * 60), summary["success_rate"]

    async with recovering(tmp_path / "data", database_url=database_url, clock=clock) as (client, use_cases):
        await use_cases.loops.stop()
        assert await share(use_cases, client) == (0, None)
        one = await join(client)
        await counted(client, one, 0, 15)
        assert await share(use_cases, client) == (15, 0.0)
        await counted(client, one, 5, 15)
        assert await share(use_cases, client) == (20, 0.25)
        again = await join(client)
        await counted(client, again, 5, 15)
        assert await share(use_cases, client) == (20, 0.25)
        await counted(client, again, 85, 15)
        assert await share(use_cases, client) == (100, 0.85)
    async with recovering(tmp_path / "data", database_url=database_url, clock=clock) as (client, use_cases):
        await use_cases.loops.stop()
        await counted(client, await join(client), 85, 15)
        assert await share(use_cases, client) == (0, None)
