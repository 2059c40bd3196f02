"""Who hears of an operator's order: those who may see a service that uses the circuit."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from scrollintel.service.use_cases import UseCases

from .recovery_rig import join, recovering, report, start, until


def told_of(use_cases: UseCases, event: str) -> list[str | None]:
    """Return the services whose readers have heard of an event, in their order."""
    return [fact.service for fact in use_cases.plane.facts.recent(50) if fact.event == event]


@pytest.mark.asyncio
async def test_order_is_told_to_readers_of_the_services_that_use_the_circuit(tmp_path: Path) -> None:
    """A circuit that only code configures belongs to nobody in particular, and its name and reason to no others."""
    async with recovering(tmp_path) as (client, use_cases):
        for service in ("billing", "mail"):
            await report(client, await join(client, service), vault="closed")
        answer = await client.post("/circuit-breakers/vault/isolate", json={"reason": "a secret of theirs"})
        assert answer.status_code == 200, answer.text
        assert told_of(use_cases, "circuit.isolate") == ["billing", "mail"]


@pytest.mark.asyncio
async def test_order_of_a_recovery_is_told_to_readers_of_the_services_that_it_is_about(tmp_path: Path) -> None:
    """Where callers are pointed to is told to those who see the service there, a circuit to those who see its users."""
    async with recovering(tmp_path) as (client, use_cases):
        for service in ("billing", "mail"):
            await report(client, await join(client, service), vault="closed")
        orders = use_cases.automation.equipment.orders("storage")
        await asyncio.to_thread(orders.point, "vault", "10.0.0.7:5432", "the old one is gone")
        for order, event in (
            (orders.isolate_circuit, "isolate"),
            (orders.release_circuit, "close"),
            (orders.reset_circuit, "reset"),
        ):
            await asyncio.to_thread(order, "vault", "the recovery of storage")
            await until(lambda event=event: bool(told_of(use_cases, f"circuit.{event}")))  # type: ignore[misc]
            assert told_of(use_cases, f"circuit.{event}") == ["billing", "mail"]
        assert told_of(use_cases, "endpoint.pointed") == ["storage"]
        (entry,) = (await client.get("/audit", params={"action": "endpoint.point"})).json()["items"]
        assert entry["service"] == "storage"


@pytest.mark.asyncio
async def test_resets_of_a_recovery_by_hand_are_told_to_readers_of_the_services_that_use_the_circuits(
    tmp_path: Path,
) -> None:
    """As those of an operator are."""
    async with recovering(tmp_path) as (client, use_cases):
        await report(client, await join(client, "orders"), vault="open")
        await start(client, "orders", strategies=["reset-circuits"])
        await until(lambda: bool(told_of(use_cases, "circuit.reset")))
        assert told_of(use_cases, "circuit.reset") == ["orders"]
