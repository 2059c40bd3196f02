"""The screen of whoever is on call: response times, how fast services come back, error budgets, by scope."""

from __future__ import annotations

import time
from array import array
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scrollintel import CircuitBreakerConfig, FaultToleranceManager
from scrollintel.control.incidents import INCIDENTS, IncidentRecord, IncidentState
from scrollintel.core.machines.sketch import LatencySketch
from scrollintel.recovery.target import Heartbeat, Target
from scrollintel.security.access import Binding, Role
from scrollintel.service.automation.configured import AutomationConfig
from scrollintel.service.local import LocalSession
from scrollintel.testing import ManualClock

from ..servers.outage import outage
from .recovery_rig import Json, join, token, until
from .rig import serving


def durations(seconds: float, number: int) -> list[list[int]]:
    """Return calls that took so long, as a replica reports them."""
    sketch = LatencySketch()
    sketch.add(array("d", [seconds]))
    return [[bucket, number] for bucket, counted in enumerate(sketch.counts) if counted]


async def summary(client: httpx2.AsyncClient, headers: dict[str, str] | None = None) -> Json:
    """Return the screen."""
    answer = await client.get("/health/summary", headers=headers)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def tell(client: httpx2.AsyncClient, session: str, **message: Any) -> int:  # Any: JSON values
    """Report, and return the status."""
    return (await client.post(f"/replicas/{session}/report", json=message)).status_code


@pytest.mark.asyncio
async def test_summary_has_the_response_times_of_the_last_minute_that_the_caller_may_see(tmp_path: Path) -> None:
    """Merged over replicas; null before anybody tells of any, and a minute later."""
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as (client, use_cases):
        await use_cases.loops.stop()
        assert (await summary(client))["response_times"] is None
        orders, billing = await join(client), await join(client, "billing", instance="two")
        assert await tell(client, orders, durations=durations(0.010, 90)) == 204
        assert await tell(client, billing, durations=durations(2.0, 10)) == 204
        times = (await summary(client))["response_times"]
        assert times == {"p50": pytest.approx(0.01, rel=0.032), "p95": pytest.approx(2, rel=0.032), "p99": times["p95"]}
        viewer = await token(use_cases, Binding(Role.VIEWER, ("orders",)))
        assert (await summary(client, viewer))["response_times"]["p99"] == times["p50"]
        clock.advance(70)
        assert (await summary(client))["response_times"] is None


@pytest.mark.asyncio
@pytest.mark.parametrize("rows", [[[0, 0]], [[-1, 1]], [[416, 1]], [[0, True]], [[0]], ["x"], {}, [[0, 1]] * 417])
async def test_durations_that_are_none_are_refused(tmp_path: Path, rows: Any) -> None:
    """Nothing of such a report is taken."""
    async with serving(tmp_path) as (client, _):
        assert await tell(client, await join(client), durations=rows) == 422
        assert (await summary(client))["response_times"] is None


@pytest.mark.asyncio
async def test_summary_has_the_response_times_of_calls_in_this_very_process(tmp_path: Path) -> None:
    """From a protected call to the screen."""
    async with serving(tmp_path) as (client, use_cases):
        manager = FaultToleranceManager()
        session = LocalSession(use_cases, manager, service="orders")
        session.attach()
        for _ in range(20):
            manager.execute_blocking(lambda: time.sleep(0.002), circuit_breaker_config=CircuitBreakerConfig("payments"))
        times = (await summary(client))["response_times"]
        assert 0.0019 < times["p50"] <= times["p95"] <= times["p99"] < 1.0


def incident(number: int, service: str, seconds: float | None, at: Any) -> IncidentRecord:
    """Return an incident that was over after so long, or was never repaired."""
    ended = None if seconds is None else at + timedelta(seconds=seconds)
    return IncidentRecord(
        id=f"inc_{number}", target=service, service=service, group=None, failure_type="exited",
        state=IncidentState.CANCELLED if seconds is None else IncidentState.RESOLVED, severity=3, root=None,
        attempts=1, relapses=0, recovery=None, detected_at=at, declared_at=at, ended_at=ended or at, validated_at=ended,
    )  # fmt: skip


@pytest.mark.asyncio
async def test_summary_has_the_mean_time_to_recovery_also_while_the_database_is_away(
    tmp_path: Path, database_url: str
) -> None:
    """Over 30 days and the services that the caller may see; null when nothing was recovered."""
    async with serving(tmp_path, database_url=database_url) as (client, use_cases):
        await use_cases.health.recovery_times.load()
        assert (await summary(client))["mean_time_to_recovery"] is None
        now = use_cases.plane.now - timedelta(days=1)
        records = [
            incident(1, "orders", 10.0, now), incident(2, "orders", 20.0, now), incident(3, "billing", 60.0, now),
            incident(4, "orders", None, now), incident(5, "orders", 1000.0, now - timedelta(days=30)),
        ]  # fmt: skip
        await use_cases.plane.change(lambda tx: [tx.put(INCIDENTS, record) for record in records])
        await use_cases.health.recovery_times.load()
        viewer = await token(use_cases, Binding(Role.VIEWER, ("orders",)))
        assert (await summary(client))["mean_time_to_recovery"] == 30.0
        assert (await summary(client, viewer))["mean_time_to_recovery"] == 15.0
        with outage(database_url):
            await until(lambda: not use_cases.plane.serving)
            await use_cases.health.recovery_times.load()
            assert (await summary(client))["mean_time_to_recovery"] == 30.0


@pytest.mark.asyncio
async def test_summary_has_error_budgets_worst_first(tmp_path: Path) -> None:
    """Of watched services with an objective that the caller may see, as their callers count; null of too few calls."""
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as (client, use_cases):
        targets = [
            Target(name=name, service=name, objective=objective, heartbeat=Heartbeat())
            for name, objective in (("stock", 0.9), ("payments", 0.99), ("quiet", 0.5), ("careless", None))
        ]
        await use_cases.automation.apply(AutomationConfig(targets=tuple(targets)))
        session = await join(client)
        for successes, failures in ((0, 0), (995, 5)):
            rows = [
                [name, None, "closed", "created", 1.0, None, successes, failures, *[0] * 8, *[None] * 7, 0]
                for name in ("payments", "stock")
            ]
            assert await tell(client, session, circuits=rows) == 204
        clock.advance(30)
        assert (await summary(client))["error_budgets"] == [
            {"service": "payments", "objective": 0.99, "burn_1h": 0.5, "burn_6h": 0.5, "left": 0.5},
            {"service": "stock", "objective": 0.9, "burn_1h": 0.05, "burn_6h": 0.05, "left": 0.95},
            {"service": "quiet", "objective": 0.5, "burn_1h": None, "burn_6h": None, "left": None},
        ]
        viewer = await token(use_cases, Binding(Role.VIEWER, ("stock",)))
        assert [item["service"] for item in (await summary(client, viewer))["error_budgets"]] == ["stock"]
