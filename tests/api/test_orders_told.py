"""Who hears of an operator's order: those who may see a service that uses the circuit."""

from __future__ import annotations

from pathlib import Path

import pytest

from .recovery_rig import join, recovering, report


@pytest.mark.asyncio
async def test_order_is_told_to_readers_of_the_services_that_use_the_circuit(tmp_path: Path) -> None:
    """A circuit that only code configures belongs to nobody in particular, and its name and reason to no others."""
    async with recovering(tmp_path) as (client, use_cases):
        for service in ("billing", "mail"):
            await report(client, await join(client, service), vault="closed")
        answer = await client.post("/circuit-breakers/vault/isolate", json={"reason": "a secret of theirs"})
        assert answer.status_code == 200, answer.text
        told = [fact.service for fact in use_cases.plane.facts.recent(50) if fact.event == "circuit.isolate"]
        assert told == ["billing", "mail"]
