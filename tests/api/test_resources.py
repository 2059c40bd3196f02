"""Levels, services, policies and recoveries over the API: what a person would try, and what must not be possible."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scrollintel.api.schemas.policies import PolicyPut
from scrollintel.control.declared import Declarations, PolicyDeclaration
from scrollintel.control.records import LEVEL_ORDERS, RECOVERIES, RecoveryOperationRecord
from scrollintel.core.config.breaker import CircuitBreakerConfig
from scrollintel.core.config.policy import Policy
from scrollintel.core.config.presets import PRESETS
from scrollintel.core.config.retry import RetryConfig
from scrollintel.security.access import Binding, Identity, IdentityKind, Role
from scrollintel.service.errors import NameDiffersError
from scrollintel.service.listeners import MAX_LISTENERS, MAX_STREAMS
from scrollintel.testing import ManualClock

from .recovery_rig import token
from .rig import serving

Json = dict[str, Any]


async def finished(client: httpx2.AsyncClient, operation: str) -> Json:
    """Return a recovery once it has ended."""
    for _ in range(200):
        shown: Json = (await client.get(f"/recovery/{operation}")).json()
        if shown["finished_at"] is not None:
            return shown
        await asyncio.sleep(0.02)
    raise AssertionError("the recovery does not end")


def put(name: str, content: Json) -> Json:
    """Return a request body for a policy."""
    return {"policy": {"name": name, **content}}


@pytest.mark.asyncio
async def test_names_in_body_and_path_must_agree(tmp_path: Path) -> None:
    """A policy has its own circuit, and a dry run is about the circuit that it names."""
    async with serving(tmp_path) as (client, _):
        fresh = {"If-None-Match": "*"}
        other = await client.put("/policies/a", json=put("a", {"breaker": {"name": "b"}}), headers=fresh)
        assert (other.status_code, other.json()["code"]) == (422, "name_differs")
        wrong = await client.put("/policies/a", json=put("b", {}), headers=fresh)
        assert (wrong.status_code, wrong.json()["code"]) == (422, "name_differs")
        assert (await client.get("/policies/a")).status_code == 404
        await client.post("/circuit-breakers", json={"configuration": {"name": "a"}})
        dry = await client.post("/circuit-breakers/a/dry-run", json={"configuration": {"name": "b"}})
        assert (dry.status_code, dry.json()["code"]) == (422, "name_differs")


@pytest.mark.asyncio
async def test_policy_takes_a_preset_as_files_do(tmp_path: Path) -> None:
    """What is in force is the policy that comes of it; what is given beside it comes first, and mistakes are told."""
    async with serving(tmp_path) as (client, _):
        fresh = {"If-None-Match": "*"}
        content = {"preset": "goodput", "retry": {"max_attempts": 2}, "breaker": None}
        made = await client.put("/policies/a", json=put("a", content), headers=fresh)
        expected = Policy("a", **{**PRESETS["goodput"]("a"), "retry": RetryConfig(max_attempts=2), "breaker": None})
        assert (made.status_code, made.json()["policy"]) == (200, expected.to_dict())
        wrong = await client.put("/policies/b", json=put("b", {"preset": "goodputs", "max_keys": 0}), headers=fresh)
        told = {item["field"]: (item["value"], item["allowed"]) for item in wrong.json()["violations"]}
        assert wrong.status_code == 422 and len(told) == 2
        assert told["policy.preset"] == ("goodputs", "one of the known presets: goodput; did you mean goodput?")
        near = await client.put("/policies/b", json=put("b", {"presets": "goodput"}), headers=fresh)
        assert near.json()["violations"][0]["allowed"].endswith("preset; did you mean preset?")
        schema = PolicyPut.model_json_schema()["properties"]["policy"]["properties"]
        assert schema["preset"]["anyOf"] == [{"enum": ["goodput"]}, {"type": "null"}]


@pytest.mark.asyncio
async def test_policy_whose_breaker_has_another_name_gets_in_nowhere(tmp_path: Path) -> None:
    """Not by the API, and not as the declaration of a program that wires a control plane itself."""
    content = Policy("a", breaker=CircuitBreakerConfig("b"))
    declared = Declarations(policies=(PolicyDeclaration(content, None, "here"),))
    with pytest.raises(NameDiffersError, match="'b'"):
        async with serving(tmp_path, declared=declared):
            raise AssertionError("it has started")


@pytest.mark.asyncio
async def test_too_many_listeners_are_told_so_under_a_code_of_their_own(tmp_path: Path) -> None:
    """A full house is no trouble with the database: the code says which, and when to come back."""
    async with serving(tmp_path) as (client, use_cases):
        with ExitStack() as places:
            for number in range(MAX_LISTENERS):
                listener = Identity(f"tok_{number}", IdentityKind.TOKEN)
                assert places.enter_context(use_cases.plane.facts.listeners.place(listener))
            for path in ("/events", "/live"):
                refused = await client.get(path)
                assert (refused.status_code, refused.json()["code"]) == (503, "too_many_listeners")
                assert refused.headers["Retry-After"] == "5"


@pytest.mark.asyncio
async def test_one_identity_cannot_take_the_places_of_others(tmp_path: Path) -> None:
    """It is told so, and when to come back; whoever else comes finds a place, and so does it once it has left one."""
    async with serving(tmp_path, enforced=True) as (client, use_cases):
        listeners = use_cases.plane.facts.listeners
        headers = await token(use_cases, Binding(Role.VIEWER, ("*",)))
        greedy = await use_cases.access.bearer(headers["Authorization"])
        assert greedy is not None
        with ExitStack() as places:
            for _ in range(MAX_STREAMS):
                assert places.enter_context(listeners.place(greedy))
            for path in ("/events", "/live"):
                refused = await client.get(path, headers=headers)
                assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
                assert refused.headers["Retry-After"] == "5"
            with listeners.place(greedy) as is_admitted:
                assert not is_admitted
            listeners.require_place(Identity("tok_other", IdentityKind.TOKEN))
        listeners.require_place(greedy)
        assert len(listeners) == 0


@pytest.mark.asyncio
async def test_the_star_names_no_service(tmp_path: Path) -> None:
    """What stands for all services in bindings cannot be registered, degraded or own anything."""
    async with serving(tmp_path) as (client, _):
        answers = [
            await client.post("/services", json={"name": "*"}),
            await client.put("/services/*", json={}, headers={"If-None-Match": "*"}),
            await client.post("/degradation", json={"service": "*", "level": "severe", "reason": "x"}),
            await client.post("/circuit-breakers", json={"configuration": {"name": "a"}, "service": "*"}),
            await client.put("/policies/a", json={**put("a", {}), "service": "*"}, headers={"If-None-Match": "*"}),
        ]
        assert [answer.status_code for answer in answers] == [422] * 5


@pytest.mark.asyncio
async def test_whatever_there_is_must_be_there(tmp_path: Path) -> None:
    """`If-Match: *` changes what exists and creates nothing (RFC 9110, section 13.1.1)."""
    async with serving(tmp_path) as (client, _):
        anything = {"If-Match": "*"}
        assert (await client.put("/policies/a", json=put("a", {}), headers=anything)).status_code == 412
        assert (await client.put("/services/a", json={}, headers=anything)).status_code == 412
        assert (await client.get("/services")).json()["items"] == []
        await client.put("/services/a", json={}, headers={"If-None-Match": "*"})
        assert (await client.put("/services/a", json={"tier": 1}, headers=anything)).headers["ETag"] == '"2"'


@pytest.mark.asyncio
async def test_services_may_not_depend_on_each_other_in_a_circle(tmp_path: Path) -> None:
    """The circle is refused and named, and nothing has changed."""
    async with serving(tmp_path) as (client, _):
        await client.post("/services", json={"name": "a", "depends_on": [{"name": "b"}]})
        refused = await client.post("/services", json={"name": "b", "depends_on": [{"name": "a"}]})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert (await client.get("/services/b")).status_code == 404
        assert (await client.get("/services/a")).json()["depends_on"] == [{"name": "b", "kind": "hard"}]


@pytest.mark.asyncio
async def test_policy_history_is_paged_compared_and_brought_back(tmp_path: Path) -> None:
    """Three revisions and a removal: pages, a diff, and a rollback that revives what was removed."""
    async with serving(tmp_path) as (client, _):
        await client.put("/policies/a", json=put("a", {"retry": {"max_attempts": 2}}), headers={"If-None-Match": "*"})
        for number in (3, 4):
            headers = {"If-Match": f'"{number - 2}"'}
            await client.put("/policies/a", json=put("a", {"retry": {"max_attempts": number}}), headers=headers)
        diff = (await client.get("/policies/a/diff", params={"from": 1, "to": 3})).json()
        assert diff["differences"] == [{"field": "retry.max_attempts", "old": 2, "new": 4}]
        assert (await client.delete("/policies/a")).status_code == 204
        first = (await client.get("/policies/a/revisions", params={"limit": 3})).json()
        assert [(item["revision"], item["deleted"]) for item in first["items"]] == [(4, True), (3, False), (2, False)]
        rest = await client.get("/policies/a/revisions", params={"limit": 3, "cursor": first["next_cursor"]})
        assert [item["revision"] for item in rest.json()["items"]] == [1]
        assert (await client.post("/policies/a/rollback", json={"revision": 4})).status_code == 409
        back = await client.post("/policies/a/rollback", json={"revision": 2})
        assert (back.status_code, back.headers["ETag"]) == (200, '"5"')
        assert (await client.get("/policies/a")).json()["policy"]["retry"]["max_attempts"] == 3


@pytest.mark.asyncio
async def test_level_held_by_hand_is_shown_replaced_and_restored(tmp_path: Path) -> None:
    """A level has its reason, author and end; restoring ends it; what nobody knows cannot be restored."""
    async with serving(tmp_path) as (client, _):
        order = {"service": "orders", "level": "severe", "reason": "the database is slow", "expires_in": 3600}
        assert (await client.post("/degradation", json=order)).json()["level"] == "severe"
        shown = (await client.get("/degradation")).json()["items"]
        assert [(item["service"], item["level"], item["by"]) for item in shown] == [("orders", "severe", "local")]
        assert shown[0]["expires_at"] is not None
        assert (await client.post("/degradation/orders/restore")).status_code == 200
        assert (await client.get("/degradation")).json()["items"] == []
        assert (await client.post("/degradation/nobody/restore")).status_code == 404
        bad = await client.post("/degradation", json={**order, "expires_in": 0})
        assert bad.status_code == 422


@pytest.mark.asyncio
async def test_recovery_is_recorded_from_beginning_to_end(tmp_path: Path) -> None:
    """A recovery of a service that needs nothing ends so, with its steps; the history finds it by its fields."""
    async with serving(tmp_path) as (client, _):
        assert (await client.post("/recovery/initiate", json={"service": "nobody"})).status_code == 404
        await client.post("/services", json={"name": "orders"})
        headers = {"Idempotency-Key": "once"}
        body = {"service": "orders", "failure_type": "slow", "reason": "test"}
        begun = await client.post("/recovery/initiate", json=body, headers=headers)
        assert begun.status_code == 202
        again = await client.post("/recovery/initiate", json=body, headers=headers)
        assert again.json()["id"] == begun.json()["id"]
        ended = await finished(client, begun.json()["id"])
        assert (ended["status"], ended["outcome"]) == ("finished", "not_needed")
        assert ended["steps"][0]["step"] == "observe"
        for wanted, number in (({"service": "orders"}, 1), ({"outcome": "failed"}, 0), ({"failure_type": "slow"}, 1)):
            found = (await client.get("/recovery/history", params=wanted)).json()["items"]
            assert len(found) == number, wanted


@pytest.mark.asyncio
async def test_recovery_that_nobody_runs_any_more_is_ended_and_blocks_no_other(tmp_path: Path) -> None:
    """A record that an outage left running is marked interrupted, and the service can be recovered again."""
    async with serving(tmp_path) as (client, use_cases):
        await client.post("/services", json={"name": "orders"})
        left = RecoveryOperationRecord(
            id="rec_left", service="orders", failure_type="slow", status="running", outcome=None, strategy=None,
            requested_by="local", reason=None, started_at=use_cases.plane.now - timedelta(minutes=1),
            finished_at=None, duration=None,
        )  # fmt: skip
        await use_cases.plane.change(lambda tx: tx.put(RECOVERIES, left))
        assert (await client.post("/recovery/initiate", json={"service": "orders"})).status_code == 409
        await use_cases.recovery.mark_interrupted()
        assert (await client.get("/recovery/rec_left")).json()["status"] == "interrupted"
        assert (await client.post("/recovery/initiate", json={"service": "orders"})).status_code == 202


@pytest.mark.asyncio
async def test_numbers_are_read_as_json_schema_means_them(tmp_path: Path) -> None:
    """What is whole is an integer however it is written; what no reader can hold is refused."""
    async with serving(tmp_path) as (client, _):
        json_body = {"Content-Type": "application/json"}
        whole = b'{"name": "orders", "tier": 1.0}'
        made = await client.post("/services", content=whole, headers=json_body)
        assert (made.status_code, made.json()["tier"]) == (201, 1)
        part = await client.post("/services", content=whole.replace(b"1.0", b"1.5"), headers=json_body)
        assert part.status_code == 422
        for value in (b"1e400", b"-1e400", b"9007199254740992", b"NaN"):
            content = b'{"value": ' + value + b"}"
            headers = {**json_body, "If-None-Match": "*"}
            refused = await client.put("/configuration/a", content=content, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (400, "malformed_json"), value


@pytest.mark.asyncio
async def test_level_with_an_end_is_over_at_its_second(tmp_path: Path) -> None:
    """It holds until then and not a moment longer, whether or not the record was cleared; the log tells the end."""
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as (client, use_cases):
        await client.post("/services", json={"name": "orders"})
        order = {"service": "orders", "level": "severe", "reason": "slow", "expires_in": 60}
        made = (await client.post("/degradation", json=order)).json()
        clock.advance(59.5)
        assert (await client.get("/degradation/orders")).json() == made
        clock.advance(0.5)
        assert (await client.get("/degradation/orders")).json()["level"] == "none"
        assert (await client.get("/degradation")).json()["items"] == []
        await use_cases.degradation.expire()
        (ended,) = (await client.get("/audit", params={"action": "degradation.expire"})).json()["items"]
        assert (ended["target"], ended["actor"], ended["after"]) == ("orders", "system", None)
        assert use_cases.plane.records.values(LEVEL_ORDERS) == []
