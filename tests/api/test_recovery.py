"""Recoveries over the API: started, followed step by step, ended, found again; on both databases."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from scrollintel.recovery import Plan
from scrollintel.service import recovery
from scrollintel.service.automation.documents import plan_document
from scrollintel.service.automation.record_keeper import FILE_NAME

from ..servers.outage import outage
from .recovery_rig import Led, acting, finished, recovering, start, until


@pytest.mark.asyncio
async def test_recovery_shows_each_step_while_it_runs(tmp_path: Path, database_url: str) -> None:
    """While a strategy acts, what came before has ended and the act has begun; afterwards everything has its end."""
    led = Led()
    async with recovering(tmp_path / "data", led, database_url=database_url) as (client, _):
        operation = await start(client, failure_type="hung", reason="test")
        await acting(led)
        running = (await client.get(f"/recovery/{operation}")).json()
        assert (running["status"], running["outcome"], running["finished_at"]) == ("running", None, None)
        assert [(step["step"], step["succeeded"]) for step in running["steps"]] == [
            ("observe", True), ("plan", True), ("act", None),
        ]  # fmt: skip
        assert running["steps"][2]["duration"] is None
        led.release.set()
        ended = await finished(client, operation)
        assert (ended["status"], ended["outcome"], ended["strategy"]) == ("finished", "recovered", "led")
        assert [(step["step"], step["succeeded"]) for step in ended["steps"]] == [
            ("observe", True), ("plan", True), ("act", True), ("verify", True),
        ]  # fmt: skip
        assert ended["duration"] >= sum(step["duration"] for step in ended["steps"]) >= 0


@pytest.mark.asyncio
async def test_recovery_tells_each_step_on_the_event_stream(tmp_path: Path) -> None:
    """A step is told when it begins and when it ends, numbered within the recovery, between its start and its end."""
    led = Led(waits=False)
    async with recovering(tmp_path, led) as (client, use_cases):
        operation = await start(client)
        await finished(client, operation)
        facts = [fact for fact in use_cases.plane.facts.recent(100) if fact.event.startswith("recovery.")]
        assert (facts[0].event, facts[-1].event) == ("recovery.started", "recovery.finished")
        assert {fact.data["id"] for fact in facts} == {operation}
        assert {fact.service for fact in facts} == {"orders"}
        steps = [fact.data for fact in facts[1:-1]]
        assert [(step["number"], step["step"], step["succeeded"]) for step in steps] == [
            (1, "observe", None), (1, "observe", True), (2, "plan", None), (2, "plan", True),
            (3, "act", None), (3, "act", True), (4, "verify", None), (4, "verify", True),
        ]  # fmt: skip


@pytest.mark.asyncio
async def test_recovery_goes_on_without_its_database_and_is_written_when_it_is_back(
    tmp_path: Path, database_url: str
) -> None:
    """Steps go to a local journal meanwhile; nothing is missing afterwards, and the journal is gone."""
    led = Led()
    async with recovering(tmp_path / "data", led, database_url=database_url) as (client, use_cases):
        operation = await start(client)
        await acting(led)
        with outage(database_url):
            await until(lambda: not use_cases.plane.serving)
            led.release.set()
            await until(lambda: "verify" in led.asked)
            await until(lambda: not use_cases.automation.engine.running())
            shown = (await client.get(f"/recovery/{operation}")).json()
            assert (shown["status"], shown["outcome"]) == ("finished", "recovered")
            assert (tmp_path / "data" / FILE_NAME).exists()
        await until(lambda: use_cases.plane.serving and not use_cases.automation.keeper.waiting)
        ended = await finished(client, operation)
        assert (ended["status"], ended["outcome"]) == ("finished", "recovered")
        assert [(step["step"], step["succeeded"]) for step in ended["steps"]] == [
            ("observe", True), ("plan", True), ("act", True), ("verify", True),
        ]  # fmt: skip
        assert not (tmp_path / "data" / FILE_NAME).exists()
        records = (await client.get("/audit", params={"action": "recovery.finish"})).json()["items"]
        assert [item["target"] for item in records] == [operation]


@pytest.mark.asyncio
async def test_recovery_outlives_a_short_outage_of_its_database(tmp_path: Path, database_url: str) -> None:
    """A step waits for the database for a while; nothing is missing from what is recorded."""
    led = Led()
    async with recovering(tmp_path / "data", led, database_url=database_url) as (client, use_cases):
        operation = await start(client)
        await acting(led)
        with outage(database_url):
            await until(lambda: not use_cases.plane.serving)
            led.release.set()
        await until(lambda: use_cases.plane.serving)
        ended = await finished(client, operation)
        assert (ended["status"], ended["outcome"]) == ("finished", "recovered")
        assert [step["step"] for step in ended["steps"]] == ["observe", "plan", "act", "verify"]


@pytest.mark.asyncio
async def test_recovery_that_is_stopped_with_the_control_plane_is_interrupted_after_its_step(tmp_path: Path) -> None:
    """A step that ends in time is recorded with its end, no other begins, and nothing is undone."""
    led = Led()
    async with recovering(tmp_path, led) as (client, use_cases):
        operation = await start(client)
        await acting(led)
        stopping = asyncio.create_task(use_cases.recovery.stop())
        await asyncio.sleep(0)
        led.release.set()
        await stopping
        ended = await finished(client, operation)
        assert (ended["status"], ended["outcome"]) == ("interrupted", "failed")
        assert "was stopped" in ended["detail"]
        assert [(step["step"], step["succeeded"]) for step in ended["steps"]][-1] == ("act", True)
        assert led.asked == ["observe", "plan", "act"]
        refused = await client.post("/recovery/initiate", json={"service": "orders"})
        assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")


@pytest.mark.asyncio
async def test_recovery_of_a_service_runs_once_and_the_same_request_starts_it_once(
    tmp_path: Path, database_url: str
) -> None:
    """A repeated key gets the same answer, another request a conflict, also of several at once; then it is free."""
    led = Led()
    async with recovering(tmp_path / "data", led, database_url=database_url) as (client, _):
        body, key = {"service": "orders", "failure_type": "hung"}, {"Idempotency-Key": "once"}
        first = await client.post("/recovery/initiate", json=body, headers=key)
        again = await client.post("/recovery/initiate", json=body, headers=key)
        assert (again.status_code, again.json()) == (202, first.json())
        assert again.headers["Idempotency-Replayed"] == "true"
        other = await client.post("/recovery/initiate", json={"service": "orders"}, headers=key)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        conflicts = await asyncio.gather(*(client.post("/recovery/initiate", json=body) for _ in range(5)))
        assert {(answer.status_code, answer.json()["code"]) for answer in conflicts} == {(409, "conflict")}
        assert first.json()["id"] in conflicts[0].json()["detail"]
        led.release.set()
        await finished(client, first.json()["id"])
        starts = await asyncio.gather(*(client.post("/recovery/initiate", json=body) for _ in range(5)))
        assert sorted(answer.status_code for answer in starts) == [202, 409, 409, 409, 409]


@pytest.mark.parametrize(
    ("outcome", "asked", "detail"),
    [
        ("failed", ["observe", "plan", "act", "undo"], "OSError: no such program"),
        ("refused", ["observe", "plan"], "refused: it was restarted a moment ago"),
        ("not_needed", ["observe", "plan"], "nothing to do"),
    ],
)
@pytest.mark.asyncio
async def test_recovery_that_does_not_recover_is_recorded_with_its_reason(
    tmp_path: Path, database_url: str, outcome: str, asked: list[str], detail: str
) -> None:
    """The outcome, every step with its sentence, and the audit log, which tells whether the service works."""
    led = Led(outcome=outcome, waits=False)
    async with recovering(tmp_path / "data", led, database_url=database_url) as (client, _):
        operation = await start(client)
        ended = await finished(client, operation)
        assert (ended["status"], ended["outcome"], ended["strategy"]) == ("finished", outcome, None)
        assert [step["step"] for step in ended["steps"]] == led.asked == asked
        assert detail in [step["detail"] for step in ended["steps"]]
        records = (await client.get("/audit", params={"action": "recovery.finish"})).json()["items"]
        assert [(item["target"], item["outcome"]) for item in records] == [
            (operation, "allowed" if outcome == "not_needed" else "failed")
        ]


@pytest.mark.asyncio
async def test_recovery_request_is_refused_with_every_violation(tmp_path: Path) -> None:
    """Each wrong field is named, unknown ones too, and nothing is started."""
    async with recovering(tmp_path) as (client, _):
        body = {"service": "", "failure_type": "\x00", "reason": 7, "strategies": ["", 1], "force": True}
        refused = await client.post("/recovery/initiate", json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed")
        assert {violation["field"] for violation in refused.json()["violations"]} == {
            "service", "failure_type", "reason", "strategies.0", "strategies.1", "force",
        }  # fmt: skip
        unknown = await client.post("/recovery/initiate", json={"service": "nobody"})
        assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
        assert (await client.get("/recovery/history")).json()["items"] == []


@pytest.mark.asyncio
async def test_recovery_beyond_the_number_that_may_run_is_pending_until_one_ends_or_the_service_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pending one does nothing yet, gets its turn, and does not stay behind as if somebody would run it."""
    monkeypatch.setattr(recovery, "MAX_RUNNING", 1)
    first, second, third = (Led(name, service=name) for name in ("a", "b", "c"))
    async with recovering(tmp_path, first, second, third) as (client, use_cases):
        one = await start(client, "a")
        await acting(first)
        two, three = await start(client, "b"), await start(client, "c")
        assert [(await client.get(f"/recovery/{each}")).json()["status"] for each in (two, three)] == ["pending"] * 2
        first.release.set()
        assert (await finished(client, one))["outcome"] == "recovered"
        await acting(second)
        await use_cases.recovery.stop()
        for operation, number in ((two, 3), (three, 0)):
            ended = await finished(client, operation)
            assert (ended["status"], ended["outcome"], len(ended["steps"])) == ("interrupted", "failed", number)
        assert third.asked == []


@pytest.mark.asyncio
async def test_recovery_whose_error_no_database_could_hold_has_an_end(tmp_path: Path, database_url: str) -> None:
    """What a program wrote may be no text; it is kept as far as it is some, and the service can recover again."""

    class Garbled(Led):
        def act(self, plan: Plan) -> None:
            raise OSError("it said \udcff\x00")

    async with recovering(tmp_path / "data", Garbled(), database_url=database_url) as (client, _):
        ended = await finished(client, await start(client))
        assert (ended["status"], ended["outcome"]) == ("finished", "failed")
        assert "OSError: it said ?\ufffd" in [step["detail"] for step in ended["steps"]]
        assert (await finished(client, await start(client)))["status"] == "finished"


@pytest.mark.asyncio
async def test_step_that_can_be_written_nowhere_is_not_carried_out(tmp_path: Path) -> None:
    """Without database and journal nothing acts; the recovery ends once one of both is back, and says so."""
    led = Led()
    async with recovering(tmp_path, led) as (_, use_cases):
        use_cases.plane.distrust = "not now"
        blocked = tmp_path / FILE_NAME
        blocked.mkdir()
        run = {
            "id": "rec_1", "incident": None, "target": "orders", "service": "orders", "failure_type": "hung",
            "remedies": [{"kind": "led", "options": {}, "attempts": 1, "approval": None}], "requested_by": "local",
            "reason": None, "started_at": use_cases.plane.now.isoformat(), "backoff": [0.0],
        }  # fmt: skip
        plan = plan_document(led.plan(led.observe()))
        performer = use_cases.automation.performer
        place = {"remedy": 0, "attempt": 0, "plan": plan}
        acted = await asyncio.to_thread(performer, run, "act", place, "rec_1:4:act")
        assert "neither the database nor" in acted["refused"]
        assert not led.acting.is_set()
        blocked.rmdir()
        use_cases.plane.distrust = None
