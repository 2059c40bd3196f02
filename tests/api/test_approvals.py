"""Questions to people over the API: who may answer, what an answer is bound to, and that it arrives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scrollintel.recovery.target import Limits, Mode
from scrollintel.security.access import Binding, Role

from ..servers.outage import outage
from .recovery_rig import token
from .watching_rig import ASKS, Flags, Json, away, back, incident_of, question_of, shown, watching

STALE = "X-ScrollIntel-Stale"


@pytest.fixture
def flags(tmp_path: Path) -> Flags:
    """Return targets of this test."""
    return Flags(tmp_path / "flags")


def asking(flags: Flags, name: str = "a", **limits: Any) -> Any:
    """Return a target for which a person is asked."""
    return flags.target(name, mode=Mode.RECOVER, strategies=ASKS, limits=replace(Limits(cool_down=0.0), **limits))


async def answer(
    client: httpx2.AsyncClient, question: Json, decision: str, *, confirm: bool = False, **headers: str
) -> httpx2.Response:
    """Answer a question as it was put."""
    body = {"decision": decision, "digest": question["digest"], "confirm": confirm}
    return await client.post(f"/approvals/{question['id']}/decide", json=body, headers=headers)


async def offered(client: httpx2.AsyncClient, question: Json, headers: dict[str, str]) -> list[str]:
    """Return the answers that somebody is told they may give, by the question and by the list of all."""
    shown = (await client.get(f"/approvals/{question['id']}", headers=headers)).json()
    listed = (await client.get("/approvals", params={"all": "true"}, headers=headers)).json()["items"]
    assert [item["answers"] for item in listed if item["id"] == question["id"]] == [shown["answers"]]
    given: list[str] = shown["answers"]
    return given


@pytest.mark.asyncio
async def test_only_an_approver_of_the_service_answers_and_is_on_record(tmp_path: Path, flags: Flags) -> None:
    """Whoever may only look is told so; whoever may not even look finds nothing; no second confirmation is needed."""
    async with watching(tmp_path / "data", asking(flags), enforced=True) as (client, use_cases):
        flags.down("a")
        question = await question_of(client, "a")
        viewer = await token(use_cases, Binding(Role.VIEWER, ("a",)))
        operator = await token(use_cases, Binding(Role.OPERATOR, ("a",)))
        stranger = await token(use_cases, Binding(Role.APPROVER, ("b",)), Binding(Role.VIEWER, ("b",)))
        for headers, status in ((viewer, 403), (operator, 403), (stranger, 404)):
            if headers is not stranger:
                assert await offered(client, question, headers) == []
            assert (await answer(client, question, "approve", **headers)).status_code == status
        assert (await client.get(f"/approvals/{question['id']}", headers=stranger)).status_code == 404
        assert (await client.get("/approvals", headers=stranger)).json()["items"] == []
        approver = await token(use_cases, Binding(Role.APPROVER, ("a",)), Binding(Role.VIEWER, ("a",)))
        assert await offered(client, question, approver) == ["approve", "refuse"]
        given = await answer(client, question, "approve", **approver)
        assert given.json()["answers"] == []
        assert await offered(client, question, approver) == []
        assert (given.json()["decision"], given.json()["confirmed_twice"]) == ("approved", False)
        audited = (await client.get("/audit", params={"action": "approval.approve"})).json()["items"]
        assert [item["after"]["digest"] for item in audited] == [question["digest"]]
        assert audited[0]["actor"].startswith("tok_")


@pytest.mark.asyncio
async def test_answer_that_cannot_be_sent_at_once_arrives_later(
    tmp_path: Path, flags: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on record when the caller hears of it; the engine's database may be away just then."""
    async with watching(tmp_path / "data", asking(flags), durable=True) as (client, use_cases):
        flags.down("a")
        question = await question_of(client, "a")
        engine, refused = use_cases.automation.engine, 0

        def send(run: str, topic: str, message: Json) -> None:
            nonlocal refused
            refused += 1
            raise ConnectionError("away")

        with monkeypatch.context() as patched:
            patched.setattr(engine, "send", send)
            assert (await answer(client, question, "refuse")).json()["decision"] == "refused"
            await shown(client, "/automation", lambda body: refused >= 2)
        story = await incident_of(client, "a", "escalated")
        assert "refused" in story["detail"]


@pytest.mark.asyncio
async def test_answer_that_a_crash_has_cut_off_is_sent_by_the_next_life(
    tmp_path: Path, database_url: str, flags: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision is in the database, the recovery has not heard of it: the next start tells it."""
    place: Json = {"durable": True, "database_url": database_url}
    async with watching(tmp_path / "data", asking(flags), **place) as (client, use_cases):
        flags.down("a")
        question = await question_of(client, "a")

        def send(run: str, topic: str, message: Json) -> None:
            raise ConnectionError("away")

        monkeypatch.setattr(use_cases.automation.engine, "send", send)
        assert (await answer(client, question, "refuse")).json()["decision"] == "refused"
    target = asking(flags)
    flags.down("a")
    async with watching(tmp_path / "data", target, healthy=False, **place) as (client, _):
        story = await incident_of(client, "a", "escalated")
        assert (story["id"], "refused" in story["detail"]) == (question["incident"], True)
        past = (await client.get(f"/approvals/{question['id']}")).json()
        assert past["decision"] == "refused"


@pytest.mark.asyncio
async def test_question_that_nobody_answers_is_a_no(tmp_path: Path, flags: Flags) -> None:
    """It expires, which is on record, and the incident goes to people."""
    async with watching(tmp_path / "data", asking(flags, approval_timeout=0.5)) as (client, _):
        flags.down("a")
        question = await question_of(client, "a")
        await incident_of(client, "a", "escalated")
        past = (await client.get(f"/approvals/{question['id']}")).json()
        assert (past["decision"], past["decided_by"], past["answers"]) == ("expired", None, [])
        assert (await answer(client, question, "approve", confirm=True)).status_code == 409


@pytest.mark.asyncio
async def test_questions_are_listed_page_by_page_and_by_service(
    tmp_path: Path, database_url: str, flags: Flags
) -> None:
    """Newest first; answered ones only when asked for."""
    targets = [asking(flags, name) for name in ("a", "b", "c")]
    async with watching(tmp_path / "data", *targets, database_url=database_url) as (client, _):
        for name in ("a", "b", "c"):
            flags.down(name)
            await question_of(client, name)
        assert (await answer(client, await question_of(client, "b"), "refuse")).status_code == 200
        await shown(client, "/approvals", lambda body: [item["target"] for item in body["items"]] == ["c", "a"])
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            query = {"all": "true", "limit": "1"} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/approvals", params=query)).json()
            seen += [item["target"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert seen == ["c", "b", "a"]
        only = (await client.get("/approvals", params={"service": "b", "all": "true"})).json()
        assert [item["target"] for item in only["items"]] == ["b"]
        assert (await client.get("/approvals", params={"service": "b"})).json()["items"] == []


@pytest.mark.asyncio
async def test_questions_that_stand_are_shown_while_the_database_is_away(
    tmp_path: Path, database_url: str, flags: Flags
) -> None:
    """From memory, with a mark; an answer has to wait for the database, and so does a question that is over."""
    async with watching(tmp_path / "data", asking(flags), database_url=database_url) as (client, use_cases):
        flags.down("a")
        question = await question_of(client, "a")
        with outage(database_url):
            await away(use_cases)
            listed = await client.get("/approvals")
            assert ([item["id"] for item in listed.json()["items"]], STALE in listed.headers) == (
                [question["id"]], True,
            )  # fmt: skip
            assert (await client.get(f"/approvals/{question['id']}")).status_code == 200
            assert (await client.get("/approvals/apr_0")).status_code == 503
            assert (await answer(client, question, "refuse")).status_code == 503
        await back(use_cases)
        assert (await client.get("/approvals/apr_0")).status_code == 404
        assert (await answer(client, question, "refuse")).status_code == 200


@pytest.mark.asyncio
async def test_person_who_started_a_recovery_may_refuse_it_and_not_agree_to_it(tmp_path: Path, flags: Flags) -> None:
    """A second person has to agree to what needs a person."""
    async with watching(tmp_path / "data", asking(flags), enforced=True) as (client, use_cases):
        both = (Binding(Role.OPERATOR, ("a",)), Binding(Role.APPROVER, ("a",)))
        starter, other = await token(use_cases, *both), await token(use_cases, *both)
        begun = await client.post("/recovery/initiate", json={"service": "a", "reason": "by hand"}, headers=starter)
        assert begun.status_code == 202, begun.text
        flags.down("a")
        question = await question_of(client, "a")
        assert await offered(client, question, starter) == ["refuse"]
        assert await offered(client, question, other) == ["approve", "refuse"]
        own = await answer(client, question, "approve", **starter)
        if question["requested_by"] == "system":
            pytest.fail("the question is about the recovery that was started by hand")
        assert (own.status_code, own.json()["code"]) == (409, "conflict")
        assert "another person" in own.json()["detail"]
        assert (await answer(client, question, "approve", **other)).status_code == 200


@pytest.mark.asyncio
async def test_recovery_that_the_stop_switch_holds_back_is_begun_again_and_not_left_to_people(
    tmp_path: Path, flags: Flags
) -> None:
    """A person agrees while automation is stopped: nothing is done, and once it may act the question comes again."""
    async with watching(tmp_path / "data", asking(flags)) as (client, _):
        flags.down("a")
        question = await question_of(client, "a")
        await client.put("/automation/stop-switch", json={"reason": "not now"})
        assert (await answer(client, question, "approve", confirm=True)).status_code == 200
        held = await shown(client, f"/incidents/{question['incident']}", lambda body: "stopped" in body["detail"])
        assert held["state"] == "open"
        await client.delete("/automation/stop-switch")
        again = await question_of(client, "a")
        assert (again["incident"], again["id"] != question["id"]) == (question["incident"], True)


@pytest.mark.asyncio
async def test_target_that_heals_while_a_person_is_asked_is_left_as_it_is(tmp_path: Path, flags: Flags) -> None:
    """The question does not stand any more, and nothing is carried out on what is healthy."""
    async with watching(tmp_path / "data", asking(flags)) as (client, _):
        flags.down("a")
        question = await question_of(client, "a")
        flags.up("a")
        story = await incident_of(client, "a", "resolved")
        assert (story["id"], story["detail"]) == (question["incident"], "it became healthy by itself")
        assert (await answer(client, question, "approve", confirm=True)).status_code == 409
        past = (await client.get(f"/recovery/{question['recovery']}")).json()
        assert "act" not in {step["step"] for step in past["steps"]}
