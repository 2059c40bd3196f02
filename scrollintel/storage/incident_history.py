"""Incidents with their timelines, and questions to people, queried where they lie."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select

from ..control.incidents import ApprovalRecord, IncidentRecord
from ..control.recovery_notes import IncidentEvent
from ..models.incident_tables import ApprovalRow, IncidentEventRow, IncidentRow
from .codecs import incident
from .engine import Database

_EQUAL = ("service", "target", "state", "severity", "failure_type")
"""Fields that an incident has to have the same value in."""


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Which incidents are wanted; None says nothing.

    Arguments:
        services: Only these; None for all.
        since, until: By when they were declared; `until` is left out.
        after: The place of the last one of the page before: when it was declared, and its id.
    """

    services: Collection[str] | None = None
    service: str | None = None
    target: str | None = None
    state: str | None = None
    severity: int | None = None
    failure_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: tuple[datetime, str] | None = None

    def matches(self, record: IncidentRecord) -> bool:
        """Tell whether an incident is wanted, as the database would."""
        return (
            (self.services is None or record.service in self.services)
            and all(getattr(self, name) in (None, getattr(record, name)) for name in _EQUAL)
            and (self.since is None or record.declared_at >= self.since)
            and (self.until is None or record.declared_at < self.until)
            and (self.after is None or (record.declared_at, record.id) < self.after)
        )


def incidents(database: Database, wanted: IncidentFilter, limit: int) -> list[IncidentRecord]:
    """Return up to `limit` incidents, newest first; raises StoreUnavailableError."""
    table = IncidentRow.__table__
    query = select(table).order_by(table.c.declared_at.desc(), table.c.id.desc()).limit(limit)
    if wanted.services is not None:
        query = query.where(table.c.service.in_(sorted(wanted.services)))
    for name in _EQUAL:
        if getattr(wanted, name) is not None:
            query = query.where(table.c[name] == getattr(wanted, name))
    if wanted.since is not None:
        query = query.where(table.c.declared_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(table.c.declared_at < wanted.until)
    if wanted.after is not None:
        at, last = wanted.after
        query = query.where(or_(table.c.declared_at < at, and_(table.c.declared_at == at, table.c.id < last)))
    with database.reader() as connection:
        return [incident(dict(row)) for row in connection.execute(query).mappings()]


def incident_by_id(database: Database, name: str) -> IncidentRecord | None:
    """Return one incident, or None; raises StoreUnavailableError."""
    table = IncidentRow.__table__
    with database.reader() as connection:
        row = connection.execute(select(table).where(table.c.id == name)).mappings().first()
    return None if row is None else incident(dict(row))


def timeline(database: Database, name: str, limit: int = 1000) -> list[IncidentEvent]:
    """Return the timeline of an incident, oldest first; raises StoreUnavailableError."""
    table = IncidentEventRow.__table__
    query = select(table).where(table.c.incident == name).order_by(table.c.at, table.c.id).limit(limit)
    with database.reader() as connection:
        rows: Sequence[Any] = connection.execute(query).mappings().all()  # Any: rows
    return [IncidentEvent(**{key: value for key, value in row.items() if key != "id"}) for row in rows]


@dataclass(frozen=True, slots=True)
class ApprovalFilter:
    """Which questions are wanted; None says nothing.

    Arguments:
        services: Only these; None for all.
        service: Of the target.
        answered: Whether those are wanted as well that do not stand any more.
        after: The place of the last one of the page before: when it was put, and its id.
    """

    services: Collection[str] | None = None
    service: str | None = None
    answered: bool = False
    after: tuple[datetime, str] | None = None

    def matches(self, record: ApprovalRecord) -> bool:
        """Tell whether a question is wanted, as the database would."""
        return (
            (self.services is None or record.service in self.services)
            and self.service in (None, record.service)
            and (self.answered or record.decision is None)
            and (self.after is None or (record.requested_at, record.id) < self.after)
        )


def approvals(database: Database, wanted: ApprovalFilter, limit: int) -> list[ApprovalRecord]:
    """Return up to `limit` questions, newest first; raises StoreUnavailableError."""
    table = ApprovalRow.__table__
    query = select(table).order_by(table.c.requested_at.desc(), table.c.id.desc()).limit(limit)
    if wanted.services is not None:
        query = query.where(table.c.service.in_(sorted(wanted.services)))
    if wanted.service is not None:
        query = query.where(table.c.service == wanted.service)
    if not wanted.answered:
        query = query.where(table.c.decision.is_(None))
    if wanted.after is not None:
        at, last = wanted.after
        query = query.where(or_(table.c.requested_at < at, and_(table.c.requested_at == at, table.c.id < last)))
    with database.reader() as connection:
        return [ApprovalRecord(**row) for row in connection.execute(query).mappings()]


def approval_by_id(database: Database, name: str) -> ApprovalRecord | None:
    """Return one question, or None; raises StoreUnavailableError."""
    table = ApprovalRow.__table__
    with database.reader() as connection:
        row = connection.execute(select(table).where(table.c.id == name)).mappings().first()
    return None if row is None else ApprovalRecord(**row)
