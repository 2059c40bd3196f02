"""Dry runs over the API: what there is to compare with, and what is taken for granted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, overload

import pytest

from scrollintel.control.dry_run import MAX_CALLS, Bucket
from scrollintel.core.config.breaker import CircuitBreakerConfig
from scrollintel.service.dry_runs import DryRuns
from scrollintel.storage.transaction import Transaction

from .rig import serving


def second(start: datetime, successes: int, failures: int) -> dict[str, Any]:  # Any: the columns' values
    """Return a row of what a circuit did in a second."""
    return {
        "circuit": "payments", "resolution": 1, "bucket_start": start, "service": "orders", "successes": successes,
        "failures": failures, "slow": 0, "rejections": 0, "timeouts": 0, "p50": None, "p95": None, "p99": None,
        "mean": None, "max": None, "replicas": 1,
    }  # fmt: skip


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
        assert (found["complete"], found["replayed_since"]) == (True, None)
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


@pytest.mark.asyncio
async def test_dry_run_of_more_calls_than_it_takes_tells_from_when_on_they_were_replayed(tmp_path: Path) -> None:
    """The newest calls are replayed, under both configurations, and the answer says that older ones are left out."""
    async with serving(tmp_path) as (client, use_cases):
        await client.post("/circuit-breakers", json={"configuration": {"name": "payments"}})
        end = use_cases.plane.now.replace(microsecond=0)

        def record(tx: Transaction) -> None:
            tx.append("fault_tolerance_metrics", **second(end - timedelta(seconds=20), 0, MAX_CALLS))
            tx.append("fault_tolerance_metrics", **second(end - timedelta(seconds=10), MAX_CALLS, 0))

        await use_cases.plane.change(record)
        ask = {"configuration": {"name": "payments"}, "since": (end - timedelta(seconds=60)).isoformat()}
        found = (await client.post("/circuit-breakers/payments/dry-run", json=ask)).json()
        assert not found["complete"]
        assert (found["proposed"]["calls"], found["present"]["calls"]) == (MAX_CALLS, MAX_CALLS)
        assert datetime.fromisoformat(found["replayed_since"]) == end - timedelta(seconds=10)
        assert found["proposed"]["openings"] == 0


class Held(Sequence[Bucket]):
    """Nothing that was recorded, which says when somebody looks at it and lets them wait."""

    def __init__(self) -> None:
        self.seen, self.release = threading.Event(), threading.Event()

    def __len__(self) -> int:
        self.seen.set()
        assert self.release.wait(20.0)
        return 0

    @overload
    def __getitem__(self, place: int) -> Bucket: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Bucket]: ...
    def __getitem__(self, place: int | slice) -> Bucket | Sequence[Bucket]:
        raise IndexError(place)


@pytest.mark.asyncio
async def test_dry_runs_take_turns() -> None:
    """However many are asked for, one runs at a time; the next begins when it has ended."""
    runs, config = DryRuns(), CircuitBreakerConfig("payments")
    first, second = Held(), Held()
    one = asyncio.create_task(runs.compare(config, None, first))
    assert await asyncio.to_thread(first.seen.wait, 20.0)
    other = asyncio.create_task(runs.compare(config, config, second))
    second.release.set()
    assert not await asyncio.to_thread(second.seen.wait, 0.05)
    first.release.set()
    assert (await one)[1] is None
    assert (await other)[1] is not None and second.seen.is_set()
