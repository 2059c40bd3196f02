"""Totals of a circuit that several services use are shown to nobody who may see only some of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from scrollintel.security.access import Binding, Role
from scrollintel.security.kinds import TOKENS
from scrollintel.security.tokens import issue

from .rig import bearer, serving


@pytest.mark.asyncio
async def test_metrics_of_a_shared_circuit_need_the_scope_of_every_service(tmp_path: Path) -> None:
    """A viewer of one service sees the circuit's own part, and neither its history nor a dry run over all calls."""
    async with serving(tmp_path) as (client, use_cases):
        row = ["shared", None, "closed", "created", 1.0, None, *[0] * 10, *[None] * 5, None, None, 0]
        for service in ("a", "b"):
            join = {"protocol": 1, "instance": f"replica-{service}", "service": service}
            session = (await client.post("/replicas", json=join)).json()["replica"]
            report = await client.post(f"/replicas/{session}/report", json={"full": True, "circuits": [row]})
            assert report.status_code == 204
        tokens = {}
        for name, services in (("one", ("a",)), ("all", ("*",))):
            minted, record = issue(name=name, bindings=[Binding(Role.VIEWER, services)], now=use_cases.plane.now)
            await use_cases.plane.change(lambda tx, record=record: tx.put(TOKENS, record))  # type: ignore[misc]
            use_cases.plane.tokens.put(record)
            tokens[name] = bearer(minted.text)
        proposal = {"configuration": {"name": "shared"}}
        for name, status in (("one", 403), ("all", 200)):
            headers = tokens[name]
            assert (await client.get("/circuit-breakers/shared", headers=headers)).status_code == 200
            history = await client.get("/metrics/history", params={"circuit": "shared"}, headers=headers)
            assert history.status_code == status
            dry = await client.post("/circuit-breakers/shared/dry-run", json=proposal, headers=headers)
            assert dry.status_code == status
