"""Dry runs over the API: what there is to compare with, and what is taken for granted."""

from __future__ import annotations

from pathlib import Path

import pytest

from .rig import serving


@pytest.mark.asyncio
async def test_dry_run_tells_its_assumptions_and_compares_with_what_is_in_force(tmp_path: Path) -> None:
    """A circuit that the control plane configures is compared with that; nothing is missing then."""
    async with serving(tmp_path) as (client, _):
        await client.post("/circuit-breakers", json={"configuration": {"name": "payments"}})
        counting = {"window_kind": "count", "window": 10, "minimum_calls": 10}
        slow = {"slow_call_duration": 1, "slow_call_rate": 0.5}
        body = {"configuration": {"name": "payments", **counting, **slow}}
        found = (await client.post("/circuit-breakers/payments/dry-run", json=body)).json()
        assert (found["present"]["calls"], found["present_missing"], found["replayed_until"]) == (0, None, None)
        assert any("A call is slow when the configuration of then said so" in text for text in found["assumptions"])


@pytest.mark.asyncio
async def test_dry_run_of_a_circuit_that_only_code_configures_says_why_nothing_is_compared(tmp_path: Path) -> None:
    """Replicas do not report configurations, so the answer says that instead of leaving a riddle."""
    async with serving(tmp_path) as served:
        await served.client.post("/circuit-breakers", json={"configuration": {"name": "payments"}})
        await served.client.post("/circuit-breakers/payments/isolate", json={"reason": "test"})
        put = {"policy": {"name": "payments", "retry": {"max_attempts": 2}}}
        done = await served.client.put("/policies/payments", json=put, headers={"If-Match": "*"})
        assert done.status_code == 200
        dry = await served.client.post(
            "/circuit-breakers/payments/dry-run", json={"configuration": {"name": "payments"}}
        )
        assert dry.json()["present"] is None
        assert "the applications' code configures it" in dry.json()["present_missing"]
