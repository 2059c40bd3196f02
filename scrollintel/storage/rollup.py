"""Sums of counts: buckets of a second become buckets of ten seconds, of a minute and of an hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Table, case, cast, func, literal, select, type_coerce
from sqlalchemy.dialects.postgresql import INTERVAL
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from ..models.base import EPOCH
from ..models.fault_tolerance_models import metadata
from ..models.metric_tables import RollUpMark

SETTLING = 10
"""Seconds after the end of a bucket before it is summed up: what belongs to it has been written by then."""
BUCKETS_AT_ONCE = 60
"""Buckets of each length that one call writes at most, so that no change waits long behind it."""

MARKS: Any = RollUpMark.__table__  # Any: typed as FromClause, though it is a Table


@dataclass(frozen=True, slots=True)
class Series:
    """A table of counts in buckets, and how its columns are merged.

    Arguments:
        table: Name of the table.
        key: Column that names what is counted.
        resolutions: Lengths of its buckets in seconds; the first is written by others.
        totals, largest, smallest: Columns that are summed up, or of which the largest or smallest value is taken. The
            largest of quantiles is an upper bound of the quantile of all.
        average: Column that is averaged with the weight of the columns in `weight`.
    """

    table: str
    key: str
    resolutions: tuple[int, ...]
    totals: tuple[str, ...]
    largest: tuple[str, ...] = ()
    smallest: tuple[str, ...] = ()
    average: str | None = None
    weight: tuple[str, ...] = ()

    def coarser(self, resolution: int) -> int | None:
        """Return the length of the buckets that those of `resolution` are summed up to, or None for the last."""
        return dict(pairwise(self.resolutions)).get(resolution)


METRICS = Series(
    "fault_tolerance_metrics",
    "circuit",
    (1, 10, 60, 3600),
    totals=("successes", "failures", "slow", "rejections", "timeouts"),
    largest=("service", "p50", "p95", "p99", "max", "replicas"),
    average="mean",
    weight=("successes", "failures"),
)
RETRIES = Series(
    "retry_statistics",
    "policy",
    (10, 60, 3600),
    totals=("calls", "attempts", "retries", "given_up", "hedges", "fallbacks"),
    smallest=("budget",),
)
SERIES = (METRICS, RETRIES)


def roll_up(connection: Connection, now: datetime) -> int:
    """Write the coarser buckets that have become complete; returns how many buckets were written.

    A bucket that is written again is computed afresh from its parts, so a repetition changes nothing, and parts that
    come late are taken in: each table's mark stays at the bucket of the newest part that was there, and everything
    from the bucket before it on is computed again. After a long stop one call writes a part and the next ones go on;
    stretches without a count cost nothing.

    Arguments:
        connection: The writer's, in a transaction.
        now: The present moment, in UTC.
    """
    return sum(
        _roll_up(connection, now, series, finer, coarser)
        for series in SERIES
        for finer, coarser in pairwise(series.resolutions)
    )


def mark_of(connection: Connection, series: Series, resolution: int) -> datetime | None:
    """Return the moment before which the buckets of that length are complete, or None before the first roll-up."""
    marked: datetime | None = connection.scalar(
        select(MARKS.c.rolled_until).where(MARKS.c.series == series.table, MARKS.c.resolution == resolution)
    )
    return marked


def bucket_start(moment: datetime, resolution: int) -> datetime:
    """Return the beginning of the bucket that holds `moment`."""
    return moment - (moment - EPOCH) % timedelta(seconds=resolution)


def _roll_up(connection: Connection, now: datetime, series: Series, finer: int, coarser: int) -> int:
    table, length = metadata.tables[series.table], timedelta(seconds=coarser)
    start_of_part = table.c.bucket_start
    complete = bucket_start(now - timedelta(seconds=SETTLING), coarser)
    parts: tuple[ColumnElement[bool], ...] = (table.c.resolution == finer, start_of_part < complete)
    mark = mark_of(connection, series, coarser)
    if mark is not None:
        # A clock that was set back leaves the mark ahead of it.
        parts = (*parts, start_of_part >= min(mark, complete) - length)
    first, newest = connection.execute(select(func.min(start_of_part), func.max(start_of_part)).where(*parts)).one()
    if first is None:
        return 0
    until = min(complete, bucket_start(first, coarser) + BUCKETS_AT_ONCE * length)
    if until < complete:
        newest = min(newest, until)
    written = _merge(connection, series, table, coarser, parts, until)
    _set_mark(connection, series.table, coarser, bucket_start(newest, coarser))
    return written


def _merge(
    connection: Connection,
    series: Series,
    table: Table,
    coarser: int,
    parts: tuple[ColumnElement[bool], ...],
    until: datetime,
) -> int:
    sqlite = connection.dialect.name == "sqlite"
    start = _bucket_start(table, coarser, sqlite=sqlite)
    merged: dict[str, ColumnElement[Any]] = {  # Any: columns of mixed types
        series.key: table.c[series.key],
        "resolution": literal(coarser),
        "bucket_start": start,
        **{name: func.sum(table.c[name]) for name in series.totals},
        **{name: func.max(table.c[name]) for name in series.largest},
        **{name: func.min(table.c[name]) for name in series.smallest},
    }
    if series.average is not None:
        average = table.c[series.average]
        weight = sum((table.c[name] for name in series.weight[1:]), table.c[series.weight[0]])
        known = func.sum(case((average.is_not(None), weight), else_=0))
        merged[series.average] = func.sum(average * weight) / func.nullif(known, 0)
    source = (
        select(*(value.label(name) for name, value in merged.items()))
        .where(*parts, table.c.bucket_start < until)
        .group_by(table.c[series.key], start)
    )
    insert = (sqlite_insert if sqlite else postgresql_insert)(table).from_select(list(merged), source)
    keys = [column.name for column in table.primary_key]
    changed = {name: insert.excluded[name] for name in merged if name not in keys}
    statement = insert.on_conflict_do_update(index_elements=keys, set_=changed)
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount


def _bucket_start(table: Table, coarser: int, *, sqlite: bool) -> ColumnElement[Any]:  # Any: microseconds, or a moment
    column = table.c.bucket_start
    if sqlite:
        microseconds = type_coerce(column, BigInteger)
        return type_coerce(microseconds - microseconds % literal(coarser * 1_000_000), column.type)
    return func.date_bin(cast(literal(timedelta(seconds=coarser)), INTERVAL), column, literal(EPOCH), type_=column.type)


def _set_mark(connection: Connection, series: str, resolution: int, moment: datetime) -> None:
    insert = (sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert)(MARKS)
    insert = insert.values(series=series, resolution=resolution, rolled_until=moment)
    keys = ["series", "resolution"]
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_={"rolled_until": moment}))
