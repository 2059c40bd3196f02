"""Recoveries looked up: by filters and pages, by whom they may be seen, and while the database is away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from scrollintel.security.access import Binding, Role

from ..servers.outage import outage
from .recovery_rig import Json, Led, acting, finished, recovering, start, token, until


async def ids(client: httpx2.AsyncClient, headers: dict[str, str] | None = None, **query: Any) -> list[str]:
    """Return the ids of all pages of the history, each of two items at most."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 2, **query} if cursor is None else {"limit": 2, **query, "cursor": cursor}
        answer = await client.get("/recovery/history", params=params, headers=headers)
        assert answer.status_code == 200, answer.text
        page: Json = answer.json()
        assert len(page["items"]) <= 2
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


@pytest.mark.asyncio
async def test_history_is_the_same_from_the_database_and_from_memory_while_it_is_away(
    tmp_path: Path, database_url: str
) -> None:
    """Every filter and every page: marked as stale from memory, and with the same recoveries in the same order."""
    strategies = [Led("fails", outcome="failed", waits=False), Led("helps", service="billing", waits=False)]
    async with recovering(tmp_path / "data", *strategies, database_url=database_url) as (client, use_cases):
        made: dict[str, list[str]] = {"orders": [], "billing": []}
        for service in ("orders", "billing", "orders", "billing", "orders"):
            kind = "hung" if service == "billing" else "slow"
            made[service].append(await start(client, service, failure_type=kind))
            await finished(client, made[service][-1])
        moment = (await client.get(f"/recovery/{made['orders'][1]}")).json()["started_at"]
        orders, billing = ([*reversed(made[service])] for service in ("orders", "billing"))
        everything = [orders[0], billing[0], orders[1], billing[1], orders[2]]
        expected: list[tuple[dict[str, Any], list[str]]] = [
            ({}, everything),
            ({"service": "orders"}, orders),
            ({"outcome": "failed"}, orders),
            ({"outcome": "recovered"}, billing),
            ({"failure_type": "hung"}, billing),
            ({"status": "finished"}, everything),
            ({"status": "interrupted"}, []),
            ({"from": moment}, everything[:3]),
            ({"to": moment}, everything[3:]),
            ({"service": "orders", "outcome": "recovered"}, []),
        ]
        for query, wanted in expected:
            assert await ids(client, **query) == wanted, query
        shown = await client.get(f"/recovery/{orders[0]}")
        assert "X-ScrollIntel-Stale" not in shown.headers
        with outage(database_url):
            await until(lambda: not use_cases.plane.serving)
            for query, wanted in expected:
                assert await ids(client, **query) == wanted, query
            away = await client.get(f"/recovery/{orders[0]}")
            assert away.json() == shown.json()
            assert away.headers["X-ScrollIntel-Stale"].startswith("storage unavailable for")
            listed = await client.get("/recovery/history")
            assert listed.headers["X-ScrollIntel-Stale"].startswith("storage unavailable for")
            refused = await client.post("/recovery/initiate", json={"service": "orders"})
            assert (refused.status_code, int(refused.headers["Retry-After"])) == (503, 1)
        await until(lambda: use_cases.plane.serving)
        assert await ids(client) == everything


@pytest.mark.asyncio
async def test_recovery_that_runs_is_shown_while_the_database_is_away(tmp_path: Path, database_url: str) -> None:
    """What had been written of it is at hand; what is not among the newest is neither affirmed nor denied."""
    led = Led()
    async with recovering(tmp_path / "data", led, database_url=database_url) as (client, use_cases):
        operation = await start(client)
        await acting(led)
        stranger = await token(use_cases, Binding(Role.VIEWER, ("billing",)))
        with outage(database_url):
            await until(lambda: not use_cases.plane.serving)
            shown = (await client.get(f"/recovery/{operation}")).json()
            assert (shown["status"], len(shown["steps"])) == ("running", 3)
            unknown = await client.get("/recovery/rec_0")
            hidden = await client.get(f"/recovery/{operation}", headers=stranger)
            assert [answer.status_code for answer in (unknown, hidden)] == [503, 503]
            assert unknown.json()["detail"] == hidden.json()["detail"]
        led.release.set()
        await until(lambda: use_cases.plane.serving)
        assert (await finished(client, operation))["outcome"] == "recovered"


@pytest.mark.asyncio
async def test_history_that_has_never_been_read_is_not_said_to_be_empty(tmp_path: Path, postgres_url: str) -> None:
    """A control plane that starts without its database answers 503 until it has read it, and then with everything."""
    async with recovering(tmp_path / "data", database_url=postgres_url) as (client, _):
        operation = await start(client)
        await finished(client, operation)
    with outage(postgres_url):
        async with recovering(tmp_path / "data", database_url=postgres_url) as (client, use_cases):
            assert (await client.get("/recovery/history")).status_code == 503
            assert (await client.get(f"/recovery/{operation}")).status_code == 503
    async with recovering(tmp_path / "data", database_url=postgres_url) as (client, use_cases):
        with outage(postgres_url):
            await until(lambda: not use_cases.plane.serving)
            assert await ids(client) == [operation]


@pytest.mark.asyncio
async def test_history_shows_what_who_asks_may_see(tmp_path: Path) -> None:
    """Recoveries of other services are in no list, and asked for by their id they do not exist."""
    strategies = [Led(waits=False), Led("other", service="billing", waits=False)]
    async with recovering(tmp_path, *strategies) as (client, use_cases):
        mine, other = await start(client), await start(client, "billing")
        for operation in (mine, other):
            await finished(client, operation)
        viewer = await token(use_cases, Binding(Role.VIEWER, ("orders",)))
        assert await ids(client, viewer) == [mine]
        assert await ids(client, viewer, service="billing") == []
        hidden = await client.get(f"/recovery/{other}", headers=viewer)
        unknown = await client.get("/recovery/rec_0", headers=viewer)
        assert [answer.status_code for answer in (hidden, unknown)] == [404, 404]
        assert hidden.json()["detail"] == f"no recovery is known as '{other}'"
        for service in ("billing", "nobody"):
            listed = await client.get("/recovery/strategies", params={"service": service}, headers=viewer)
            assert listed.status_code == 404
            begun = await client.post("/recovery/initiate", json={"service": service}, headers=viewer)
            assert begun.status_code == 403  # no viewer starts anything, which says nothing of the service
        operator = await token(use_cases, Binding(Role.OPERATOR, ("orders",)))
        for service in ("billing", "nobody"):
            begun = await client.post("/recovery/initiate", json={"service": service}, headers=operator)
            assert (begun.status_code, begun.json()["detail"]) == (404, f"no service is known as '{service}'")


@pytest.mark.parametrize("cursor", ["x", "WzFd", "WyJ4IiwicmVjXzAiXQ", "WyIyMDI2LTAxLTAyVDAzOjA0OjA1IiwicmVjXzAiXQ"])
@pytest.mark.asyncio
async def test_cursor_that_was_not_given_out_is_refused(tmp_path: Path, cursor: str) -> None:
    """Neither what is no cursor, nor one of another list, nor one whose moment is none."""
    async with recovering(tmp_path) as (client, _):
        answer = await client.get("/recovery/history", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
