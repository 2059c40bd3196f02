"""How long histories are kept, and their orderly end; sums of what ends are kept longer, see `rollup`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import Column, ColumnElement, Connection, Table, and_, delete, select

from ..core.config.base import Config, number
from ..core.errors import Violation
from ..models.fault_tolerance_models import metadata
from ..models.metric_tables import RESOLUTIONS
from .rollup import SERIES, bucket_start, mark_of

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
LONGEST = 3_660 * DAY
END = {"recovery_operations": "finished_at", "incidents": "ended_at", "approvals": "decision"}
"""Tables whose rows stay as long as this column is NULL: they are not over."""
BATCH = 20_000
"""Rows of one table that one call deletes, so that no change waits long behind it."""


@dataclass(frozen=True, slots=True)
class RetentionPolicy(Config):
    """How long rows of history are kept, each in seconds and up to ten years.

    The audit log and the revisions of policies are kept for good and are not among them.

    Arguments:
        raw: Counts of single seconds; at least 10 minutes, default 1 hour.
        ten_seconds, minutes, hours: Counts in buckets of that length; at least 1 hour, 1 day and 1 day, by default
            1 day, 30 days and 400 days. None may be shorter than the one before.
        transitions, failures, health: Changes of circuits' states, failures, looks at services; at least 1 hour,
            default 90 days.
        degradation_changes, recovery: Changes of levels, and incidents and recoveries that have ended; at least
            1 hour, default 400 days.

    Raises:
        ConfigError: with every violation.
    """

    _: KW_ONLY
    raw: float = field(default=HOUR, metadata=number(minimum=10 * MINUTE, maximum=LONGEST, unit="seconds"))
    ten_seconds: float = field(default=DAY, metadata=number(minimum=HOUR, maximum=LONGEST, unit="seconds"))
    minutes: float = field(default=30 * DAY, metadata=number(minimum=DAY, maximum=LONGEST, unit="seconds"))
    hours: float = field(default=400 * DAY, metadata=number(minimum=DAY, maximum=LONGEST, unit="seconds"))
    transitions: float = field(default=90 * DAY, metadata=number(minimum=HOUR, maximum=LONGEST, unit="seconds"))
    failures: float = field(default=90 * DAY, metadata=number(minimum=HOUR, maximum=LONGEST, unit="seconds"))
    health: float = field(default=90 * DAY, metadata=number(minimum=HOUR, maximum=LONGEST, unit="seconds"))
    degradation_changes: float = field(
        default=400 * DAY, metadata=number(minimum=HOUR, maximum=LONGEST, unit="seconds")
    )
    recovery: float = field(default=400 * DAY, metadata=number(minimum=HOUR, maximum=LONGEST, unit="seconds"))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check that sums outlive what they were made of."""
        for finer, coarser in pairwise(("raw", "ten_seconds", "minutes", "hours")):
            least, value = getattr(self, finer), getattr(self, coarser)
            if not broken & {finer, coarser} and value < least:
                yield Violation(coarser, value, f"at least {finer} ({least:g} seconds)")

    @property
    def buckets(self) -> dict[int, float]:
        """Length of a bucket in seconds → how long buckets of that length are kept."""
        return dict(zip(RESOLUTIONS, (self.raw, self.ten_seconds, self.minutes, self.hours), strict=True))


def expire(connection: Connection, now: datetime, policy: RetentionPolicy) -> dict[str, int]:
    """Delete rows of history that are older than `policy` allows; returns table → rows deleted.

    One call deletes at most about `BATCH` rows of each table, and of each length of buckets, the oldest first; where
    it deleted as many, another call goes on. Counts are deleted only once they have been summed up.

    Arguments:
        connection: The writer's, in a transaction.
        now: The present moment, in UTC.
        policy: What is kept for how long.
    """
    deleted: dict[str, int] = {}
    for name, column, keep in (
        ("circuit_transitions", "at", policy.transitions),
        ("system_failures", "at", policy.failures),
        ("health_checks", "at", policy.health),
        ("degradation_changes", "at", policy.degradation_changes),
        ("recovery_operations", "started_at", policy.recovery),
        ("incidents", "declared_at", policy.recovery),
        ("incident_events", "at", policy.recovery),
        ("approvals", "requested_at", policy.recovery),
    ):
        table = metadata.tables[name]
        extra = [table.c[END[name]].is_not(None)] if name in END else []
        if name == "incident_events":  # the story of an incident that goes on stays whole
            incidents = metadata.tables["incidents"]
            goes_on = select(incidents.c.id).where(incidents.c.ended_at.is_(None))
            extra = [table.c.incident.not_in(goes_on)]
        deleted[name] = _delete(connection, table, table.c[column], now - timedelta(seconds=keep), *extra)
    for series in SERIES:
        table = metadata.tables[series.table]
        deleted[table.name] = 0
        for resolution, keep in policy.buckets.items():
            before = now - timedelta(seconds=keep)
            coarser = series.coarser(resolution)
            if coarser is not None:
                mark = mark_of(connection, series, coarser)
                if mark is None:
                    continue
                # A bucket may be summed up once more: whatever it is made of stays until that cannot happen.
                before = min(bucket_start(before, coarser), mark) - timedelta(seconds=coarser)
            same = table.c.resolution == resolution
            deleted[table.name] += _delete(connection, table, table.c.bucket_start, before, same)
    return deleted


def _delete(
    connection: Connection,
    table: Table,
    time: Column[datetime],
    before: datetime,
    *conditions: ColumnElement[bool],
) -> int:
    """Delete the oldest rows up to a moment; rows of one moment go together."""
    old = and_(time < before, *conditions)
    last = connection.scalar(select(time).where(old).order_by(time).offset(BATCH - 1).limit(1))
    if last is not None:
        old = and_(old, time <= last)
    return connection.execute(delete(table).where(old)).rowcount
