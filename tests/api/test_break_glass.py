"""Orders that are given while the database is away: done once, recorded later, and held on whoever joins meanwhile."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import httpx2
import pytest

from scrollintel.security.access import LOCAL_OPERATOR
from scrollintel.service.caller import Caller
from scrollintel.service.use_cases import UseCases

from ..servers.outage import outage
from .recovery_rig import Json, join, recovering, report, until

OPERATOR = Caller(LOCAL_OPERATOR, break_glass=True)


async def heard(client: httpx2.AsyncClient, replica: str, sequence: int) -> Json:
    """Wait for what a replica is told after a change, as its pending request does."""
    answer = await client.post(f"/replicas/{replica}/listen", json={"sequence": sequence, "wait": 20.0})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def joined(client: httpx2.AsyncClient, instance: str) -> Json:
    """Let a replica join, and return what it is told."""
    answer = await client.post("/replicas", json={"service": "orders", "instance": instance, "protocol": 1})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def imported(use_cases: UseCases) -> None:
    """Wait until the database is back and has what was ordered without it."""
    await until(lambda: use_cases.plane.serving and not use_cases.break_glass.waiting)


def told(changes: list[Json]) -> list[tuple[str, str]]:
    """Return kinds and names."""
    return [(change["kind"], change["name"]) for change in changes]


@pytest.mark.parametrize("first", [True, False], ids=["the first orders ever", "later orders"])
@pytest.mark.asyncio
async def test_orders_of_an_outage_are_carried_out_once_and_recorded_when_it_ends(
    tmp_path: Path, database_url: str, first: bool
) -> None:
    """What replicas did during the outage they are not told again, for a second reset would wipe what happened since;
    and what is ordered afterwards has a number of its own, so that nobody takes it for done."""
    async with recovering(tmp_path / "data", database_url=database_url) as (client, use_cases):
        one = await join(client)
        if not first:
            await client.put("/policies/p", json={"policy": {"name": "p"}}, headers={"If-None-Match": "*"})
        await report(client, one, payments="open", stock="open", mail="closed")
        with outage(database_url):
            await until(lambda: not use_cases.plane.serving)
            start = use_cases.plane.fleet.sequence
            for verb, name in (("reset", "payments"), ("close", "stock"), ("isolate", "mail")):
                await use_cases.break_glass.operate(OPERATOR, verb, name, "INC-4711")
            during = await heard(client, one, start)
            assert told(during["changes"]) == [("reset", "payments"), ("close", "stock"), ("isolate", "mail")]
            pending = asyncio.create_task(heard(client, one, during["sequence"]))
        await imported(use_cases)
        anew = await pending
        assert list(anew["desired"]["orders"]) == ["mail"]
        await client.post("/circuit-breakers/stock/isolate", json={"reason": "later"})
        assert told((await heard(client, one, anew["sequence"]))["changes"]) == [("isolate", "stock")]
        log = (await client.get("/audit", params={"target": "payments"})).json()["items"]
        assert [(item["action"], item["reason"]) for item in log] == [("circuit.reset", "INC-4711")]
        assert (await client.get("/circuit-breakers/mail")).json()["order"]["reason"] == "INC-4711"


@pytest.mark.asyncio
async def test_replica_that_joins_during_an_outage_gets_the_orders_that_stand(
    tmp_path: Path, database_url: str
) -> None:
    """It holds what was isolated meanwhile, not what was released; before, during and after the import alike."""
    async with recovering(tmp_path / "data", database_url=database_url) as (client, use_cases):
        one = await join(client)
        await report(client, one, payments="closed", stock="closed")
        await client.post("/circuit-breakers/stock/isolate", json={"reason": "before"})
        with outage(database_url):
            await until(lambda: not use_cases.plane.serving)
            await use_cases.break_glass.operate(OPERATOR, "isolate", "payments", "INC-4711")
            await use_cases.break_glass.operate(OPERATOR, "close", "stock", "well again")
            late = await joined(client, "late")
            assert {name: order["reason"] for name, order in late["desired"]["orders"].items()} == {
                "payments": "INC-4711"
            }
            assert (await client.get("/circuit-breakers/payments")).json()["order"]["reason"] == "INC-4711"
        await until(lambda: use_cases.plane.serving)
        assert list((await joined(client, "later"))["desired"]["orders"]) == ["payments"]
        await imported(use_cases)
        assert list((await joined(client, "last"))["desired"]["orders"]) == ["payments"]


@pytest.mark.asyncio
async def test_orders_of_an_outage_stand_after_a_restart_before_they_are_imported(
    tmp_path: Path, database_url: str
) -> None:
    """The first replica to join finds them, and each is in the log once."""
    data = tmp_path / "data"
    async with recovering(data, database_url=database_url) as (client, use_cases):
        await report(client, await join(client), payments="closed")
        away = outage(database_url)
        with away:
            await until(lambda: not use_cases.plane.serving)
            await use_cases.break_glass.operate(OPERATOR, "isolate", "payments", "INC-4711")
            await use_cases.stop()
    async with recovering(data, database_url=database_url) as (client, use_cases):
        assert list((await joined(client, "first"))["desired"]["orders"]) == ["payments"]
        await imported(use_cases)
        log = (await client.get("/audit", params={"action": "circuit.isolate"})).json()["items"]
        assert [item["reason"] for item in log] == ["INC-4711"]


@pytest.mark.asyncio
async def test_order_given_after_an_outage_is_not_undone_by_the_import(tmp_path: Path, database_url: str) -> None:
    """Who closes a circuit while the journal waits has the last word; the journal is in the log all the same."""
    async with recovering(tmp_path / "data", database_url=database_url) as (client, use_cases):
        await report(client, await join(client), payments="closed")
        with outage(database_url):
            await until(lambda: not use_cases.plane.serving)
            await use_cases.break_glass.operate(OPERATOR, "isolate", "payments", "INC-4711")
        await until(lambda: use_cases.plane.serving)
        if use_cases.break_glass.waiting:  # the import comes once a second; mostly this is quicker
            await client.post("/circuit-breakers/payments/close", json={"reason": "well again"})
            await imported(use_cases)
            assert (await client.get("/circuit-breakers/payments")).json()["order"] is None
        log = (await client.get("/audit", params={"action": "circuit.isolate"})).json()["items"]
        assert [item["reason"] for item in log] == ["INC-4711"]


@pytest.mark.asyncio
async def test_journal_that_cannot_be_set_aside_is_imported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash or a full disk between both leaves the journal where it is, and nothing is recorded a second time."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    async with recovering(tmp_path) as (client, use_cases):
        await report(client, await join(client), payments="closed")
        with monkeypatch.context() as patch:
            patch.setattr(use_cases.break_glass, "_set_aside", refuse)
            await use_cases.break_glass.operate(OPERATOR, "isolate", "payments", "INC-4711")
            for _ in range(2):
                with pytest.raises(OSError, match="no space"):
                    await use_cases.break_glass.import_journal()
        await imported(use_cases)
        log = (await client.get("/audit", params={"action": "circuit.isolate"})).json()["items"]
        assert [item["reason"] for item in log] == ["INC-4711"]
        assert [path.suffix for path in tmp_path.glob("break-glass.jsonl*")] == [".imported"]


@pytest.mark.asyncio
async def test_order_journalled_during_an_import_waits_for_the_next(tmp_path: Path) -> None:
    """The database may go away again right after the import: what is journalled then is not set aside unread."""
    async with recovering(tmp_path) as (client, use_cases):
        await report(client, await join(client), payments="closed")
        await use_cases.break_glass.operate(OPERATOR, "isolate", "payments", "one")
        importing = asyncio.create_task(use_cases.break_glass.import_journal())
        await asyncio.sleep(0)  # the journal has been read, and its change is under way
        await use_cases.break_glass.operate(OPERATOR, "reset", "payments", "two")
        assert await importing == 1
        await imported(use_cases)
        log = (await client.get("/audit", params={"target": "payments"})).json()["items"]
        assert sorted(item["reason"] for item in log) == ["one", "two"]
