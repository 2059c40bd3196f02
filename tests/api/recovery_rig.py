"""Control planes with a recovery strategy that the test leads step by step."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2

from scrollintel.core.errors import PlanRefusedError
from scrollintel.recovery import Observation, Plan, RecoveryConfig, RecoveryRunner
from scrollintel.replica.protocol import CircuitReport, LevelReport
from scrollintel.security.access import Binding
from scrollintel.security.kinds import TOKENS
from scrollintel.security.tokens import issue
from scrollintel.service.use_cases import UseCases

from .rig import bearer, serving

Json = dict[str, Any]
PATIENCE = 20.0
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Led:
    """A strategy that says when it has begun to act, and ends when the test lets it.

    Arguments:
        outcome: How it ends: "recovered", "failed" (its act raises), "not_needed" or "refused".
        waits: Whether acting waits for `release`.
    """

    name: str = "led"
    service: str = "orders"
    outcome: str = "recovered"
    waits: bool = True
    acting: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)

    def observe(self) -> Observation:
        self.asked.append("observe")
        healthy = self.outcome == "not_needed"
        return Observation(service=self.service, healthy=healthy, symptom="nobody answers", observed_at=NOW)

    def plan(self, observation: Observation) -> Plan | None:
        self.asked.append("plan")
        if self.outcome == "refused":
            raise PlanRefusedError("it was restarted a moment ago")
        if observation.healthy:
            return None
        return Plan(service=self.service, strategy=self.name, actions=("start it",), reason="gone", planned_at=NOW)

    def act(self, plan: Plan) -> None:
        self.asked.append("act")
        self.acting.set()
        if self.waits:
            assert self.release.wait(PATIENCE)
        if self.outcome == "failed":
            raise OSError("no such program")

    def verify(self, plan: Plan) -> bool:
        self.asked.append("verify")
        return True

    def undo(self, plan: Plan) -> None:
        self.asked.append("undo")


@asynccontextmanager
async def recovering(
    directory: Path, *strategies: Led, **options: Any
) -> AsyncIterator[tuple[httpx2.AsyncClient, UseCases]]:
    """Serve a control plane with these strategies, and with their services registered; options are those of `wire`."""
    runner = RecoveryRunner(config=RecoveryConfig(verify_rounds=1000, verify_successes=1, verify_interval=0.02))
    for strategy in strategies:
        runner.register(strategy, service=strategy.service)
    try:
        async with serving(directory, runner=runner, **options) as (client, use_cases):
            if not options.get("enforced"):
                for service in sorted({strategy.service for strategy in strategies} | {"orders"}):
                    await client.post("/services", json={"name": service})
            yield client, use_cases
    finally:
        for strategy in strategies:
            strategy.release.set()


async def start(client: httpx2.AsyncClient, service: str = "orders", **body: Any) -> str:
    """Start a recovery and return its id."""
    answer = await client.post("/recovery/initiate", json={"service": service, **body})
    assert answer.status_code == 202, answer.text
    operation: str = answer.json()["id"]
    assert answer.headers["Location"].endswith(f"/recovery/{operation}")
    return operation


async def shown_when(client: httpx2.AsyncClient, operation: str, so: Callable[[Json], bool]) -> Json:
    """Return a recovery as soon as it is so."""
    shown: Json = {}
    async with asyncio.timeout(PATIENCE):
        while not shown or not so(shown):
            answer = await client.get(f"/recovery/{operation}")
            assert answer.status_code == 200, answer.text
            shown = answer.json()
            await asyncio.sleep(0.005)
    return shown


async def finished(client: httpx2.AsyncClient, operation: str) -> Json:
    """Return a recovery once it has ended."""
    return await shown_when(client, operation, lambda shown: shown["finished_at"] is not None)


async def acting(strategy: Led) -> None:
    """Wait until a strategy acts."""
    assert await asyncio.to_thread(strategy.acting.wait, PATIENCE)


async def until(so: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(PATIENCE):
        while not so():
            await asyncio.sleep(0.005)


async def token(use_cases: UseCases, *bindings: Binding) -> dict[str, str]:
    """Return the header of a fresh token."""
    minted, record = issue(name="test", bindings=bindings, now=use_cases.plane.now)
    await use_cases.plane.change(lambda tx: tx.put(TOKENS, record))
    use_cases.plane.tokens.put(record)
    return bearer(minted.text)


async def join(client: httpx2.AsyncClient, service: str = "orders", instance: str = "one") -> str:
    """Join as a replica of a service and return the id under which it reports."""
    message = {"protocol": 1, "instance": f"{service}-{instance}", "service": service}
    answer = await client.post("/replicas", json=message)
    assert answer.status_code == 200, answer.text
    session: str = answer.json()["replica"]
    return session


async def report(client: httpx2.AsyncClient, session: str, level: int = 0, **circuits: str) -> None:
    """Report circuits by name and state, and the level of the service "orders"."""
    rows = [list(_circuit(name, state)) for name, state in circuits.items()]
    levels = [list(LevelReport("orders", level, "the queue is long", False, 1.0))] if level else []
    answer = await client.post(f"/replicas/{session}/report", json={"full": True, "circuits": rows, "levels": levels})
    assert answer.status_code == 204, answer.text


def _circuit(name: str, state: str) -> CircuitReport:
    return CircuitReport(
        name=name, key=None, state=state, reason="2 failures in a row", since=1.0,
        retry_after=60.0 if state == "open" else None, successes=0, failures=2, slow=0, rejections=0, timeouts=0,
        late=0, ignored=0, abandoned=0, consecutive_failures=2, openings=1, p50=None, p95=None, p99=None, mean=None,
        maximum=None, last_failure_type="ConnectionError", last_failure_at=1.0, probes_in_flight=0,
    )  # fmt: skip
