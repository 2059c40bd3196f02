"""Every login is an audit record, of API tokens and of a provider's, also when the database was away meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scrollintel.security.access import Binding, Identity, IdentityKind, Role
from scrollintel.service.logins import IDLE, Logins
from scrollintel.service.use_cases import UseCases
from scrollintel.testing import ManualClock

from ..servers.outage import outage
from .issuer import Issuer, issuing
from .recovery_rig import join, recovering, until
from .rig import bearer, serving
from .test_access_matrix import token_of

VIEWER = Binding(Role.VIEWER, ("*",))


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Return a running provider."""
    with issuing() as running:
        yield running


async def logins(client: httpx2.AsyncClient, use_cases: UseCases) -> list[dict[str, Any]]:
    """Return the records of logins, the oldest first; read without a token, which is no login."""
    await use_cases.access.logins.write()
    answer = await client.get("/audit", params={"action": "access.login"})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items[::-1]


@pytest.mark.asyncio
async def test_api_token_that_comes_first_or_after_twelve_idle_hours_is_a_login(
    tmp_path: Path, database_url: str
) -> None:
    """One record with who, how and from where; requests in between add none, a restart does."""
    clock = ManualClock()
    async with serving(tmp_path, database_url=database_url, clock=clock) as (client, use_cases):
        await use_cases.loops.stop()
        body = {"name": "t", "subject": "ann@example.org", "bindings": [VIEWER.to_dict()]}
        made = (await client.post("/tokens", json=body)).json()
        own = bearer(made["token"])
        first = await client.get("/services", headers=own)
        for _ in range(3):
            clock.advance(IDLE - 1.0)
            assert (await client.get("/services", headers=own)).status_code == 200
        (found,) = await logins(client, use_cases)
        assert (found["actor"], found["target_kind"], found["target"]) == (made["id"], "identity", made["id"])
        assert (found["after"], found["outcome"]) == ({"kind": "token"}, "allowed")
        assert found["request_id"] == first.headers["X-Request-Id"]
        assert (found["personal"]["subject"], found["personal"]["address"]) == ("ann@example.org", "127.0.0.1")
        clock.advance(IDLE)
        await client.get("/services", headers=own)
        assert len(await logins(client, use_cases)) == 2
    async with serving(tmp_path, database_url=database_url, clock=clock) as (client, use_cases):
        await client.get("/services", headers=own)
        assert len(await logins(client, use_cases)) == 3
        assert (await client.post("/audit/verify")).json()["ok"]


@pytest.mark.asyncio
async def test_each_token_of_the_provider_is_one_login(tmp_path: Path, database_url: str, issuer: Issuer) -> None:
    """The same token is known again however the header is written; who may nothing has come in all the same."""
    async with serving(tmp_path, database_url=database_url, oidc=issuer.config()) as (client, use_cases):
        one, two = issuer.token(), issuer.token(jti="two")
        for header in (f"Bearer {one}", f"bearer  {one}", f"Bearer {two}", f"Bearer {one}", "Bearer a.b.c"):
            await client.get("/services", headers={"Authorization": header})
        found = await logins(client, use_cases)
        assert [item["after"] for item in found] == [{"kind": "oidc"}] * 2
        assert {item["personal"]["subject"] for item in found} == {"ada@example.com"}
        assert {item["actor"][:5] for item in found} == {"oidc_"}


@pytest.mark.asyncio
async def test_replica_logs_in_once_and_not_with_each_report(tmp_path: Path) -> None:
    """Joining, reporting and joining again with one token is one login."""
    async with recovering(tmp_path) as (client, use_cases):
        own = bearer(await token_of(use_cases, Binding(Role.REPLICA, ("orders",))))
        client.headers.update(own)
        for _ in range(2):
            session = await join(client)
            for _ in range(3):
                assert (await client.post(f"/replicas/{session}/report", json={"full": True})).status_code == 204
        del client.headers["Authorization"]
        assert len(await logins(client, use_cases)) == 1


@pytest.mark.asyncio
async def test_login_while_the_database_is_away_is_answered_and_recorded_when_it_is_back(
    tmp_path: Path, database_url: str
) -> None:
    """The read is answered from memory, and the record bears the time of the login."""
    async with recovering(tmp_path / "data", database_url=database_url) as (client, use_cases):
        known, new = [bearer(await token_of(use_cases, VIEWER)) for _ in range(2)]
        await client.get("/services", headers=known)
        with outage(database_url):
            await until(lambda: not use_cases.plane.serving)
            answers = [await client.get("/services", headers=headers) for headers in (known, new, new)]
            for answer in answers:
                assert (answer.status_code, "X-ScrollIntel-Stale" in answer.headers) == (200, True)
            asked_at = use_cases.plane.now
        await until(lambda: use_cases.plane.serving)
        found = await logins(client, use_cases)
        assert len(found) == 2
        assert found[1]["request_id"] == answers[1].headers["X-Request-Id"]
        assert datetime.fromisoformat(found[1]["at"]) <= asked_at
        assert (await client.post("/audit/verify")).json()["ok"]


@pytest.mark.asyncio
async def test_logins_that_are_too_many_to_keep_become_one_record(tmp_path: Path) -> None:
    """Two wait for the database, three more are counted, and each of both is recorded when it is back."""
    database_url = f"sqlite:///{tmp_path}/data/control.db"
    async with recovering(tmp_path / "data", database_url=database_url) as (client, use_cases):
        kept = Logins(use_cases.plane, max_pending=2)
        with outage(database_url):
            await until(lambda: not use_cases.plane.serving)
            for number in range(5):
                kept.note(Identity(f"tok_{number:016x}", IdentityKind.TOKEN), "Bearer x", "127.0.0.1", "r")
            await kept.write()
            assert kept.dropped == 3
        await until(lambda: use_cases.plane.serving)
        await kept.write()
        assert kept.dropped == 0
        found = await logins(client, use_cases)
        assert [(item["actor"][-1], item["count"]) for item in found] == [("0", 1), ("1", 1), ("m", 3)]


@pytest.mark.asyncio
async def test_tokens_that_are_remembered_are_bounded_and_those_in_use_stay(tmp_path: Path) -> None:
    """Of both kinds the one that was used longest ago is forgotten, so that its next request is a login again."""
    async with serving(tmp_path) as (client, use_cases):
        kept = Logins(use_cases.plane, max_tokens=2, max_provider_tokens=2)
        for kind in (IdentityKind.TOKEN, IdentityKind.OIDC):
            for name in ("a", "b", "a", "c", "a", "b"):
                kept.note(Identity(name, kind), f"Bearer {name}", "127.0.0.1", "r")
        await kept.write()
        found = await logins(client, use_cases)
        assert [item["actor"] for item in found] == ["a", "b", "c", "b"] * 2
