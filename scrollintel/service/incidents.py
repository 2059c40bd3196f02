"""Incidents and questions as they are looked up, and what people do about incidents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from ..control.incidents import (
    APPROVALS,
    CANCELLED_BY_A_PERSON,
    INCIDENT_EVENTS,
    INCIDENTS,
    ApprovalRecord,
    IncidentRecord,
    IncidentState,
)
from ..control.recovery_notes import IncidentEvent
from ..control.recovery_statistics import statistics
from ..security.access import Permission
from ..storage.errors import StoreUnavailableError
from ..storage.incident_history import (
    ApprovalFilter,
    IncidentFilter,
    approval_by_id,
    approvals,
    incident_by_id,
    incidents,
    timeline,
)
from ..storage.recovery_statistics import ended_recoveries, incident_times
from ..storage.transaction import Transaction
from .automation.record_keeper import RecordKeeper
from .caller import Caller
from .errors import ConflictError, MissingError
from .plane import ControlPlane
from .recovery_history import AWAY

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What was looked up, and whether it is from memory, where ended ones are missing."""

    records: list[T]
    stale: bool


class Incidents:
    """The use cases around incidents. On the event loop.

    Arguments:
        plane: The control plane.
        keeper: Knows what is not in the database yet.
    """

    def __init__(self, plane: ControlPlane, keeper: RecordKeeper) -> None:
        self._plane = plane
        self._keeper = keeper

    # ------------------------------------------------------------------ reading

    def open_ones(self, caller: Caller) -> list[IncidentRecord]:
        """Return the incidents that have not ended and that the caller may see, worst first; from memory."""
        records: list[IncidentRecord] = self._keeper.records(INCIDENTS.name)
        seen = [record for record in records if caller.sees(Permission.RECOVERY_READ, record.service)]
        return sorted(seen, key=lambda record: (record.severity, record.declared_at, record.id))

    async def search(self, wanted: IncidentFilter, limit: int) -> Found[IncidentRecord]:
        """Return incidents, newest first."""
        open_ones: list[IncidentRecord] = self._keeper.records(INCIDENTS.name)
        fitting = [record for record in open_ones if wanted.matches(record)]
        found = await self._asked(lambda: incidents(self._plane.database, wanted, limit))
        return self._merged(found, fitting, limit, lambda record: (record.declared_at, record.id))

    async def find(self, caller: Caller, name: str) -> tuple[IncidentRecord, list[IncidentEvent], bool]:
        """Return one incident with its timeline, and whether it is from memory, without one.

        Raises:
            MissingError: when there is none that the caller may see.
            StoreUnavailableError: when it is not at hand while the database is away.
        """
        record: IncidentRecord | None = self._keeper.find(INCIDENTS.name, name)
        read = await self._asked(lambda: (incident_by_id(self._plane.database, name), self._timeline(name)))
        if read is not None and record is None:
            record = read[0]
        if record is None and read is None:
            raise StoreUnavailableError("the database is away, and no such incident is open")
        if record is None or not caller.sees(Permission.RECOVERY_READ, record.service):
            raise MissingError("incident", name)
        return record, [] if read is None else read[1], read is None

    async def questions(self, wanted: ApprovalFilter, limit: int) -> Found[ApprovalRecord]:
        """Return questions, newest first."""
        standing: list[ApprovalRecord] = self._keeper.records(APPROVALS.name)
        fitting = [record for record in standing if wanted.matches(record)]
        found = await self._asked(lambda: approvals(self._plane.database, wanted, limit))
        return self._merged(found, fitting, limit, lambda record: (record.requested_at, record.id))

    async def question(self, caller: Caller, name: str) -> ApprovalRecord:
        """Return one question.

        Raises:
            MissingError: when there is none that the caller may see.
            StoreUnavailableError: when it is not at hand while the database is away.
        """
        record: ApprovalRecord | None = self._keeper.find(APPROVALS.name, name)
        if record is None:
            if self._plane.writer.state in AWAY:
                raise StoreUnavailableError("the database is away, and no such question stands")
            record = await asyncio.to_thread(approval_by_id, self._plane.database, name)
        if record is None or not caller.sees(Permission.RECOVERY_READ, record.service):
            raise MissingError("approval", name)
        return record

    def _merged(
        self, found: list[T] | None, fitting: list[T], limit: int, place: Callable[[T], tuple[datetime, str]]
    ) -> Found[T]:
        """Return what the database has, with what it has not yet; only what is in memory while it is away."""
        if found is None:
            return Found(sorted(fitting, key=place, reverse=True)[:limit], True)
        merged = {place(record)[1]: record for record in found}
        if self._keeper.waiting:
            merged.update((place(record)[1], record) for record in fitting)
        return Found(sorted(merged.values(), key=place, reverse=True)[:limit], False)

    def _timeline(self, name: str) -> list[IncidentEvent]:
        return timeline(self._plane.database, name)

    async def statistics(
        self, services: Collection[str] | None, since: datetime | None, until: datetime | None
    ) -> dict[str, Any]:  # Any: JSON values
        """Return how often services fail and how fast they come back; raises StoreUnavailableError."""
        database = self._plane.database
        if self._plane.writer.state in AWAY:
            raise StoreUnavailableError("the database is away, and statistics are made from it")
        times = await asyncio.to_thread(incident_times, database, services, since, until)
        ended = await asyncio.to_thread(ended_recoveries, database, services, since, until)
        return await asyncio.to_thread(statistics, times, ended)

    async def _asked(self, query: Callable[[], T]) -> T | None:
        """Return what the database says, or None while it is away."""
        if self._plane.writer.state not in AWAY:
            with suppress(StoreUnavailableError):
                return await asyncio.to_thread(query)
        return None

    # ------------------------------------------------------------------ what people do; in the writer's thread

    def acknowledge(self, tx: Transaction, caller: Caller, name: str, reason: str | None) -> IncidentRecord:
        """Note that somebody has taken note; raises MissingError, AccessDeniedError or ConflictError."""
        record = self._open(tx, caller, name)
        if record.acknowledged_at is not None:
            raise ConflictError(f"the incident {name} has been acknowledged by {record.acknowledged_by}")
        changed = replace(record, acknowledged_at=tx.now, acknowledged_by=caller.identity.id)
        return self._write(tx, caller, changed, "acknowledge", "acknowledged", reason)

    def cancel(self, tx: Transaction, caller: Caller, name: str, reason: str) -> IncidentRecord:
        """End an incident: nothing more is done about it; raises MissingError, AccessDeniedError or ConflictError."""
        record = self._open(tx, caller, name)
        detail = f"{CANCELLED_BY_A_PERSON}{reason}"[:1000]
        changed = replace(record, state=IncidentState.CANCELLED, ended_at=tx.now, detail=detail)
        return self._write(tx, caller, changed, "cancel", "cancelled", reason)

    @staticmethod
    def _open(tx: Transaction, caller: Caller, name: str) -> IncidentRecord:
        record = tx.get(INCIDENTS, name)
        if record is None or not caller.sees(Permission.RECOVERY_READ, record.service):
            raise MissingError("open incident", name)
        caller.require_for_new(Permission.RECOVERY_START, record.service)
        return record

    def _write(
        self, tx: Transaction, caller: Caller, record: IncidentRecord, verb: str, kind: str, reason: str | None
    ) -> IncidentRecord:
        tx.put(INCIDENTS, record)
        detail = f"{kind} by {caller.identity.id}" + (f": {reason}" if reason else "")
        tx.append(
            INCIDENT_EVENTS, incident=record.id, at=tx.now, kind=kind, actor=caller.identity.id, detail=detail[:1000],
            data={},
        )  # fmt: skip
        tx.audit(
            caller.entry(
                f"incident.{verb}", "incident", record.id, at=tx.now, service=record.service, reason=reason,
                after={"state": record.state.value},
            )
        )  # fmt: skip
        told = {"id": record.id, "target": record.target, "state": record.state.value, "by": caller.identity.id}
        self._plane.tell(tx, f"incident.{kind}", told, service=record.service)
        return record
