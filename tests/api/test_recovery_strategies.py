"""Which strategies a recovery tries, and what the built-in ones do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from scrollintel.security.access import Binding, Role

from .recovery_rig import Led, finished, join, recovering, report, shown_when, start, token


async def names(client: httpx2.AsyncClient, service: str) -> list[tuple[str, bool]]:
    """Return the strategies of a service, and whether each is tried without being named."""
    answer = await client.get("/recovery/strategies", params={"service": service})
    assert answer.status_code == 200, answer.text
    return [(item["name"], item["default"]) for item in answer.json()["items"]]


@pytest.mark.asyncio
async def test_strategies_of_a_service_are_listed_with_what_is_tried_by_default(tmp_path: Path) -> None:
    """Registered ones come first and are the default; without any it is the reset of circuits."""
    async with recovering(tmp_path, Led(), Led(name="other", service="billing")) as (client, use_cases):
        await client.post("/services", json={"name": "plain"})
        assert await names(client, "orders") == [("led", True), ("reset-circuits", False), ("restore-level", False)]
        assert await names(client, "plain") == [("reset-circuits", True), ("restore-level", False)]
        use_cases.recovery.runner.register(Led("hung-only"), service="plain", failure_types=["hung"])
        assert await names(client, "plain") == [
            ("hung-only", True), ("reset-circuits", True), ("restore-level", False),
        ]  # fmt: skip
        use_cases.recovery.runner.register(Led("restore-level"), service="plain")
        assert await names(client, "plain") == [
            ("hung-only", True), ("restore-level", True), ("reset-circuits", False),
        ]  # fmt: skip
        assert (await client.get("/recovery/strategies", params={"service": "nobody"})).status_code == 404
        assert (await client.get("/recovery/strategies")).status_code == 422


@pytest.mark.asyncio
async def test_recovery_by_strategies_that_there_are_none_of_names_each_and_the_choices(tmp_path: Path) -> None:
    """Every wrong name is a violation of its own that tells what could be named; nothing is started."""
    async with recovering(tmp_path, Led()) as (client, _):
        body = {"service": "orders", "strategies": ["reboot", "led", "led", "pray"]}
        refused = await client.post("/recovery/initiate", json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed")
        assert refused.json()["violations"] == [
            {"field": f"strategies.{number}", "value": name,
             "allowed": "one of led, reset-circuits, restore-level, each once"}
            for number, name in ((0, "reboot"), (2, "led"), (3, "pray"))
        ]  # fmt: skip
        assert (await client.get("/recovery/history")).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "tried"),
    [
        ({}, ["first", "second"]),
        ({"failure_type": "hung"}, ["first", "second", "hung-only"]),
        ({"strategies": ["second", "first"]}, ["second", "first"]),
        ({"strategies": ["hung-only"]}, ["hung-only"]),
        ({"strategies": ["restore-level", "first"]}, ["restore-level", "first"]),
    ],
)
@pytest.mark.asyncio
async def test_recovery_tries_what_is_named_or_registered_in_that_order(
    tmp_path: Path, body: dict[str, Any], tried: list[str]
) -> None:
    """Names are tried in the order of the request, whatever failure they are registered for."""
    strategies = [Led(name, outcome="failed", waits=False) for name in ("first", "second")]
    async with recovering(tmp_path, *strategies) as (client, use_cases):
        special = Led("hung-only", outcome="failed", waits=False)
        use_cases.recovery.runner.register(special, service="orders", failure_types=["hung"])
        ended = await finished(client, await start(client, **body))
        assert list(dict.fromkeys(step["strategy"] for step in ended["steps"])) == tried


@pytest.mark.asyncio
async def test_recovery_resets_the_circuits_that_refuse_calls_and_leaves_isolated_ones(tmp_path: Path) -> None:
    """The reset is ordered under the name of the control plane with the reason; it ends when replicas admit again."""
    async with recovering(tmp_path) as (client, _):
        session = await join(client)
        await report(client, session, payments="open", stock="closed", mail="isolated")
        operation = await start(client)
        await shown_when(client, operation, lambda shown: len(shown["steps"]) == 4)
        await report(client, session, payments="closed", stock="closed", mail="isolated")
        ended = await finished(client, operation)
        assert (ended["outcome"], ended["strategy"]) == ("recovered", "reset-circuits")
        assert ended["steps"][1]["detail"] == "reset the circuit payments on every replica"
        resets = (await client.get("/audit", params={"action": "circuit.reset"})).json()["items"]
        assert [(item["target"], item["actor"]) for item in resets] == [("payments", "system")]
        assert resets[0]["reason"] == "ordered by the recovery of orders, which local asked for"


@pytest.mark.asyncio
async def test_recovery_does_nothing_that_who_asked_may_not_do_by_themselves(tmp_path: Path) -> None:
    """An operator of one service resets no circuit that another service uses as well, also not by a recovery."""
    async with recovering(tmp_path) as (client, use_cases):
        for service in ("orders", "billing"):
            session = await join(client, service)
            await report(client, session, shared="open")
        operator = await token(use_cases, Binding(Role.OPERATOR, ("orders",)))
        assert (await client.post("/circuit-breakers/shared/reset", headers=operator)).status_code == 403
        begun = await client.post("/recovery/initiate", json={"service": "orders"}, headers=operator)
        assert begun.status_code == 202
        ended = await finished(client, begun.json()["id"])
        assert ended["outcome"] == "refused"
        assert "other services use these circuits" in ended["steps"][-1]["detail"]
        assert (await client.get("/audit", params={"action": "circuit.reset"})).json()["items"] == []


@pytest.mark.asyncio
async def test_recovery_restores_a_level_only_when_that_is_named(tmp_path: Path) -> None:
    """Who holds a level wanted it: the default leaves it, "restore-level" ends it and waits for the replicas."""
    async with recovering(tmp_path) as (client, _):
        level = {"service": "orders", "level": "severe", "reason": "the queue is long"}
        assert (await client.post("/degradation", json=level)).status_code == 200
        await finished(client, await start(client))
        assert len((await client.get("/degradation")).json()["items"]) == 1
        session = await join(client)
        await report(client, session, level=3)
        operation = await start(client, strategies=["restore-level"])
        verifying = await shown_when(client, operation, lambda shown: len(shown["steps"]) == 4)
        assert verifying["steps"][0]["detail"] == "is held at severe: the queue is long"
        await report(client, session)
        ended = await finished(client, operation)
        assert (ended["outcome"], ended["strategy"]) == ("recovered", "restore-level")
        assert (await client.get("/degradation")).json()["items"] == []
        again = await finished(client, await start(client, strategies=["restore-level"]))
        assert (again["outcome"], again["steps"][0]["detail"]) == ("not_needed", "is not degraded")
