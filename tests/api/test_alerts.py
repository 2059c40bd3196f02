"""Alerts and silences over the API: who sees and silences what, what is told, and what outlives the database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scrollintel.control.alerts import TOLD_ALERTS, AlertRules
from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.recovery.target import Mode
from scrollintel.replica.protocol import PolicyReport
from scrollintel.security.access import Binding, Role
from scrollintel.service.automation.configured import AutomationConfig
from scrollintel.storage.writer import WriterState
from scrollintel.telemetry.notify.config import WebhookChannel
from tests.servers.leading import other_leads
from tests.servers.outage import outage
from tests.servers.recorder import HttpRecorder

from .recovery_rig import join, report, token
from .rig import serving
from .watching_rig import Flags, Json, away, back, shown, watching

QUICK = AlertRules(
    open_for=0.0, settle=0.2, group_window=0.0, stale_for=3600.0, degraded_for=0.0, stopped_for=0.0, flap_openings=100
)
PATIENCE = 20.0


@pytest.fixture
def receiver() -> Iterator[HttpRecorder]:
    """Receive notices."""
    with HttpRecorder() as server:
        yield server


def people(receiver: HttpRecorder) -> AutomationConfig:
    """Return a configuration that tells people through a receiver, and watches nothing."""
    channels = {"people": WebhookChannel(url=receiver.url)}
    return AutomationConfig(outbound=OutboundPolicy(private=("127.0.0.0/8",)), channels=channels)


def heard(receiver: HttpRecorder) -> list[tuple[str, str, str]]:
    """Return state, name and target of every alert that people heard of."""
    notices = [asked.json()["data"] for asked in receiver.asked]
    return [(item["state"], item["name"], item["target"]) for notice in notices for item in notice.get("alerts", [])]


async def until_heard(receiver: HttpRecorder, *wanted: tuple[str, str, str]) -> None:
    """Wait until people have heard of exactly this."""
    async with asyncio.timeout(PATIENCE):
        while heard(receiver) != list(wanted):
            await asyncio.sleep(0.02)


async def alerts(client: httpx2.AsyncClient, so: Any = bool, **query: object) -> list[Json]:
    """Return the alerts once they are so."""
    body = await shown(client, "/alerts", lambda body: so(body["items"]), **query)
    found: list[Json] = body["items"]
    return found


def silence(hours: float = 1.0, **labels: str) -> Json:
    """Return the body of a silence; a value that ends in * is a prefix."""
    matchers = [
        {"label": label, "value": value.removesuffix("*"), "match": "prefix" if value.endswith("*") else "exact"}
        for label, value in labels.items()
    ]
    until = datetime.now(UTC) + timedelta(hours=hours)
    return {"matchers": matchers, "until": until.isoformat(), "reason": "we move it"}


@pytest.mark.asyncio
async def test_open_circuit_is_told_and_so_is_its_end(
    tmp_path: Path, database_url: str, receiver: HttpRecorder
) -> None:
    """With what it rests on, under one subject from beginning to end; two of one service come in one message."""
    rules = AlertRules(open_for=0.0, settle=0.2, group_window=1.5)
    config = people(receiver)
    async with serving(tmp_path, database_url=database_url, automation=config, alerts=rules) as (client, _):
        session = await join(client)
        await report(client, session, payments="open", mail="open", search="closed")
        (mail, payments) = sorted(await alerts(client, lambda items: len(items) == 2), key=lambda item: item["target"])
        assert (mail["target"], payments["target"]) == ("mail", "payments")
        assert (payments["state"], payments["service"], payments["severity"]) == ("firing", "orders", 2)
        assert payments["evidence"]["replicas"] == ["orders-one"] and payments["evidence"]["bound"] == 0.0
        assert payments["summary"] == (
            "calls of orders to payments are refused on 1 of 1 replicas: 2 failures in a row"
        )
        async with asyncio.timeout(PATIENCE):
            while not receiver.asked:
                await report(client, session, payments="open", mail="open")
                await asyncio.sleep(0.1)
        await report(client, session, payments="closed", mail="closed")
        async with asyncio.timeout(PATIENCE):
            while len(receiver.asked) < 2:
                await report(client, session, payments="closed", mail="closed")
                await asyncio.sleep(0.1)
        first, last = (asked.json() for asked in receiver.asked)
        assert (first["type"], last["type"]) == ("alert_firing", "alert_resolved")
        assert first["data"]["subject"] == last["data"]["subject"] == "alerts:service:orders"
        assert {item["target"] for item in first["data"]["alerts"]} == {"mail", "payments"}
        assert first["data"]["details"] == {
            "firing": 2, "new": 2, "worse": 0, "resolved": 0, "switched_off": 0,
        }  # fmt: skip
        assert first["data"]["summary"].startswith("2 alerts, the worst CircuitOpenTooLong: ")
        assert await alerts(client, lambda items: not items) == []


@pytest.mark.asyncio
async def test_restart_tells_nothing_twice_and_still_tells_the_end(
    tmp_path: Path, database_url: str, receiver: HttpRecorder
) -> None:
    """What people know is kept in the database; so are silences."""
    options: dict[str, Any] = {"database_url": database_url, "automation": people(receiver), "alerts": QUICK}
    async with serving(tmp_path, **options) as (client, use_cases):
        session = await join(client)
        await report(client, session, payments="open")
        await until_heard(receiver, ("firing", "CircuitOpenTooLong", "payments"))
        await client.post("/silences", json=silence(service="mail"))
        (before,) = await alerts(client, lambda items: items and items[0]["told_at"])
        async with asyncio.timeout(PATIENCE):
            while not use_cases.plane.records.table(TOLD_ALERTS):
                await asyncio.sleep(0.02)
    async with serving(tmp_path, **options) as (client, _):
        (again,) = await alerts(client)
        assert (again["fingerprint"], again["state"]) == (before["fingerprint"], "firing")
        moments = [datetime.fromisoformat(item["told_at"]) for item in (before, again)]
        assert abs((moments[0] - moments[1]).total_seconds()) < 1.0
        assert [item["service"] for item in (await client.get("/silences")).json()["items"]] == ["mail"]
        session = await join(client)
        await report(client, session, payments="closed")
        await until_heard(
            receiver, ("firing", "CircuitOpenTooLong", "payments"), ("resolved", "CircuitOpenTooLong", "payments")
        )


@pytest.mark.asyncio
async def test_silenced_alert_is_seen_and_not_told_until_the_silence_ends(
    tmp_path: Path, receiver: HttpRecorder
) -> None:
    """Only what fits all matchers; what people know of already is told to be over all the same."""
    async with serving(tmp_path, automation=people(receiver), alerts=QUICK) as (client, _):
        made = await client.post("/silences", json=silence(service="orders", target="pay*"))
        assert made.status_code == 201, made.text
        session = await join(client)
        await report(client, session, payments="open", mail="open")
        await until_heard(receiver, ("firing", "CircuitOpenTooLong", "mail"))
        muted = {item["target"]: item["muted"] for item in await alerts(client, lambda items: len(items) == 2)}
        assert muted == {"mail": None, "payments": made.json()["id"]}
        whole = await client.post("/silences", json=silence(name="circuit_open_too_long"))
        await report(client, session, payments="open", mail="closed")
        await until_heard(
            receiver, ("firing", "CircuitOpenTooLong", "mail"), ("resolved", "CircuitOpenTooLong", "mail")
        )
        for number in (whole.json()["id"], made.json()["id"]):
            ended = await client.delete(f"/silences/{number}", params={"reason": "done"})
            assert ended.status_code == 204
        await until_heard(
            receiver, ("firing", "CircuitOpenTooLong", "mail"), ("resolved", "CircuitOpenTooLong", "mail"),
            ("firing", "CircuitOpenTooLong", "payments"),
        )  # fmt: skip
        assert (await client.get("/silences")).json()["items"] == []
        audited = (await client.get("/audit", params={"target": made.json()["id"]})).json()["items"]
        assert {(item["action"], item["reason"]) for item in audited} == {
            ("silence.add", "we move it"),
            ("silence.end", "done"),
        }


@pytest.mark.asyncio
async def test_silence_ends_by_itself_and_leaves_an_audit_entry(tmp_path: Path) -> None:
    """The row is gone soon after."""
    async with serving(tmp_path) as (client, use_cases):
        made = (await client.post("/silences", json=silence(0.5 / 3600.0, service="orders"))).json()
        await asyncio.sleep(0.6)
        assert (await client.get("/silences")).json()["items"] == []
        assert (await client.delete(f"/silences/{made['id']}")).status_code == 404
        await use_cases.silences.expire()
        audited = (await client.get("/audit", params={"target": made["id"]})).json()["items"]
        assert [item["action"] for item in audited] == ["silence.expire", "silence.add"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"matchers": []}, 422, "validation_failed"),
        ({"matchers": [{"label": "team", "value": "x"}]}, 422, "validation_failed"),
        ({"matchers": [{"label": "service", "value": ""}]}, 422, "validation_failed"),
        ({"matchers": [{"label": "service", "value": "a"}, {"label": "service", "value": "b"}]}, 422, None),
        ({"matchers": [{"label": "service", "value": "a", "match": "regex"}]}, 422, "validation_failed"),
        ({"until": "2020-01-01T00:00:00Z"}, 422, "invalid_silence"),
        ({"until": (datetime.now(UTC) + timedelta(days=31)).isoformat()}, 422, "invalid_silence"),
        ({"until": None}, 422, "validation_failed"),
        ({"reason": ""}, 422, "validation_failed"),
        ({"author": "me"}, 422, "validation_failed"),
    ],
)
async def test_silence_that_is_none_is_refused(tmp_path: Path, change: Json, status: int, code: str | None) -> None:
    """Without a matcher, for ever, without a reason, or with somebody else as its author."""
    async with serving(tmp_path) as (client, _):
        answer = await client.post("/silences", json={**silence(service="orders"), **change})
        assert answer.status_code == status, answer.text
        assert code is None or answer.json()["code"] == code, answer.text
        for field in ("reason", "until", "matchers"):
            body = silence(service="orders")
            del body[field]
            assert (await client.post("/silences", json=body)).status_code == 422


@pytest.mark.asyncio
async def test_scopes_decide_what_is_seen_and_silenced(tmp_path: Path) -> None:
    """An operator of one service sees its alerts and those of nobody, and silences that service alone."""
    async with serving(tmp_path, enforced=True, alerts=QUICK) as (client, use_cases):
        everywhere = await token(use_cases, Binding(Role.ADMIN, ("*",)))
        mine = await token(use_cases, Binding(Role.OPERATOR, ("orders",)))
        viewer = await token(use_cases, Binding(Role.VIEWER, ("orders",)))
        for service in ("orders", "mail"):
            client.headers.update(await token(use_cases, Binding(Role.REPLICA, (service,))))
            await report(client, await join(client, service), payments="open")
        await client.put("/automation/stop-switch", json={"reason": "a test"}, headers=everywhere)
        client.headers.update(everywhere)
        await alerts(client, lambda items: len(items) == 3)

        async def seen(headers: dict[str, str], **query: object) -> set[tuple[str | None, str]]:
            items = (await client.get("/alerts", headers=headers, params=query)).json()["items"]
            return {(item["service"], item["name"]) for item in items}

        stopped, own = (None, "automation_stopped"), ("orders", "circuit_open_too_long")
        assert await seen(everywhere) == {stopped, own, ("mail", "circuit_open_too_long")}
        assert await seen(mine) == await seen(viewer) == {stopped, own}
        assert await seen(mine, service="mail") == set()
        assert await seen(everywhere, name="automation_stopped", state="firing") == {stopped}
        assert await seen(everywhere, state="pending") == set()

        async def add(headers: dict[str, str], **labels: str) -> int:
            return (await client.post("/silences", json=silence(**labels), headers=headers)).status_code

        assert await add(mine, service="orders") == 201
        assert await add(mine, service="orders", target="pay*") == 201
        for labels in ({"service": "mail"}, {"service": "ord*"}, {"target": "payments"}, {"name": stopped[1]}):
            assert await add(mine, **labels) == 403, labels
        assert await add(viewer, service="orders") == 403
        hidden = (await client.post("/silences", json=silence(service="mail"), headers=everywhere)).json()
        shared = (await client.post("/silences", json=silence(target="payments"), headers=everywhere)).json()
        listed = [item["id"] for item in (await client.get("/silences", headers=mine)).json()["items"]]
        assert {hidden["id"], shared["id"]}.isdisjoint(listed)
        assert (await client.delete(f"/silences/{hidden['id']}", headers=mine)).status_code == 404
        assert (await client.delete(f"/silences/{shared['id']}", headers=mine)).status_code == 404
        assert (await client.delete(f"/silences/{listed[0]}", headers=viewer)).status_code == 403
        assert (await client.delete(f"/silences/{listed[0]}", headers=mine)).status_code == 204


@pytest.mark.asyncio
async def test_pages_hold_every_alert_once_worst_first(tmp_path: Path) -> None:
    """A cursor says where a page ended."""
    async with serving(tmp_path, alerts=QUICK) as (client, _):
        session = await join(client)
        await report(client, session, **{f"c{number}": "open" for number in range(5)})
        await client.put("/automation/stop-switch", json={"reason": "a test"})
        whole = await alerts(client, lambda items: len(items) == 6)
        pages, cursor = [], None
        while True:
            page = (await client.get("/alerts", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
            pages += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert [item["fingerprint"] for item in pages] == [item["fingerprint"] for item in whole]
        assert [item["severity"] for item in pages] == [2] * 5 + [3]
        bad = await client.get("/alerts", params={"cursor": "x"})
        assert (bad.status_code, bad.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.asyncio
async def test_database_that_is_away_is_told_and_silences_hold_from_memory(
    tmp_path: Path, database_url: str, receiver: HttpRecorder
) -> None:
    """The control plane says of itself that it is not well; what is silenced stays so; nothing can be silenced anew."""
    options: dict[str, Any] = {"database_url": database_url, "automation": people(receiver), "alerts": QUICK}
    storage = "storage"
    async with serving(tmp_path, **options) as (client, use_cases):
        assert (await client.post("/silences", json=silence(service="orders"))).status_code == 201
        session = await join(client)
        with outage(database_url):
            await away(use_cases)
            await report(client, session, payments="open")
            items = await alerts(client, lambda items: len(items) == 2)
            assert {item["target"]: bool(item["muted"]) for item in items} == {storage: False, "payments": True}
            await until_heard(receiver, ("firing", "PlatformDegraded", storage))
            assert (await client.post("/silences", json=silence(service="mail"))).status_code == 503
            assert len((await client.get("/silences")).json()["items"]) == 1
        await back(use_cases)
        await until_heard(receiver, ("firing", "PlatformDegraded", storage), ("resolved", "PlatformDegraded", storage))


@pytest.mark.asyncio
async def test_recovery_that_is_given_up_is_told_by_the_incident_and_reminded_of_later(
    tmp_path: Path, receiver: HttpRecorder
) -> None:
    """It fires and is shown; nobody hears of it twice, and never once somebody looks after it."""
    flags = Flags(tmp_path / "flags")
    target = flags.target("db", mode=Mode.RECOVER)
    channels = {"people": WebhookChannel(url=receiver.url)}
    rules = AlertRules(repeat_interval=3600.0, group_window=0.0)
    async with watching(tmp_path / "data", target, channels=channels, alerts=rules) as (client, _):
        flags.down("db")
        (failing,) = await alerts(client)
        assert (failing["name"], failing["state"], failing["target"]) == ("recovery_failing", "firing", "db")
        assert failing["muted"] is None
        incident = failing["evidence"]["incident"]
        await client.post(f"/incidents/{incident}/acknowledge", json={})
        (failing,) = await alerts(client, lambda items: items and items[0]["muted"])
        assert failing["muted"] == f"{incident} is acknowledged by local"
        await asyncio.sleep(1.5)
    kinds = [asked.json()["type"] for asked in receiver.asked]
    assert "incident_escalated" in kinds and "alert_firing" not in kinds


@pytest.mark.asyncio
async def test_alerts_that_are_switched_off_end(tmp_path: Path, receiver: HttpRecorder) -> None:
    """What people know of is told to be switched off and not to be over, so that nothing stays open at a pager."""
    async with serving(tmp_path, automation=people(receiver), alerts=QUICK) as (client, use_cases):
        await report(client, await join(client), payments="open")
        await until_heard(receiver, ("firing", "CircuitOpenTooLong", "payments"))
        use_cases.alerting.rules = AlertRules(enabled=False, group_window=0.0)
        await until_heard(
            receiver, ("firing", "CircuitOpenTooLong", "payments"), ("switched off", "CircuitOpenTooLong", "payments")
        )
        assert await alerts(client, lambda items: not items) == []
    last = receiver.asked[-1].json()
    assert last["type"] == "alert_switched_off"
    assert last["data"]["summary"].startswith("alerts were switched off in the configuration, while this held: ")


@pytest.mark.asyncio
async def test_alert_that_worsens_over_a_restart_is_told(tmp_path: Path, receiver: HttpRecorder) -> None:
    """How severe it was told to be is kept in the database, and what is found after the restart is compared with it."""
    options: dict[str, Any] = {"automation": people(receiver), "alerts": QUICK}
    firing = ("firing", "CircuitOpenTooLong", "payments")
    async with serving(tmp_path, **options) as (client, use_cases):
        await report(client, await join(client), payments="open")
        await until_heard(receiver, firing)
        async with asyncio.timeout(PATIENCE):
            while not use_cases.plane.records.table(TOLD_ALERTS):
                await asyncio.sleep(0.02)
        use_cases.alerting.stop()
        ((_, record),) = use_cases.plane.records.table(TOLD_ALERTS).items()
        assert record.severity == 2
        lesser = replace(record, severity=3, group_severity=3)
        await use_cases.plane.change(lambda tx: tx.put(TOLD_ALERTS, lesser))
    async with serving(tmp_path, **options) as (_, use_cases):
        await until_heard(receiver, firing, ("worse", *firing[1:]))
        async with asyncio.timeout(PATIENCE):
            while [kept.severity for kept in use_cases.plane.records.values(TOLD_ALERTS)] != [2]:
                await asyncio.sleep(0.02)


@pytest.mark.asyncio
async def test_retry_budget_alerts_while_calls_are_made_and_by_what_the_policy_needs(tmp_path: Path) -> None:
    """Less than the price of a retry, or no more than has to be left; nobody is harmed by what nobody uses."""
    rules = AlertRules(budget_for=0.0, settle=0.0)
    async with serving(tmp_path, alerts=rules) as (client, use_cases):
        budget = {"reserve": 10.0, "threshold": 0.5, "deposit_on_success": True}
        content = {"policy": {"name": "grpc", "retry": {"budget": budget}}, "service": None}
        made = await client.put("/policies/grpc", json=content, headers={"If-None-Match": "*"})
        assert made.is_success, made.text
        session = await join(client)

        async def left(calls: int, **tokens: float) -> list[str]:
            rows = [
                list(PolicyReport(name, 1, None, None, None, number, 0, 0, 0, 0, 0, calls, calls))
                for name, number in tokens.items()
            ]
            answer = await client.post(f"/replicas/{session}/report", json={"full": True, "policies": rows})
            assert answer.status_code == 204, answer.text
            await use_cases.alerting.look()
            items = (await client.get("/alerts")).json()["items"]
            return [item["target"] for item in items if not item["ending"]]

        assert await left(10, code=1.0, grpc=5.1) == []
        assert await left(20, code=0.9, grpc=5.1) == ["code"]
        assert sorted(await left(30, code=0.9, grpc=5.0)) == ["code", "grpc"]
        assert await left(40, code=5.0, grpc=6.0) == []


@pytest.mark.asyncio
async def test_circuit_that_flaps_on_one_replica_is_told_apart_from_many_that_open_once(tmp_path: Path) -> None:
    """Openings are counted for each replica, out of closed only."""
    rules = AlertRules(flap_openings=2)
    async with serving(tmp_path, alerts=rules) as (client, use_cases):
        sessions = [await join(client, instance=name) for name in "abc"]

        async def moved(session: str, old: str, new: str) -> list[str]:
            fact = {"event": "circuit.state_changed", "policy": "pay", "key": None, "old": old, "new": new}
            fact |= {"reason": "r", "at": datetime.now(UTC).timestamp()}
            answer = await client.post(f"/replicas/{session}/report", json={"facts": [fact]})
            assert answer.status_code == 204, answer.text
            await use_cases.alerting.look()
            return [item["name"] for item in (await client.get("/alerts")).json()["items"]]

        for session in sessions:
            assert await moved(session, "closed", "open") == []
        assert await moved(sessions[0], "half_open", "open") == []
        assert await moved(sessions[0], "closed", "open") == []
        assert await moved(sessions[0], "closed", "open") == ["circuit_flapping"]
        (found,) = (await client.get("/alerts")).json()["items"]
        assert (found["evidence"]["openings"], found["evidence"]["replica"]) == (3, "orders-a")


@pytest.mark.asyncio
async def test_host_that_stands_by_tells_nobody_and_goes_on_from_what_was_told(
    tmp_path: Path, postgres_url: str, receiver: HttpRecorder
) -> None:
    """While another host leads, the end is not told by this one; when it leads again it is."""
    firing = ("firing", "CircuitOpenTooLong", "payments")
    rules = AlertRules(open_for=0.0, settle=0.2, group_window=0.0, degraded_for=3600.0)
    options: dict[str, Any] = {"database_url": postgres_url, "automation": people(receiver), "alerts": rules}
    async with serving(tmp_path, **options) as (client, use_cases):
        session = await join(client)
        await report(client, session, payments="open")
        await until_heard(receiver, firing)
        async with asyncio.timeout(PATIENCE):
            while not use_cases.plane.records.table(TOLD_ALERTS):
                await asyncio.sleep(0.02)
        with other_leads(postgres_url):
            async with asyncio.timeout(PATIENCE):
                while use_cases.plane.writer.state is not WriterState.STANDBY:
                    await asyncio.sleep(0.02)
            await report(client, session, payments="closed")
            await use_cases.alerting.look()
            assert (await client.get("/alerts")).json()["items"] == []
            await asyncio.sleep(1.5)
            assert heard(receiver) == [firing]
        await until_heard(receiver, firing, ("resolved", *firing[1:]))
