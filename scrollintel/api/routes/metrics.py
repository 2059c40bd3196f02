"""Metrics over time, retry statistics, and dry runs on what was recorded."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from ...control.circuit_view import CircuitWhole
from ...control.moments import moment
from ...control.records import POLICIES
from ...core.config.breaker import CircuitBreakerConfig
from ...security.access import Permission
from ...service.errors import AccessDeniedError, NameDiffersError, RequestError
from ...storage.metric_history import Row, buckets, retry_totals
from ..context import Ask, json_response
from ..route import requires, resource_router
from ..schemas.bodies import Moment, Name, PathName
from ..schemas.metrics import (
    DryRunRequest,
    DryRunView,
    HistoryView,
    RetryStatisticsView,
    assumptions,
    bucket_document,
    outcome_document,
    to_bucket,
)

router = resource_router("metrics")

MAX_BUCKETS = 5_000
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
NOTHING_IN_FORCE = (
    "No configuration of this circuit is in force here that you may see: the applications' code configures it, and "
    "replicas report how circuits stand, not how they are configured."
)


class Resolution(StrEnum):
    """Seconds of a bucket; auto takes the finest that fits into 5,000 buckets and is kept that long."""

    AUTO = "auto"
    SECOND = "1"
    TEN_SECONDS = "10"
    MINUTE = "60"
    HOUR = "3600"


class BadSpanError(RequestError):
    """The end of a span of time does not come after its beginning."""

    code = "invalid_span"
    status = 422


def _whole_in_scope(ask: Ask, name: str, permission: Permission) -> CircuitWhole:
    """Return a circuit whose sums over all services the caller may see; totals cannot be taken apart by service."""
    found = ask.use_cases.circuits.find(ask.caller, name)
    whole = ask.use_cases.circuits.whole(name)
    assert whole is not None
    if not all(ask.caller.sees(permission, part.service) for part in whole.parts):
        raise AccessDeniedError("other services use the circuit as well, and its totals hold their calls")
    return found


def _span(ask: Ask, since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    now = ask.use_cases.plane.now
    end = min(now + timedelta(seconds=1), until or now + timedelta(seconds=1))
    begin = max(EARLIEST, since or end - timedelta(hours=1))
    if begin >= end:
        raise BadSpanError("the span of time ends before it begins")
    return begin, end


def _resolution(ask: Ask, wanted: Resolution, begin: datetime, end: datetime) -> int:
    if wanted is not Resolution.AUTO:
        return int(wanted.value)
    age = (ask.use_cases.plane.now - begin).total_seconds()
    length = (end - begin).total_seconds()
    for seconds, kept in ((1, 3_600), (10, 86_400), (60, 30 * 86_400)):
        if age <= kept + 5 and length / seconds <= MAX_BUCKETS:
            return seconds
    return 3_600


async def _read(ask: Ask, circuit: str, resolution: int, begin: datetime, end: datetime) -> list[Row]:
    def query() -> list[Row]:
        with ask.use_cases.plane.database.reader() as connection:
            return buckets(connection, circuit, resolution=resolution, since=begin, until=end, limit=MAX_BUCKETS)

    return await asyncio.to_thread(query)


@router.get("/metrics/history", response_model=HistoryView, summary="Metrics of a circuit over time")
@requires(Permission.METRICS_READ)
async def show_history(
    ask: Ask,
    circuit: Annotated[Name, Query()],
    since: Annotated[Moment | None, Query(alias="from", description="default: an hour ago")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="default: now")] = None,
    resolution: Resolution = Resolution.AUTO,
) -> Response:
    """At most 5,000 buckets, oldest first; the newest ones when there are more."""
    _whole_in_scope(ask, circuit, Permission.METRICS_READ)
    begin, end = _span(ask, since, until)
    seconds = _resolution(ask, resolution, begin, end)
    rows = await _read(ask, circuit, seconds, begin, end)
    found: dict[str, Any] = {"circuit": circuit, "resolution": seconds}
    return json_response({**found, "buckets": [bucket_document(row) for row in rows]})


@router.get("/retry-statistics", response_model=RetryStatisticsView, summary="Retry statistics")
@requires(Permission.METRICS_READ)
async def show_retry_statistics(ask: Ask) -> Response:
    """What retries, hedges and fallbacks of each policy did in the last hour, over all replicas."""
    since = ask.use_cases.plane.now - timedelta(hours=1)

    def query() -> list[Row]:
        with ask.use_cases.plane.database.reader() as connection:
            return retry_totals(connection, since=since)

    rows = await asyncio.to_thread(query)
    caller, fleet = ask.caller, ask.use_cases.plane.fleet
    mine: set[str] = set()
    for session in fleet.sessions():
        if caller.sees(Permission.METRICS_READ, session.service):
            mine.update(session.policies)
    for session in fleet.sessions():
        if not caller.sees(Permission.METRICS_READ, session.service):
            mine.difference_update(session.policies)
    everything = caller.sees_everything(Permission.METRICS_READ)
    items = [
        {**row, "retries": int(row["retries"]), "hedges": int(row["hedges"]), "fallbacks": int(row["fallbacks"])}
        for row in rows
        if everything or row["policy"] in mine
    ]
    return json_response({"items": items})


@router.post("/circuit-breakers/{name}/dry-run", response_model=DryRunView, summary="Try a configuration")
@requires(Permission.CIRCUITS_READ)
async def dry_run(name: PathName, body: DryRunRequest, ask: Ask) -> Response:
    """What the proposed configuration would have done on the recorded outcomes; nothing is changed."""
    whole = _whole_in_scope(ask, name, Permission.CIRCUITS_READ)
    if body.configuration.name != name:
        raise NameDiffersError("configuration", body.configuration.name, name)
    begin, end = _span(ask, body.since, body.until)
    seconds = _resolution(ask, Resolution.AUTO, begin, end)
    recorded = [to_bucket(row, seconds) for row in await _read(ask, name, seconds, begin, end)]
    present = ask.use_cases.plane.records.get(POLICIES, name) if whole.policy is not None else None
    breaker = None if present is None else present.content.get("breaker")
    in_force = None if breaker is None else CircuitBreakerConfig.from_dict(breaker)
    proposed, known = await ask.use_cases.circuits.dry_runs.compare(body.configuration, in_force, recorded)
    return json_response(
        {
            "circuit": name,
            "since": begin,
            "until": end,
            "resolution": seconds,
            "unknown": proposed.unknown,
            "complete": proposed.complete,
            "replayed_since": None if proposed.since is None else moment(proposed.since),
            "replayed_until": None if proposed.until is None else moment(proposed.until),
            "present": None if known is None else outcome_document(known),
            "present_missing": None if known is not None else NOTHING_IN_FORCE,
            "proposed": outcome_document(proposed),
            "assumptions": assumptions(),
        }
    )
