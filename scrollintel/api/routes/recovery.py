"""Recoveries: start one, follow it, search the history."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from ...control.records import RECOVERIES
from ...recovery.strategy import RecoveryOutcome
from ...security.access import ALL, Permission
from ...service.errors import ConflictError
from ...service.plane import Answer
from ...service.recovery import Wish
from ...service.recovery_history import Found
from ...storage.recovery_history import RecoveryFilter
from ...storage.transaction import Transaction
from ..context import Ask, answer, json_response
from ..paging import BadCursorError, decode_cursor, encode_cursor
from ..route import requires, resource_router
from ..schemas.bodies import Cursor, Limit, Moment, ServiceName
from ..schemas.incidents import Reasoned
from ..schemas.recovery import (
    RecoveryPage,
    RecoveryRequest,
    RecoveryStatistics,
    RecoveryView,
    StrategyList,
    document,
    strategy_document,
)

router = resource_router("recovery")

RecoveryId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[a-z0-9_]+$")]
Word = Annotated[str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]


class Status(StrEnum):
    """Where a recovery is."""

    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"


@router.post("/recovery/initiate", status_code=202, response_model=RecoveryView, summary="Start a recovery")
@requires(Permission.RECOVERY_START)
async def initiate_recovery(body: RecoveryRequest, ask: Ask) -> Response:
    """Starts as soon as it is recorded; ask for it by its id to follow it."""
    recovery = ask.use_cases.recovery
    wish = Wish(body.service, body.failure_type, body.reason, tuple(body.strategies))
    recovery.may_start(ask.caller, wish)

    def decide(tx: Transaction) -> Answer:
        record = recovery.begin(tx, ask.caller, wish)
        return answer(202, document(record), location=ask.path_of("recovery", record.id))

    return await ask.change(decide)


@router.get("/recovery/strategies", response_model=StrategyList, summary="Strategies of a service")
@requires(Permission.RECOVERY_READ)
async def list_strategies(ask: Ask, service: Annotated[ServiceName, Query()]) -> Response:
    """What a recovery of the service can name, and what is tried when it names nothing."""
    ask.use_cases.recovery.require_known(ask.caller, service)
    choices = ask.use_cases.recovery.strategies.choices(service)
    return json_response({"items": [strategy_document(choice) for choice in choices]})


@router.get("/recovery/history", response_model=RecoveryPage, summary="Search recoveries")
@requires(Permission.RECOVERY_READ)
async def search_recoveries(
    ask: Ask,
    service: Word = None,
    status: Status | None = None,
    outcome: RecoveryOutcome | None = None,
    failure_type: Word = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Newest first."""
    position = decode_cursor(cursor, (str, str))
    scope = ask.caller.identity.services_for(Permission.RECOVERY_READ)
    wanted = RecoveryFilter(
        services=None if scope is ALL else scope,
        service=service,
        status=None if status is None else status.value,
        outcome=None if outcome is None else outcome.value,
        failure_type=failure_type,
        since=since,
        until=until,
        after=None if position is None else (_moment(position[0]), position[1]),
    )

    found = await ask.use_cases.recovery.history.search(wanted, limit + 1)
    following = None
    if len(found.records) > limit:
        last = found.records[limit - 1]
        following = encode_cursor([last.started_at.isoformat(), last.id])
    items = [document(record) for record in found.records[:limit]]
    return json_response({"items": items, "next_cursor": following}, headers=_marks(ask, found))


@router.get("/recovery/statistics", response_model=RecoveryStatistics, summary="Show how fast services come back")
@requires(Permission.RECOVERY_READ)
async def show_statistics(
    ask: Ask,
    service: Word = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
) -> Response:
    """Times to recover and between failures, and rates of success, over all and by service, failure and strategy."""
    scope = ask.caller.identity.services_for(Permission.RECOVERY_READ)
    services = None if scope is ALL else frozenset(scope)
    if service is not None:
        services = frozenset({service}) if services is None else services & {service}
    return json_response(await ask.use_cases.incidents.statistics(services, since, until))


@router.get("/recovery/{operation}", response_model=RecoveryView, summary="Show a recovery")
@requires(Permission.RECOVERY_READ)
async def show_recovery(operation: RecoveryId, ask: Ask) -> Response:
    """One recovery with its steps and times."""
    found = await ask.use_cases.recovery.history.find(ask.caller, operation)
    return json_response(document(found.records[0]), headers=_marks(ask, found))


@router.post("/recovery/{operation}/cancel", status_code=202, response_model=RecoveryView, summary="Cancel a recovery")
@requires(Permission.RECOVERY_START)
async def cancel_recovery(operation: RecoveryId, body: Reasoned, ask: Ask) -> Response:
    """It ends after the step that it is in; nothing is undone."""
    found = await ask.use_cases.recovery.history.find(ask.caller, operation)
    record = found.records[0]
    ask.caller.require_for_new(Permission.RECOVERY_START, record.service)
    if record.finished_at is not None:
        raise ConflictError(f"the recovery {operation} has ended already")

    def decide(tx: Transaction) -> Answer:
        tx.audit(
            ask.caller.entry(
                "recovery.cancel", "recovery", operation, at=tx.now, service=record.service, reason=body.reason
            )
        )
        recovery, known = ask.use_cases.recovery, tx.get(RECOVERIES, operation)
        if known is not None and known.finished_at is None:  # so that a crash right now does not undo it
            why = f"cancelled by {ask.caller.identity.id}: {body.reason}"
            tx.put(RECOVERIES, replace(known, detail=why[:1000]))
        tx.afterwards(lambda: recovery.cancel(operation, ask.caller.identity.id, body.reason))
        return answer(202, document(record))

    return await ask.change(decide)


def _marks(ask: Ask, found: Found) -> dict[str, str] | None:
    """Return the header that marks what was read from memory, also before the writer has noticed the outage."""
    return {"X-ScrollIntel-Stale": ask.use_cases.plane.staleness()} if found.stale else None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadCursorError("the cursor is none of this list") from None
    if moment.tzinfo is None:
        raise BadCursorError("the cursor is none of this list")
    return moment
