"""What statistics of recoveries are made of, read where it lies."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import FromClause, Select, select

from ..control.recovery_statistics import Ended, IncidentTimes
from ..models.incident_tables import IncidentRow
from ..models.recovery_tables import RecoveryOperation
from .engine import Database

MOST = 100_000
"""Incidents and recoveries that are taken into account, the newest."""


def incident_times(
    database: Database, services: Collection[str] | None, since: datetime | None, until: datetime | None
) -> list[IncidentTimes]:
    """Return when incidents were detected, declared, begun, acted on and proven healthy."""
    table = IncidentRow.__table__
    columns = (
        "service", "target", "failure_type", "detected_at", "declared_at", "recovering_at", "acted_at", "validated_at",
    )  # fmt: skip
    query = _within(select(*(table.c[name] for name in columns)), table, "declared_at", services, since, until)
    with database.reader() as connection:
        return [IncidentTimes(**row) for row in connection.execute(query).mappings()]


def ended_recoveries(
    database: Database, services: Collection[str] | None, since: datetime | None, until: datetime | None
) -> list[Ended]:
    """Return how recoveries have ended."""
    table = RecoveryOperation.__table__
    columns = [table.c[name] for name in ("service", "failure_type", "outcome", "strategy", "steps")]
    query = select(*columns).where(table.c.finished_at.is_not(None))
    query = _within(query, table, "started_at", services, since, until)
    with database.reader() as connection:
        return [
            Ended(
                service=row["service"],
                failure_type=row["failure_type"],
                outcome=row["outcome"] or "failed",
                strategy=row["strategy"],
                tried=tuple(dict.fromkeys(step["strategy"] for step in row["steps"])),
            )
            for row in connection.execute(query).mappings()
        ]


def _within(
    query: Select[tuple[object, ...]],
    table: FromClause,
    moment: str,
    services: Collection[str] | None,
    since: datetime | None,
    until: datetime | None,
) -> Select[tuple[object, ...]]:
    if services is not None:
        query = query.where(table.c.service.in_(sorted(services)))
    if since is not None:
        query = query.where(table.c[moment] >= since)
    if until is not None:
        query = query.where(table.c[moment] < until)
    return query.order_by(table.c[moment].desc()).limit(MOST)
