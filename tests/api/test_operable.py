"""Circuits tell whoever looks whether they may steer them: exactly when the order would be carried out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest

from scrollintel.security.access import Binding, Role

from .recovery_rig import join, report, token
from .rig import serving
from .test_live import Page, plane_in

CIRCUITS = {"own": "mine", "shared": "mine", "theirs": "other", "fleet": None}
"""Configured circuits with their services; `shared` runs on a replica of another service as well."""


async def told(client: httpx2.AsyncClient, headers: dict[str, str]) -> dict[str, bool]:
    """Return what the list tells; each circuit's own page has to say the same."""
    listed = (await client.get("/circuit-breakers", headers=headers)).json()["items"]
    found = {item["name"]: item["operable"] for item in listed}
    for name, operable in found.items():
        detail = (await client.get(f"/circuit-breakers/{name}", headers=headers)).json()
        assert detail["operable"] is operable, name
    return found


@pytest.mark.asyncio
async def test_circuit_is_operable_exactly_when_the_order_is_carried_out(tmp_path: Path) -> None:
    """For every role and scope, also when somebody else with the same view has just been answered."""
    async with serving(tmp_path, enforced=True) as (client, use_cases):
        admin = await token(use_cases, Binding(Role.ADMIN, ("*",)))
        for name, service in CIRCUITS.items():
            body = {"configuration": {"name": name}, "service": service}
            (await client.post("/circuit-breakers", json=body, headers=admin)).raise_for_status()
        client.headers.update(await token(use_cases, Binding(Role.REPLICA, ("other",))))
        await report(client, await join(client, "other"), shared="closed", reported="closed")
        del client.headers["Authorization"]
        seen = {}
        for role, place in [(role, place) for place in ("mine", "*") for role in (Role.VIEWER, Role.OPERATOR)]:
            caller = await token(use_cases, Binding(role, (place,)))
            seen[role, place] = await told(client, caller)
            for name, operable in seen[role, place].items():
                order = await client.post(f"/circuit-breakers/{name}/close", json={"reason": "x"}, headers=caller)
                assert (order.status_code == 200) is operable, (role, place, name, order.text)
    nowhere = {"own": False, "shared": False, "fleet": False}
    everywhere = dict.fromkeys([*CIRCUITS, "reported"], True)
    assert seen == {
        (Role.VIEWER, "mine"): nowhere,
        (Role.OPERATOR, "mine"): {**nowhere, "own": True},
        (Role.VIEWER, "*"): dict.fromkeys(everywhere, False),
        (Role.OPERATOR, "*"): everywhere,
    }


@pytest.mark.asyncio
async def test_page_is_told_when_a_circuit_comes_to_be_shared(tmp_path: Path) -> None:
    """A replica that the operator may not see takes a circuit up: from then on it is not theirs alone."""
    async with plane_in(tmp_path) as plane:
        await plane.circuit("payments", "mine")
        (_, operator), (_, viewer) = await plane.token("operator", "mine"), await plane.token("viewer", "mine")
        pages = [await Page.on(plane.server, token) for token in (viewer, operator)]
        for page, operable in zip(pages, (False, True), strict=True):
            await page.until(lambda page: bool(page.messages))
            assert page.circuits["payments"]["operable"] is operable
        heard = await plane.replica("other")
        await heard(circuits=[["payments", None, "closed", "created", 1.0, None, *[0] * 10, *[None] * 7, 0]])
        async with asyncio.timeout(10.0):
            await pages[1].until(lambda page: page.circuits["payments"]["operable"] is False)
        assert "other" not in str(pages[1].messages)
        for page in pages:
            await page.close()
