"""Replicas over the API: whose sessions are whose, what a replica's token can do, and what reports leave behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from scrollintel.models.fault_tolerance_models import RetryStatistics
from scrollintel.security.access import Binding, Role
from scrollintel.security.kinds import TOKENS
from scrollintel.security.tokens import issue
from scrollintel.service.use_cases import UseCases
from scrollintel.testing import ManualClock

from .rig import bearer, serving


async def token_of(use_cases: UseCases, role: Role, *services: str) -> dict[str, str]:
    """Return the header with a new token."""
    minted, record = issue(name=role.value, bindings=[Binding(role, services)], now=use_cases.plane.now)
    await use_cases.plane.change(lambda tx: tx.put(TOKENS, record))
    use_cases.plane.tokens.put(record)
    return bearer(minted.text)


async def join(
    client: httpx2.AsyncClient, instance: str, service: str = "orders", headers: dict[str, str] | None = None
) -> httpx2.Response:
    """Join, as far as that is allowed."""
    message = {"protocol": 1, "instance": instance, "service": service}
    return await client.post("/replicas", json=message, headers=headers)


@pytest.mark.asyncio
async def test_replica_token_cannot_use_the_session_of_another_token(tmp_path: Path) -> None:
    """A session belongs to the token that joined: for another one it does not exist, even for the same service."""
    async with serving(tmp_path, enforced=True) as (client, use_cases):
        own = await token_of(use_cases, Role.REPLICA, "orders")
        session = (await join(client, "one", headers=own)).json()["replica"]
        path = f"/replicas/{session}"
        others = [
            await token_of(use_cases, Role.REPLICA, "orders"),
            await token_of(use_cases, Role.REPLICA, "billing"),
            await token_of(use_cases, Role.ADMIN, "*"),
        ]
        listen = {"sequence": 0, "wait": 0}
        for other in others:
            assert (await client.post(f"{path}/report", json={"full": True}, headers=other)).status_code == 404
            assert (await client.post(f"{path}/listen", json=listen, headers=other)).status_code == 404
            assert (await client.delete(path, headers=other)).status_code == 404
        assert (await client.post(f"{path}/report", json={"full": True}, headers=own)).status_code == 204
        assert (await client.post(f"{path}/listen", json=listen, headers=own)).status_code == 200
        assert (await client.delete(path, headers=own)).status_code == 204
        assert (await client.delete(path, headers=own)).status_code == 404


@pytest.mark.asyncio
async def test_replica_token_cannot_take_over_an_instance_or_another_service(tmp_path: Path) -> None:
    """A token joins for its own services only, and not under the name of another service's instance."""
    async with serving(tmp_path, enforced=True) as (client, use_cases):
        orders = await token_of(use_cases, Role.REPLICA, "orders")
        billing = await token_of(use_cases, Role.REPLICA, "billing")
        assert (await join(client, "one", "orders", orders)).status_code == 200
        assert (await join(client, "two", "orders", billing)).status_code == 403
        assert (await join(client, "one", "billing", billing)).status_code == 409
        assert [session.service for session in use_cases.plane.fleet.sessions()] == ["orders"]


@pytest.mark.asyncio
async def test_replica_token_does_nothing_beyond_its_routes(tmp_path: Path) -> None:
    """It reads nothing, changes nothing, and does not learn which circuits there are."""
    async with serving(tmp_path, enforced=True) as (client, use_cases):
        token = await token_of(use_cases, Role.REPLICA, "orders")
        attempts: list[tuple[str, str, Any]] = [
            ("GET", "/replicas", None),
            ("GET", "/circuit-breakers", None),
            ("GET", "/circuit-breakers/payments", None),
            ("POST", "/circuit-breakers/payments/reset", {}),
            ("POST", "/circuit-breakers/payments/isolate", {"reason": "no"}),
            ("POST", "/degradation", {"service": "orders", "level": "minimal", "reason": "no"}),
            ("GET", "/policies", None),
            ("PUT", "/policies/p", {"policy": {"name": "p"}}),
            ("GET", "/audit", None),
            ("GET", "/tokens", None),
            ("POST", "/tokens", {"name": "more", "bindings": [{"role": "admin", "services": ["*"]}]}),
            ("GET", "/events", None),
            ("GET", "/live", None),
            ("GET", "/health", None),
        ]
        statuses = {
            (method, path): (await client.request(method, path, json=body, headers=token)).status_code
            for method, path, body in attempts
        }
        assert set(statuses.values()) == {403}, statuses


@pytest.mark.asyncio
async def test_replica_whose_token_is_revoked_is_out_at_once(tmp_path: Path) -> None:
    """The next report is answered with 401, and nothing of it is taken."""
    async with serving(tmp_path, enforced=True) as (client, use_cases):
        admin = await token_of(use_cases, Role.ADMIN, "*")
        bindings = [{"role": "replica", "services": ["orders"]}]
        made = (await client.post("/tokens", json={"name": "r", "bindings": bindings}, headers=admin)).json()
        own = bearer(made["token"])
        path = f"/replicas/{(await join(client, 'one', headers=own)).json()['replica']}/report"
        assert (await client.delete(f"/tokens/{made['id']}", headers=admin)).status_code == 204
        row = ["payments", None, "open", "down", 1.0, 5.0, *[0] * 10, *[None] * 5, None, None, 0]
        assert (await client.post(path, json={"circuits": [row]}, headers=own)).status_code == 401
        assert use_cases.plane.fleet.circuit_names() == []


@pytest.mark.asyncio
async def test_report_of_calls_and_attempts_ends_in_the_retry_statistics(tmp_path: Path) -> None:
    """What was counted is stored once, also from before it joined; an older replica that reports no calls adds none."""
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as (client, use_cases):
        rows: dict[str, list[list[Any]]] = {
            "new": [["p", 1, None, None, None, 5.0, 2, 1, 3, 0, 0, 10, 13, 1], [6, 3, 5, 0, 0, 30, 39, 4]],
            "old": [["p", 1, None, None, None, 5.0, 2, 1, 3, 0], [7, 1, 3, 0]],
        }
        for instance, (first, later) in rows.items():
            path = f"/replicas/{(await join(client, instance)).json()['replica']}/report"
            for row in (first, [*first[:6], *later]):
                answer = await client.post(path, json={"policies": [row]})
                assert answer.status_code == 204
        clock.advance(21)
        await use_cases.ingest.flush()
        table = RetryStatistics.__table__
        names = ("calls", "attempts", "retries", "given_up", "hedges", "fallbacks")
        with use_cases.plane.database.reader() as connection:
            (found,) = connection.execute(select(*(table.c[name] for name in names))).all()
        assert tuple(found) == (30, 39, 6 + 7, 4, 3 + 1, 5 + 3)
        (shown,) = (await client.get("/retry-statistics")).json()["items"]
        assert tuple(shown[name] for name in names) == tuple(found)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "row",
    [
        ["a", "k" * 201, "open", "down", 1.0, 5.0, *[0] * 10, *[None] * 5, None, None, 0],
        ["a", None, "open", "x\x00", 1.0, 5.0, *[0] * 10, *[None] * 5, None, None, 0],
        ["a", None, "open", "x" * 1001, 1.0, 5.0, *[0] * 10, *[None] * 5, None, None, 0],
        ["a", None, "open", "down", 1.0, 5.0, True, *[0] * 9, *[None] * 5, None, None, 0],
        ["a", None, "open", "down", 1.0, 5.0, -1, *[0] * 9, *[None] * 5, None, None, 0],
        ["a", None, "open", "down", 1.0, 1e300, *[0] * 10, *[None] * 5, None, None, 0],
    ],
)
async def test_report_that_no_database_could_hold_is_refused(tmp_path: Path, row: list[Any]) -> None:
    """Keys, texts and waits have a length, none holds NUL, True and -1 are no counts; nothing is taken then."""
    async with serving(tmp_path) as (client, use_cases):
        path = f"/replicas/{(await join(client, 'one')).json()['replica']}/report"
        good = ["b", None, "closed", "created", 1.0, None, *[0] * 10, *[None] * 5, None, None, 0]
        assert (await client.post(path, json={"circuits": [good, row]})).status_code == 422
        assert use_cases.plane.fleet.circuit_names() == []


@pytest.mark.asyncio
async def test_list_of_refusals_pushes_nothing_out_of_the_stream(tmp_path: Path) -> None:
    """As many are told as are kept of one replica, the newest, however long its list is."""
    async with serving(tmp_path) as (client, use_cases):
        session = (await join(client, "one")).json()["replica"]
        refused = [{"sequence": number, "code": "invalid", "detail": ""} for number in range(1_000)]
        await client.post(f"/replicas/{session}/listen", json={"sequence": 0, "wait": 0, "refused": refused})
        told = [fact for fact in use_cases.plane.facts.recent(2_000) if fact.event == "replica.refused"]
        assert [fact.data["sequence"] for fact in told] == list(range(980, 1_000))


@pytest.mark.asyncio
async def test_silent_replica_is_stale_with_its_age_and_is_forgotten_after_a_while(tmp_path: Path) -> None:
    """Its circuits go with it; the one that still reports stays."""
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as (client, use_cases):
        row = ["payments", None, "open", "down", 1.0, 5.0, *[0] * 10, *[None] * 5, None, None, 0]
        paths = []
        for instance in ("silent", "talking"):
            paths.append(f"/replicas/{(await join(client, instance)).json()['replica']}/report")
            assert (await client.post(paths[-1], json={"full": True, "circuits": [row]})).status_code == 204

        async def standing() -> list[tuple[str, float, bool]]:
            items = (await client.get("/replicas")).json()["items"]
            return [(item["instance"], item["age"], item["stale"]) for item in items]

        clock.advance(6.0)
        assert (await client.post(paths[1], json={})).status_code == 204
        assert await standing() == [("silent", 6.0, True), ("talking", 0.0, False)]
        shown = (await client.get("/circuit-breakers/payments")).json()
        assert [(part["replica"], part["stale"]) for part in shown["on_replicas"]] == [
            ("silent", True), ("talking", False),
        ]  # fmt: skip
        clock.advance(295.0)
        assert (await client.post(paths[1], json={})).status_code == 204
        use_cases.plane.fleet.sweep()
        assert await standing() == [("talking", 0.0, False)]
        shown = (await client.get("/circuit-breakers/payments")).json()
        assert [part["replica"] for part in shown["on_replicas"]] == ["talking"]
