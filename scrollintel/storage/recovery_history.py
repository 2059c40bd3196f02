"""Recoveries, queried where they lie."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select

from ..control.records import RecoveryOperationRecord
from ..models.recovery_tables import RecoveryOperation
from .engine import Database


@dataclass(frozen=True, slots=True)
class RecoveryFilter:
    """Which recoveries are wanted; None says nothing.

    Arguments:
        services: Only these; None for all.
        after: The place of the last one of the page before: when it started, and its id.
    """

    services: Collection[str] | None = None
    service: str | None = None
    status: str | None = None
    outcome: str | None = None
    failure_type: str | None = None
    incident: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: tuple[datetime, str] | None = None

    def matches(self, record: RecoveryOperationRecord) -> bool:
        """Tell whether a recovery is wanted, as the database would."""
        return (
            (self.services is None or record.service in self.services)
            and all(
                wanted is None or getattr(record, name) == wanted
                for name, wanted in ((name, getattr(self, name)) for name in _EQUAL)
            )
            and (self.since is None or record.started_at >= self.since)
            and (self.until is None or record.started_at < self.until)
            and (self.after is None or (record.started_at, record.id) < self.after)
        )


_EQUAL = ("service", "status", "outcome", "failure_type", "incident")
"""Fields that a recovery has to have the same value in."""


def recoveries(database: Database, wanted: RecoveryFilter, limit: int) -> list[RecoveryOperationRecord]:
    """Return up to `limit` recoveries, newest first; raises StoreUnavailableError."""
    table = RecoveryOperation.__table__
    query = select(table).order_by(table.c.started_at.desc(), table.c.id.desc()).limit(limit)
    if wanted.services is not None:
        query = query.where(table.c.service.in_(sorted(wanted.services)))
    for name in _EQUAL:
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(table.c[name] == value)
    if wanted.since is not None:
        query = query.where(table.c.started_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(table.c.started_at < wanted.until)
    if wanted.after is not None:
        at, last = wanted.after
        query = query.where(or_(table.c.started_at < at, and_(table.c.started_at == at, table.c.id < last)))
    with database.reader() as connection:
        return [_record(dict(row)) for row in connection.execute(query).mappings()]


def recovery(database: Database, operation: str) -> RecoveryOperationRecord | None:
    """Return one recovery, or None; raises StoreUnavailableError."""
    table = RecoveryOperation.__table__
    with database.reader() as connection:
        row = connection.execute(select(table).where(table.c.id == operation)).mappings().first()
    return None if row is None else _record(dict(row))


def _record(row: dict[str, object]) -> RecoveryOperationRecord:
    row.pop("idempotency_key")
    steps, remedies = row.pop("steps"), row.pop("remedies")
    assert isinstance(steps, list)
    assert remedies is None or isinstance(remedies, list)
    return RecoveryOperationRecord(
        **row,  # type: ignore[arg-type]  # the columns of the table
        steps=tuple(steps),
        remedies=tuple(remedies or ()),
    )
