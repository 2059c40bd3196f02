"""Recoveries: started on request or by automation, executed by an engine, recorded step by step from begin to end."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..control.incidents import INCIDENT_EVENTS, INCIDENTS
from ..control.records import RECOVERIES, SERVICES, RecoveryOperationRecord
from ..durable.performing import Engine
from ..recovery.runner import RecoveryConfig, RecoveryRunner
from ..security.access import Permission
from ..storage.errors import StoreUnavailableError
from ..storage.transaction import Transaction
from .automation.performer import Performer
from .automation.record_keeper import RecordKeeper
from .automation.run_notes import end_note, interrupted
from .caller import Caller
from .errors import ConflictError, MissingError
from .plane import ControlPlane
from .recovery_history import RecoveryHistory
from .recovery_runs import run_document
from .recovery_strategies import Strategies

BUILT_IN_PATIENCE = RecoveryConfig(verify_rounds=10, verify_interval=0.5, timeout=30.0)
MAX_RUNNING = 16
"""Recoveries at once in an engine without durability; further ones are pending until one of them ends."""
LAUNCH_WAIT = 30.0
"""Seconds from which a recovery that was asked for here and has not begun counts as one that nobody runs."""
STOP_WAIT = 1.0
"""Seconds that a step may take to end when the service stops, and seconds that writing the ends may take."""
STOP_LOOK = 0.02
ENGINE_WAIT, ENGINE_LOOK = 10.0, 0.1
"""Seconds that a recovery waits for an engine that starts or whose database is away, and seconds between two looks."""
LOST = "its engine does not know it any more"
RESTARTED = "the control plane went away while it ran"
STOPPED = "the control plane was stopped while it ran"

logger = logging.getLogger("scrollintel.recovery")


@dataclass(frozen=True, slots=True)
class Wish:
    """A recovery that somebody wants.

    Arguments:
        service: What is to be recovered: a service, or a target that is watched.
        failure_type: What from, as strategies know it.
        reason: For the audit log, or None.
        strategies: Names of those to be tried, in order; see `Strategies` for what is tried when it is empty.
    """

    service: str
    failure_type: str = "unknown"
    reason: str | None = None
    strategies: tuple[str, ...] = ()


class Recoveries:
    """The use cases around recoveries. On the event loop.

    Arguments:
        plane: The control plane.
        strategies: What recoveries can name.
        keeper, performer, engine: What writes, performs and runs them.
    """

    def __init__(
        self,
        plane: ControlPlane,
        strategies: Strategies,
        *,
        keeper: RecordKeeper,
        performer: Performer,
        engine: Engine,
    ) -> None:
        self._plane = plane
        self._keeper = keeper
        self._performer = performer
        self._engine = engine
        self.strategies = strategies
        self.history = RecoveryHistory(plane, keeper)
        self.on_ended: Callable[[RecoveryOperationRecord], object] = lambda record: None
        """Is told of every recovery that was carried out and is over."""
        self._asked_for: dict[str, float] = {}  # id → monotonic time, until the engine has it
        self.waiting: Callable[[], Collection[str]] = tuple
        """Gives the recoveries that automation has begun and the engine could not take yet."""
        self.stopped: Callable[[], str | None] = lambda: None
        """Tells why all automation is stopped, or None."""
        self._look: asyncio.Task[None] | None = None
        self._stopping = False
        plane.on_serving.append(lambda: plane.on_loop(self._look_soon))

    @property
    def runner(self) -> RecoveryRunner:
        """The strategies that this process has registered."""
        return self.strategies.runner

    def require_known(self, caller: Caller, service: str) -> None:
        """Raise MissingError unless there is such a service and the caller may know of it."""
        owner = self.strategies.service_of(service)
        known = owner is not None or self._plane.records.get(SERVICES, service) is not None
        known = known or any(session.service == service for session in self._plane.fleet.sessions())
        if not known or not caller.sees(Permission.RECOVERY_READ, owner or service):
            raise MissingError("service", service)

    def may_start(self, caller: Caller, wish: Wish) -> None:
        """Raise unless the caller may start such a recovery of a service that is known.

        Raises:
            MissingError: when there is no service of that name that the caller may see.
            AccessDeniedError: when the caller may not do what the recovery would.
            ConfigError: naming each strategy that there is none of.
        """
        self.require_known(caller, wish.service)
        caller.require_for_new(Permission.RECOVERY_START, self.strategies.service_of(wish.service) or wish.service)
        self.strategies.check(caller, wish.service, wish.failure_type, wish.strategies)

    def begin(self, tx: Transaction, caller: Caller, wish: Wish) -> RecoveryOperationRecord:
        """Record a recovery, which starts as soon as that is on disk.

        Raises:
            ConflictError: when the service is being recovered already.
            StoreUnavailableError: when the control plane is about to stop.
        """
        if self._stopping or self._plane.stopping:
            raise StoreUnavailableError("the control plane is stopping", retry_after=2.0)
        for known in tx.values(RECOVERIES):
            if (known.target or known.service) == wish.service and known.finished_at is None:
                raise ConflictError(f"the service {wish.service!r} is being recovered already, by {known.id}")
        stopped = self.stopped()
        if stopped is not None:
            raise ConflictError(stopped)
        remedies = self.strategies.remedies(caller, wish.service, wish.failure_type, wish.strategies)
        service = self.strategies.service_of(wish.service) or wish.service
        record = RecoveryOperationRecord(
            id=f"rec_{secrets.token_hex(8)}",
            service=service,
            failure_type=wish.failure_type,
            status="pending",
            outcome=None,
            strategy=None,
            requested_by=caller.identity.id,
            reason=wish.reason,
            started_at=tx.now,
            finished_at=None,
            duration=None,
            target=wish.service,
            remedies=tuple(remedies),
        )
        tx.put(RECOVERIES, record)
        tx.audit(
            caller.entry(
                "recovery.start",
                "recovery",
                record.id,
                at=tx.now,
                service=service,
                reason=wish.reason,
                after={"failure_type": wish.failure_type, "strategies": list(wish.strategies)},
            )
        )
        told = {"id": record.id, "failure_type": wish.failure_type, "strategies": list(wish.strategies)}
        self._plane.tell(tx, "recovery.started", told, service=service)
        self._asked_for[record.id] = self._plane.clock.monotonic()
        for incident in tx.values(INCIDENTS):
            if incident.target == wish.service and not incident.state.is_over:
                tx.append(
                    INCIDENT_EVENTS, incident=incident.id, at=tx.now, kind="by_hand", actor=caller.identity.id,
                    detail=f"{record.id} was started by {caller.identity.id}", data={"recovery": record.id},
                )  # fmt: skip
        tx.afterwards(lambda: self._plane.on_loop(self._launch, record))
        return record

    def cancel(self, operation: str, by: str, reason: str) -> None:
        """End a recovery after the step that it is in."""
        why = f"cancelled by {by}: {reason}"
        self._performer.end(operation, why)
        self._engine.cancel(operation, why)

    def finished(self, run: Mapping[str, Any], record: RecoveryOperationRecord) -> None:  # Any: JSON values
        """Hear that a recovery is over; from its thread."""
        self._plane.on_loop(self._ended, record)

    def _ended(self, record: RecoveryOperationRecord) -> None:
        self.history.note(record)
        self.on_ended(record)

    # ------------------------------------------------------------------ life

    def _launch(self, record: RecoveryOperationRecord) -> None:
        if not self._stopping:
            task = asyncio.get_running_loop().create_task(
                self._submit(record), name=f"scrollintel recovery {record.id}"
            )
            task.add_done_callback(lambda _: self._asked_for.pop(record.id, None))

    async def _submit(self, record: RecoveryOperationRecord) -> None:
        deadline = self._plane.clock.monotonic() + ENGINE_WAIT
        try:
            while not await asyncio.to_thread(self._taken_by_engine, record):
                if self._stopping or self._plane.clock.monotonic() >= deadline:
                    raise ConnectionError
                await asyncio.sleep(ENGINE_LOOK)
        except Exception as error:  # the engine's database is away: the end is written, nothing was done
            logger.warning("recovery %s cannot begin: %s", record.id, type(error).__name__)
            now = datetime.fromtimestamp(self._plane.clock.time(), self._plane.now.tzinfo)
            ended = interrupted(record, now, "the engine that runs recoveries cannot be used now; nothing was done")
            await asyncio.to_thread(self._keeper.save, end_note(ended))
            self.history.note(ended)

    def _taken_by_engine(self, record: RecoveryOperationRecord) -> bool:
        try:
            self._engine.submit(run_document(record))
        except ConnectionError:  # it starts, or its database is away
            return False
        return True

    def _look_soon(self) -> None:
        """Look for recoveries of the life before, now that the database can be written."""
        self.history.renew()
        if not self._stopping:
            self._look = asyncio.get_running_loop().create_task(self._look_now(), name="scrollintel recoveries")

    async def _look_now(self) -> None:
        with suppress(StoreUnavailableError):  # the loop that calls `mark_interrupted` goes on
            await self.mark_interrupted()

    async def mark_interrupted(self) -> None:
        """Write what an outage has kept from being written, and give an end to recoveries that nobody runs."""
        if not self._plane.serving or self._stopping:
            return
        await self._keeper.flush()
        await self.history.load()
        horizon = self._plane.clock.monotonic() - LAUNCH_WAIT
        for name in [name for name, at in list(self._asked_for.items()) if at < horizon]:
            self._asked_for.pop(name, None)
        taken = await asyncio.to_thread(self._taken)
        if taken is None:
            return
        for record in self._keeper.records(RECOVERIES.name):
            if record.id in taken or record.id in self._asked_for or record.id in self.waiting():
                continue
            if record.incident is None:
                await self._end(record, RESTARTED)
            elif (self._plane.now - record.started_at).total_seconds() > LAUNCH_WAIT:
                await self._end(record, LOST)

    def _taken(self) -> set[str] | None:
        """Return the recoveries that an engine runs or will run; None while that cannot be told."""
        unfinished = self._engine.unfinished()
        return None if unfinished is None else unfinished | self._engine.running()

    async def _end(self, record: RecoveryOperationRecord, why: str) -> None:
        ended = interrupted(record, self._plane.now, self._performer.ended_by(record.id) or why)
        await asyncio.to_thread(self._keeper.save, end_note(ended))
        self._performer.forget(record.id)
        self.history.note(ended)
        if ended.incident is not None:
            self._performer.tell_ended(run_document(ended), ended)

    async def stop(self) -> None:
        """End what runs after the steps that it is in; what only lives in this process is marked as interrupted.

        Takes `STOP_WAIT` seconds for each of both; what cannot be written is marked at the next start.
        """
        self._stopping = True
        if self._engine.is_durable:
            await asyncio.to_thread(self._engine.stop, STOP_WAIT)
            return
        running = self._performer.running()
        for notes in running.values():
            notes.end(STOPPED)
        for name in self._engine.running():
            self._engine.cancel(name, STOPPED)
        deadline = self._plane.clock.monotonic() + STOP_WAIT
        while self._engine.running() and self._plane.clock.monotonic() < deadline:  # noqa: ASYNC110 - threads end there
            await asyncio.sleep(STOP_LOOK)
        await asyncio.to_thread(self._engine.stop, STOP_WAIT)
        left = self._keeper.records(RECOVERIES.name) if self._plane.serving else []
        if left:
            known = [running[record.id].record if record.id in running else record for record in left]
            await asyncio.wait([asyncio.create_task(self._end_quietly(record)) for record in known], timeout=STOP_WAIT)

    async def _end_quietly(self, record: RecoveryOperationRecord) -> None:
        with suppress(StoreUnavailableError):
            await self._end(record, STOPPED)
