"""The demo's own supervisor: notice a dead or hung service, bring it back through a recovery strategy."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from scrollintel import CircuitBreaker, CircuitBreakerConfig, CircuitState
from scrollintel.core.errors import PlanRefusedError
from scrollintel.recovery import (
    Observation,
    Plan,
    RecoveryConfig,
    RecoveryRecord,
    RecoveryRunner,
)

from .client import check_health
from .yard import Service

HEALTH = "health of "
"""How the names of the supervisor's own circuits begin."""
PROBE_INTERVAL = 0.1
PATIENCE = 0.3
"""Seconds that a health check waits before the service counts as silent."""
FALL = 3
"""Health checks in a row that must fail before anything is done (HAProxy's `fall`)."""
MOST_RESTARTS = 5
RESTART_WINDOW = 10.0
"""More restarts than that within so many seconds are refused: restarting does not help (systemd's limit)."""


class RestartProcess:
    """Recovery strategy: kill whatever is left of the process and start it anew."""

    def __init__(self, service: Service) -> None:
        self.name = f"restart {service.name}"
        self._service = service
        self._restarts: list[float] = []

    def observe(self) -> Observation:
        """Look at the process and ask it for its health."""
        code = self._service.exit_code()
        healthy, symptom = False, f"process {self._service.pid} ended with {code}"
        if code is None:
            try:
                check_health(self._service, PATIENCE)
                healthy, symptom = True, f"process {self._service.pid} answers"
            except OSError as error:
                symptom = f"process {self._service.pid} is there but does not answer: {type(error).__name__}"
        return Observation(
            service=self._service.name,
            healthy=healthy,
            symptom=symptom,
            observed_at=datetime.now(UTC),
            facts={"pid": self._service.pid, "exit_code": code},
        )

    def plan(self, observation: Observation) -> Plan | None:
        """Restart what is not healthy, unless it has been restarted too often lately."""
        if observation.healthy:
            return None
        now = time.monotonic()
        self._restarts = [moment for moment in self._restarts if now - moment < RESTART_WINDOW]
        if len(self._restarts) >= MOST_RESTARTS:
            raise PlanRefusedError(f"{len(self._restarts)} restarts within {RESTART_WINDOW:g} s did not help")
        return Plan(
            service=observation.service,
            strategy=self.name,
            actions=(f"kill process {self._service.pid} if it exists", "start the program on the same port"),
            reason=observation.symptom,
            planned_at=datetime.now(UTC),
            parameters={"old_pid": self._service.pid},
        )

    def act(self, plan: Plan) -> None:
        """Kill, start, wait until the new process reports that it is ready."""
        self._restarts.append(time.monotonic())
        self._service.kill()
        self._service.start()

    def verify(self, plan: Plan) -> bool:
        """Ask the new process for its health."""
        check_health(self._service, PATIENCE)
        return bool(self._service.pid != plan.parameters["old_pid"])

    def undo(self, plan: Plan) -> None:
        """Remove a process that came up but does not work."""
        self._service.kill()


@dataclass(frozen=True, slots=True)
class Incident:
    """One recovery as it was lived through; times in seconds on the monotonic clock."""

    service: str
    failure_type: str
    noticed: float
    over: float
    record: RecoveryRecord


Watcher = Callable[[str, Incident | None, str], None]
"""Told from the supervisor's threads: the service, the incident once it is over, and a sentence."""


class Supervisor:
    """Checks services in one thread each while on duty; recovers those that fall silent."""

    def __init__(self, services: list[Service], tell: Watcher) -> None:
        config = RecoveryConfig(verify_rounds=50, verify_successes=2, verify_interval=0.05, timeout=30.0)
        self.runner = RecoveryRunner(config=config)
        self.incidents: list[Incident] = []
        self._services = services
        self._tell = tell
        self._over = threading.Event()
        for service in services:
            self.runner.register(RestartProcess(service), service=service.name)

    @contextlib.asynccontextmanager
    async def on_duty(self) -> AsyncIterator[None]:
        """Watch while the block runs; a recovery under way is finished before the block is left."""
        self._over.clear()
        threads = [
            threading.Thread(target=self._watch, args=(service,), name=f"watch {service.name}", daemon=True)
            for service in self._services
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                await asyncio.to_thread(thread.join, 5.0)

    def _watch(self, service: Service) -> None:
        circuit = CircuitBreaker(
            CircuitBreakerConfig(
                name=HEALTH + service.name, failure_threshold=FALL, recovery_timeout=60.0, timeout=None
            )
        )
        while not self._over.wait(PROBE_INTERVAL):
            try:
                circuit.call(check_health, service, PATIENCE)
            except OSError:
                if circuit.state is CircuitState.OPEN:
                    self._recover(service, "process_hung" if service.exit_code() is None else "process_died")
                    circuit.reset()

    def _recover(self, service: Service, failure_type: str) -> None:
        noticed = time.monotonic()
        self._tell(service.name, None, f"supervisor: {service.name} {failure_type.replace('_', ' ')}, recovering")
        record = self.runner.recover(service.name, failure_type)
        incident = Incident(service.name, failure_type, noticed, time.monotonic(), record)
        self.incidents.append(incident)
        steps = ", ".join(f"{step.step.value} {step.duration * 1000:.0f} ms" for step in record.steps)
        self._tell(service.name, incident, f"supervisor: {service.name} {record.outcome.value} ({steps})")
