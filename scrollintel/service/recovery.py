"""Recoveries: started on request, executed in a thread, recorded from beginning to end."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from ..control.records import RECOVERIES, SERVICES, RecoveryOperationRecord
from ..core.errors import ScrollIntelError
from ..recovery.runner import RecoveryConfig, RecoveryRunner
from ..recovery.strategy import StepResult
from ..security.access import Permission
from ..storage.errors import StoreUnavailableError
from ..storage.transaction import Transaction
from .built_in_recovery import ResetCircuits
from .caller import SYSTEM, Caller
from .circuits import Circuits
from .errors import ConflictError, MissingError
from .plane import ControlPlane

T = TypeVar("T")
LAUNCH_WAIT = timedelta(seconds=5)
"""Age from which a recovery that no task of this process runs counts as interrupted."""
SHUTDOWN_WAIT = 2.0
"""Seconds that a running recovery may take to end when the service stops."""

logger = logging.getLogger("scrollintel.recovery")


class Recoveries:
    """The use cases around recoveries.

    Arguments:
        plane, circuits: The control plane and its circuits.
        runner: Holds the strategies that this process has registered; a service without any is recovered by
            letting its circuits try again.
        config: Patience of that.
    """

    def __init__(
        self,
        plane: ControlPlane,
        circuits: Circuits,
        *,
        runner: RecoveryRunner | None = None,
        config: RecoveryConfig | None = None,
    ) -> None:
        self._plane = plane
        self._circuits = circuits
        self.runner = RecoveryRunner() if runner is None else runner
        self._config = RecoveryConfig(verify_rounds=10, verify_interval=0.5, timeout=30.0) if config is None else config
        self._tasks: set[asyncio.Task[None]] = set()

    def may_start(self, caller: Caller, service: str) -> None:
        """Raise unless the caller may start a recovery of a service that is known; on the event loop."""
        known = self._plane.records.get(SERVICES, service) is not None
        known = known or any(session.service == service for session in self._plane.fleet.sessions())
        if not known or not (
            caller.sees(Permission.RECOVERY_READ, service) or caller.identity.allows(Permission.RECOVERY_START, service)
        ):
            raise MissingError("service", service)
        caller.require_for_new(Permission.RECOVERY_START, service)

    def begin(
        self, tx: Transaction, caller: Caller, service: str, failure_type: str, reason: str | None
    ) -> RecoveryOperationRecord:
        """Record a recovery, which starts as soon as that is on disk.

        Raises:
            ConflictError: when the service is being recovered already.
        """
        for record in tx.values(RECOVERIES):
            if record.service == service:
                raise ConflictError(f"the service {service!r} is being recovered already, by {record.id}")
        record = RecoveryOperationRecord(
            id=f"rec_{secrets.token_hex(8)}",
            service=service,
            failure_type=failure_type,
            status="pending",
            outcome=None,
            strategy=None,
            requested_by=caller.identity.id,
            reason=reason,
            started_at=tx.now,
            finished_at=None,
            duration=None,
        )
        tx.put(RECOVERIES, record)
        tx.audit(
            caller.entry(
                "recovery.start",
                "recovery",
                record.id,
                at=tx.now,
                service=service,
                reason=reason,
                after={"failure_type": failure_type},
            )
        )
        self._plane.tell(tx, "recovery.started", {"id": record.id, "failure_type": failure_type}, service=service)
        tx.afterwards(lambda: self._plane.on_loop(self._launch, record))
        return record

    # ------------------------------------------------------------------ running; on the event loop

    def _launch(self, record: RecoveryOperationRecord) -> None:
        if self._plane.stopping:
            return
        task = asyncio.get_running_loop().create_task(self._guarded(record), name=f"scrollintel recovery {record.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, record: RecoveryOperationRecord) -> None:
        """Run a recovery; when its record cannot be written, it is ended later by `mark_interrupted`."""
        try:
            await self._run(record)
        except StoreUnavailableError:
            logger.warning("recovery %s was cut off: its record cannot be written now", record.id)

    async def _run(self, record: RecoveryOperationRecord) -> None:
        running = replace(record, status="running")
        await self._plane.change(lambda tx: tx.put(RECOVERIES, running))
        loop = asyncio.get_running_loop()

        def on_loop(look: Callable[[], list[str]]) -> list[str]:
            return asyncio.run_coroutine_threadsafe(_call(look), loop).result(10.0)

        runner = self.runner
        if not runner.chain(record.service, record.failure_type):
            runner = RecoveryRunner(config=self._config)
            strategy = ResetCircuits(self._plane, self._circuits, record.service, on_loop, self._plane.clock)
            runner.register(strategy, service=record.service)
        try:
            done = await asyncio.to_thread(runner.recover, record.service, record.failure_type)
        except Exception as error:  # whatever a strategy does, the record has an end
            logger.warning("recovery %s failed: %s", record.id, type(error).__name__, exc_info=error)
            detail = str(error) if isinstance(error, ScrollIntelError) else type(error).__name__
            await self._finish(replace(running, status="finished", outcome="failed", detail=detail[:1000]))
            return
        steps = tuple(_step(step) for step in done.steps)
        await self._finish(
            replace(running, status="finished", outcome=done.outcome.value, strategy=done.strategy, steps=steps)
        )

    async def _finish(self, record: RecoveryOperationRecord) -> None:
        def decide(tx: Transaction) -> None:
            end = replace(record, finished_at=tx.now, duration=max(0.0, (tx.now - record.started_at).total_seconds()))
            tx.put(RECOVERIES, end)
            outcome = "allowed" if end.outcome in ("recovered", "not_needed") else "failed"
            tx.audit(
                SYSTEM.entry(
                    "recovery.finish",
                    "recovery",
                    end.id,
                    at=tx.now,
                    service=end.service,
                    outcome=outcome,
                    after={"outcome": end.outcome, "status": end.status, "strategy": end.strategy},
                )
            )
            self._plane.tell(
                tx,
                "recovery.finished",
                {"id": end.id, "outcome": end.outcome, "status": end.status},
                service=end.service,
            )

        await self._plane.change(decide)

    async def mark_interrupted(self) -> None:
        """Give an end to recoveries that nobody runs: of another life, or cut off by an outage of the database."""
        if not self._plane.serving:
            return
        mine = {task.get_name().rsplit(" ", 1)[1] for task in self._tasks}
        for record in self._plane.records.values(RECOVERIES):
            if record.id not in mine and self._plane.now - record.started_at > LAUNCH_WAIT:
                detail = "the control plane or its database went away while it ran; what it had done is not known"
                await self._finish(replace(record, status="interrupted", outcome="failed", detail=detail))

    async def stop(self) -> None:
        """Wait a moment for what runs; the rest is marked at the next start."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SHUTDOWN_WAIT)
        for task in self._tasks:
            task.cancel()


async def _call(look: Callable[[], list[str]]) -> list[str]:
    return look()


def _step(step: StepResult) -> dict[str, Any]:  # Any: JSON values
    return {
        "strategy": step.strategy,
        "step": step.step.value,
        "succeeded": step.succeeded,
        "started_at": step.started_at.isoformat(),
        "duration": step.duration,
        "detail": step.detail[:1000],
        "verify_rounds": step.verify_rounds,
    }
