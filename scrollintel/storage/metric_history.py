"""Metrics of circuits and retries, queried where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from ..models.metric_tables import FaultToleranceMetrics, RetryStatistics

Row = Mapping[str, Any]  # Any: the columns' values


def buckets(
    connection: Connection, circuit: str, *, resolution: int, since: datetime, until: datetime, limit: int
) -> list[Row]:
    """Return the buckets of a circuit, oldest first; the newest `limit` of them.

    Arguments:
        resolution: Seconds of a bucket: 1, 10, 60 or 3600.
        since, until: The beginning of the first bucket, and of the first one that is left out.
    """
    table = FaultToleranceMetrics.__table__
    query = (
        select(table)
        .where(table.c.circuit == circuit, table.c.resolution == resolution)
        .where(table.c.bucket_start >= since, table.c.bucket_start < until)
        .order_by(table.c.bucket_start.desc())
        .limit(limit)
    )
    rows: list[Row] = [dict(row) for row in connection.execute(query).mappings()]
    rows.reverse()
    return rows


def retry_totals(connection: Connection, *, since: datetime) -> list[Row]:
    """Return what each policy's retries, hedges and fallbacks did since a moment, from buckets of ten seconds."""
    table = RetryStatistics.__table__
    query = (
        select(
            table.c.policy,
            func.sum(table.c.calls).label("calls"),
            func.sum(table.c.attempts).label("attempts"),
            func.sum(table.c.retries).label("retries"),
            func.sum(table.c.given_up).label("given_up"),
            func.sum(table.c.hedges).label("hedges"),
            func.sum(table.c.fallbacks).label("fallbacks"),
            func.min(table.c.budget).label("lowest_budget"),
        )
        .where(table.c.resolution == 10, table.c.bucket_start >= since)
        .group_by(table.c.policy)
        .order_by(table.c.policy)
    )
    return [dict(row) for row in connection.execute(query).mappings()]
