"""What follows for others: people are told through a real receiver, dependents are held and let go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrollintel.recovery.target import Mode
from scrollintel.telemetry.notify.config import WebhookChannel
from tests.servers.recorder import HttpRecorder

from .watching_rig import ASKS, PATIENCE, Flags, Json, incident_of, question_of, shown, watching


@pytest.fixture
def flags(tmp_path: Path) -> Flags:
    """Return targets of this test."""
    return Flags(tmp_path / "flags")


@pytest.fixture
def receiver() -> Iterator[HttpRecorder]:
    """Receive notices."""
    with HttpRecorder() as server:
        yield server


async def told(receiver: HttpRecorder, *kinds: str) -> list[Json]:
    """Return the notices once these have come, in any order."""
    async with asyncio.timeout(PATIENCE):
        while not set(kinds) <= {asked.json()["type"] for asked in receiver.asked}:
            await asyncio.sleep(0.02)
    return [asked.json()["data"] for asked in receiver.asked]


@pytest.mark.asyncio
async def test_people_hear_of_each_turn_of_an_incident_once(
    tmp_path: Path, flags: Flags, receiver: HttpRecorder
) -> None:
    """That it is open, that a person has to agree, that somebody looks after it, and that it is over."""
    target = flags.target("a", mode=Mode.RECOVER, strategies=ASKS)
    channels = {"people": WebhookChannel(url=receiver.url)}
    async with watching(tmp_path / "data", target, channels=channels) as (client, _):
        flags.down("a")
        question = await question_of(client, "a")
        place = f"/incidents/{question['incident']}"
        await client.post(f"{place}/acknowledge", json={"reason": "I look"})
        await told(receiver, "incident_opened", "approval_wanted", "incident_acknowledged")
        await client.post(f"{place}/cancel", json={"reason": "it is to be down"})
        notices = await told(receiver, "incident_resolved")
        kinds = [notice["kind"] for notice in notices]
        assert len(kinds) == len(set(kinds)) == 4
        said = {notice["kind"]: notice["summary"] for notice in notices}
        assert said["incident_acknowledged"] == "a: local looks after it"
        assert said["incident_resolved"] == "a: local has cancelled it: it is to be down"
        assert {notice["subject"] for notice in notices} == {question["incident"]}


@pytest.mark.asyncio
async def test_people_hear_when_the_brake_engages_and_when_it_is_released(
    tmp_path: Path, flags: Flags, receiver: HttpRecorder
) -> None:
    """Both about the same subject, so that what began with the one ends with the other."""
    targets = [
        flags.target(f"web/{number}", service="web", group="web", mode=Mode.RECOVER, strategies=ASKS)
        for number in range(4)
    ]
    channels = {"people": WebhookChannel(url=receiver.url)}
    async with watching(tmp_path / "data", *targets, channels=channels) as (client, _):
        flags.down("web/0", "web/1")
        await shown(client, "/automation", lambda body: body["brake"] is not None)
        (engaged,) = [n for n in await told(receiver, "brake_engaged") if n["kind"] == "brake_engaged"]
        flags.up("web/0")
        flags.up("web/1")
        await client.post("/automation/brake/release", json={"reason": "I have looked"})
        (released,) = [n for n in await told(receiver, "brake_released") if n["kind"] == "brake_released"]
        assert engaged["subject"] == released["subject"] == "web"
        assert released["summary"] == "local has released the storm brake that web had engaged"


@pytest.mark.asyncio
async def test_dependents_are_held_only_while_nothing_of_the_service_is_left(tmp_path: Path, flags: Flags) -> None:
    """One replica of two is no reason; both are, also when they can only be repaired after a person has agreed."""
    replicas = [
        flags.target(f"db/{name}", service="db", group="db", mode=Mode.RECOVER, strategies=ASKS) for name in "ab"
    ]
    shop = flags.target("shop", depends_on=(("db", "hard"),), degrade_to=2)
    async with watching(tmp_path / "data", *replicas, shop) as (client, _):
        flags.down("db/a")
        await question_of(client, "db/a")
        assert (await client.get("/degradation")).json()["items"] == []
        flags.down("db/b")
        held = await shown(client, "/degradation/shop", lambda body: body["level"] == "moderate")
        story = await incident_of(client, "db/b")
        assert story["id"] in held["reason"]
        first = await incident_of(client, "db/a")
        await client.post(f"/incidents/{story['id']}/cancel", json={"reason": "it is to be down"})
        await shown(client, "/degradation/shop", lambda body: first["id"] in body["reason"])  # it is still down
        await client.post(f"/incidents/{first['id']}/cancel", json={"reason": "it is to be down"})
        await shown(client, "/degradation", lambda body: body["items"] == [])


@pytest.mark.asyncio
async def test_dependent_of_two_is_held_until_both_are_back(tmp_path: Path, flags: Flags) -> None:
    """The first one back is no reason to work as if nothing were wrong."""
    needs = [flags.target(name, mode=Mode.RECOVER) for name in ("db", "queue")]
    shop = flags.target("shop", depends_on=(("db", "hard"), ("queue", "hard")), degrade_to=2)
    async with watching(tmp_path / "data", *needs, shop) as (client, _):
        flags.down("db")
        first = await incident_of(client, "db", "escalated")
        await shown(client, "/degradation/shop", lambda body: first["id"] in body["reason"])
        flags.down("queue")
        second = await incident_of(client, "queue", "escalated")
        flags.up("db")
        await incident_of(client, "db", "resolved")
        held = await shown(client, "/degradation/shop", lambda body: second["id"] in body["reason"])
        assert held["level"] == "moderate"
        flags.up("queue")
        await shown(client, "/degradation", lambda body: body["items"] == [])


@pytest.mark.asyncio
async def test_dependents_are_held_though_nothing_can_be_repaired(tmp_path: Path, flags: Flags) -> None:
    """There is no strategy, so people are called, and what depends on it works worse; observing holds nothing."""
    db = flags.target("db", mode=Mode.RECOVER)
    seen = flags.target("seen")
    shop = flags.target("shop", depends_on=(("db", "hard"),), degrade_to=1)
    board = flags.target("board", depends_on=(("seen", "hard"),), degrade_to=3)
    async with watching(tmp_path / "data", db, seen, shop, board) as (client, _):
        flags.down("seen")
        await incident_of(client, "seen", "open")
        flags.down("db")
        await incident_of(client, "db", "escalated")
        held = await shown(client, "/degradation", lambda body: body["items"])
        assert [(item["service"], item["level"]) for item in held["items"]] == [("shop", "minimal")]
        flags.up("db")
        await incident_of(client, "db", "resolved")
        await shown(client, "/degradation", lambda body: body["items"] == [])


@pytest.mark.asyncio
async def test_what_a_person_holds_is_neither_replaced_nor_let_go_by_automation(tmp_path: Path, flags: Flags) -> None:
    """A strategy that holds a circuit or a level, and takes that back, leaves the person's order as it was."""
    async with watching(tmp_path / "data", flags.target("a")) as (client, use_cases):
        orders = use_cases.automation.equipment.orders("a")
        for circuit in ("mine", "ours"):
            made = await client.post("/circuit-breakers", json={"configuration": {"name": circuit}, "service": None})
            assert made.is_success, made.text
        await client.post("/circuit-breakers/mine/isolate", json={"reason": "I hold it"})
        level = {"service": "a", "level": "minimal", "reason": "I hold it"}
        assert (await client.post("/degradation", json=level)).is_success

        def act() -> None:
            for circuit in ("mine", "ours"):
                orders.isolate_circuit(circuit, "automation")
                orders.release_circuit(circuit, "automation")
            orders.degrade("a", 3, "automation")
            orders.degrade("a", 0, "automation")

        await asyncio.to_thread(act)
        mine = (await client.get("/circuit-breakers/mine")).json()["order"]
        assert mine["reason"] == "I hold it"
        held = (await client.get("/degradation/a")).json()
        assert (held["level"], held["reason"]) == ("minimal", "I hold it")
        ours = (await client.get("/circuit-breakers/ours")).json()["order"]
        assert ours is None
