"""Incidents: search them, read one's story, take note of it, cancel it; and answer questions about plans."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query
from starlette.responses import Response

from ...control.incidents import IncidentState
from ...security.access import ALL, Permission
from ...service.plane import Answer
from ...storage.incident_history import ApprovalFilter, IncidentFilter
from ...storage.recovery_history import RecoveryFilter
from ...storage.transaction import Transaction
from ..context import Ask, answer, json_response
from ..paging import BadCursorError, decode_cursor, encode_cursor
from ..route import requires, resource_router
from ..schemas.bodies import Cursor, Limit, Moment
from ..schemas.incidents import (
    Acknowledgement,
    ApprovalDecision,
    ApprovalPage,
    ApprovalView,
    IncidentPage,
    IncidentStory,
    IncidentView,
    Reasoned,
    approval_document,
    incident_document,
    story_document,
)
from ..schemas.recovery import document

router = resource_router("incidents")

IncidentId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[a-z0-9_]+$")]
Word = Annotated[str | None, Query(min_length=1, max_length=401, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Severity = Annotated[int | None, Query(ge=1, le=4)]


@router.get("/incidents", response_model=IncidentPage, summary="Search incidents")
@requires(Permission.RECOVERY_READ)
async def search_incidents(
    ask: Ask,
    service: Word = None,
    target: Word = None,
    state: IncidentState | None = None,
    severity: Severity = None,
    failure_type: Word = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Newest first; by when they were declared."""
    position = decode_cursor(cursor, (str, str))
    scope = ask.caller.identity.services_for(Permission.RECOVERY_READ)
    wanted = IncidentFilter(
        services=None if scope is ALL else scope,
        service=service,
        target=target,
        state=None if state is None else state.value,
        severity=severity,
        failure_type=failure_type,
        since=since,
        until=until,
        after=_place(position),
    )
    found = await ask.use_cases.incidents.search(wanted, limit + 1)
    following = _following([(record.declared_at, record.id) for record in found.records], limit)
    sees = ask.sees(Permission.RECOVERY_READ)
    items = [incident_document(record, sees) for record in found.records[:limit]]
    return json_response({"items": items, "next_cursor": following}, headers=_marks(ask, found.stale))


@router.get("/incidents/{incident}", response_model=IncidentStory, summary="Show an incident")
@requires(Permission.RECOVERY_READ)
async def show_incident(incident: IncidentId, ask: Ask) -> Response:
    """One incident with its timeline, its impact with the inputs, and its recoveries with their steps."""
    record, events, stale = await ask.use_cases.incidents.find(ask.caller, incident)
    wanted = RecoveryFilter(incident=incident)
    recoveries = await ask.use_cases.recovery.history.search(wanted, 100)
    past = [document(item) for item in reversed(recoveries.records)]
    story = story_document(record, events, past, ask.sees(Permission.RECOVERY_READ))
    return json_response(story, headers=_marks(ask, stale))


@router.post("/incidents/{incident}/acknowledge", response_model=IncidentView, summary="Take note of an incident")
@requires(Permission.RECOVERY_START)
async def acknowledge_incident(incident: IncidentId, body: Acknowledgement, ask: Ask) -> Response:
    """Says that somebody looks after it."""

    def decide(tx: Transaction) -> Answer:
        record = ask.use_cases.incidents.acknowledge(tx, ask.caller, incident, body.reason)
        tx.afterwards(lambda: ask.use_cases.automation.desk.acknowledged(record))
        return answer(200, incident_document(record, ask.sees(Permission.RECOVERY_READ)))

    return await ask.change(decide)


@router.post("/incidents/{incident}/cancel", response_model=IncidentView, summary="Cancel an incident")
@requires(Permission.RECOVERY_START)
async def cancel_incident(incident: IncidentId, body: Reasoned, ask: Ask) -> Response:
    """Nothing more is done about it; a recovery that runs ends after the step that it is in."""
    automation = ask.use_cases.automation

    def decide(tx: Transaction) -> Answer:
        record = ask.use_cases.incidents.cancel(tx, ask.caller, incident, body.reason)
        tx.afterwards(lambda: automation.desk.cancelled(record, ask.caller.identity.id, body.reason))
        return answer(200, incident_document(record, ask.sees(Permission.RECOVERY_READ)))

    return await ask.change(decide)


@router.get("/approvals", response_model=ApprovalPage, summary="List questions")
@requires(Permission.RECOVERY_READ)
async def list_approvals(
    ask: Ask,
    answered: Annotated[bool, Query(alias="all")] = False,
    service: Word = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Plans that wait for a person, newest first; with `all` also those that have been answered."""
    scope = ask.caller.identity.services_for(Permission.RECOVERY_READ)
    wanted = ApprovalFilter(
        services=None if scope is ALL else scope,
        service=service,
        answered=answered,
        after=_place(decode_cursor(cursor, (str, str))),
    )
    found = await ask.use_cases.incidents.questions(wanted, limit + 1)
    following = _following([(record.requested_at, record.id) for record in found.records], limit)
    answers = ask.use_cases.automation.questions.answers
    items = [approval_document(record, answers(ask.caller, record)) for record in found.records[:limit]]
    return json_response({"items": items, "next_cursor": following}, headers=_marks(ask, found.stale))


@router.get("/approvals/{approval}", response_model=ApprovalView, summary="Show a question")
@requires(Permission.RECOVERY_READ)
async def show_approval(approval: IncidentId, ask: Ask) -> Response:
    """One question with the plan that it is about."""
    record = await ask.use_cases.incidents.question(ask.caller, approval)
    return json_response(approval_document(record, ask.use_cases.automation.questions.answers(ask.caller, record)))


@router.post("/approvals/{approval}/decide", response_model=ApprovalView, summary="Answer a question")
@requires(Permission.RECOVERY_APPROVE)
async def decide_approval(approval: IncidentId, body: ApprovalDecision, ask: Ask) -> Response:
    """Agree to exactly the plan of that digest, or refuse it; who has started the recovery may not agree to it."""

    def decide(tx: Transaction) -> Answer:
        record = ask.use_cases.automation.questions.decide(
            tx, ask.caller, approval, approves=body.decision == "approve", digest=body.digest, reason=body.reason,
            confirm=body.confirm,
        )  # fmt: skip
        return answer(200, approval_document(record, []))

    return await ask.change(decide)


def _marks(ask: Ask, stale: bool) -> dict[str, str] | None:
    return {"X-ScrollIntel-Stale": ask.use_cases.plane.staleness()} if stale else None


def _following(places: list[tuple[datetime, str]], limit: int) -> str | None:
    """Return the cursor of the next page, when one more was found than fits."""
    if len(places) <= limit:
        return None
    at, name = places[limit - 1]
    return encode_cursor([at.isoformat(), name])


def _place(position: tuple[Any, ...] | None) -> tuple[datetime, str] | None:  # Any: parts of a cursor
    """Return the place that a cursor names; raises BadCursorError when it is no moment."""
    if position is None:
        return None
    try:
        moment = datetime.fromisoformat(position[0])
    except ValueError:
        raise BadCursorError("the cursor is none of this list") from None
    if moment.tzinfo is None:
        raise BadCursorError("the cursor is none of this list")
    return moment, position[1]
