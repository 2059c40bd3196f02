"""Circuit breakers: list, show, create, update, delete, isolate, close, reset."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from ...core.states import CircuitState
from ...security.access import Permission
from ...service.errors import NameDiffersError
from ...service.plane import Answer
from ...service.policies import etag, expected_revision
from ...storage.transaction import Transaction
from ..conditions import IfMatch
from ..context import Ask, answer, json_response
from ..paging import decode_cursor, page_of
from ..route import requires, resource_router
from ..schemas.bodies import Cursor, Limit, OptionalReason, PathName, Reason
from ..schemas.circuits import (
    SORT_KINDS,
    SORTS,
    CircuitBreakerCreate,
    CircuitBreakerUpdate,
    CircuitDetail,
    CircuitOperation,
    CircuitPage,
    detail,
    operation,
    summary,
)

router = resource_router("circuit breakers")


class Sort(StrEnum):
    """What the list is sorted by."""

    NAME = "name"
    STATE = "state"
    FAILURES = "failures"
    REJECTIONS = "rejections"


@router.get("/circuit-breakers", response_model=CircuitPage, summary="List circuit breakers")
@requires(Permission.CIRCUITS_READ)
async def list_circuit_breakers(
    ask: Ask,
    state: Annotated[list[CircuitState] | None, Query(description="only these states")] = None,
    service: Annotated[str | None, Query(max_length=200, description="only those of this service")] = None,
    search: Annotated[str | None, Query(max_length=200, description="part of the name")] = None,
    sort: Sort = Sort.NAME,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Every circuit that a replica reports or that is configured here, as a whole over all replicas."""
    position = decode_cursor(cursor, SORT_KINDS[sort.value])

    def render() -> Answer:
        found = ask.use_cases.circuits.visible(ask.caller)
        if search:
            wanted = search.casefold()
            found = [whole for whole in found if wanted in whole.name.casefold()]
        if state:
            found = [whole for whole in found if whole.state in state]
        if service is not None:
            found = [
                whole
                for whole in found
                if whole.service == service or any(part.service == service for part in whole.parts)
            ]
        page, following = page_of(found, position=position, limit=limit, place=SORTS[sort.value])
        return answer(200, {"items": [summary(whole) for whole in page], "next_cursor": following})

    return ask.rendered(render, Permission.CIRCUITS_READ, Permission.CIRCUITS_OPERATE)


@router.get("/circuit-breakers/{name}", response_model=CircuitDetail, summary="Show a circuit breaker")
@requires(Permission.CIRCUITS_READ)
async def show_circuit_breaker(name: PathName, ask: Ask) -> Response:
    """One circuit in full: counters, response times, last failure, next probe, recent changes, and why it is so."""

    def render() -> Answer:
        circuits = ask.use_cases.circuits
        whole = circuits.find(ask.caller, name)
        transitions = circuits.recent_transitions(ask.caller, name)
        tag = None if whole.policy is None else etag(whole.policy.revision)
        return answer(200, detail(whole, transitions), etag=tag)

    return ask.rendered(render, Permission.CIRCUITS_READ, Permission.CIRCUITS_OPERATE)


@router.post("/circuit-breakers", status_code=201, response_model=CircuitDetail, summary="Create a circuit breaker")
@requires(Permission.CIRCUITS_CONFIGURE)
async def create_circuit_breaker(body: CircuitBreakerCreate, ask: Ask) -> Response:
    """Put a circuit breaker in force on every replica; its state lives on each of them."""
    circuits = ask.use_cases.circuits
    name = body.configuration.name
    known = circuits.whole(name)

    def decide(tx: Transaction) -> Answer:
        record = circuits.create(tx, ask.caller, body.configuration, service=body.service, reason=body.reason)
        whole = circuits.with_policy(ask.caller, name, record, known)
        return answer(
            201, detail(whole, []), etag=etag(record.revision), location=ask.path_of("circuit-breakers", name)
        )

    return await ask.change(decide)


@router.put("/circuit-breakers/{name}", response_model=CircuitDetail, summary="Change a circuit breaker")
@requires(Permission.CIRCUITS_CONFIGURE)
async def update_circuit_breaker(
    name: PathName, body: CircuitBreakerUpdate, ask: Ask, if_match: IfMatch = None
) -> Response:
    """Replace the configuration; `If-Match` names the revision that is changed."""
    circuits = ask.use_cases.circuits
    expected = expected_revision(if_match)
    if body.configuration.name != name:
        raise NameDiffersError("configuration", body.configuration.name, name)
    known = circuits.whole(name)

    def decide(tx: Transaction) -> Answer:
        assert expected is not None
        record = circuits.update(
            tx, ask.caller, body.configuration, expected=expected, service=body.service, reason=body.reason
        )
        return answer(
            200, detail(circuits.with_policy(ask.caller, name, record, known), []), etag=etag(record.revision)
        )

    return await ask.change(decide)


@router.delete("/circuit-breakers/{name}", status_code=204, summary="Delete a circuit breaker's configuration")
@requires(Permission.CIRCUITS_CONFIGURE)
async def delete_circuit_breaker(
    name: PathName,
    ask: Ask,
    reason: Annotated[str | None, Query(min_length=1, max_length=1000)] = None,
    if_match: IfMatch = None,
) -> Response:
    """Take the configuration out of force; replicas go on with what their code says."""
    expected = None if if_match is None else expected_revision(if_match)

    def decide(tx: Transaction) -> Answer:
        ask.use_cases.circuits.delete(tx, ask.caller, name, reason=reason, expected=expected)
        return Answer(204, b"")

    return await ask.change(decide)


async def _operate(ask: Ask, name: str, verb: str, reason: str) -> Response:
    circuits = ask.use_cases.circuits
    circuits.may_operate(ask.caller, name)
    if ask.caller.break_glass and not ask.use_cases.plane.serving:
        return json_response(
            await ask.use_cases.break_glass.operate(ask.caller, verb, name, reason, told_to=circuits.told_to(name))
        )

    told_to = circuits.told_to(name)

    def decide(tx: Transaction) -> Answer:
        sequence = circuits.operate(tx, ask.caller, verb, name, reason, told_to=told_to)
        return answer(200, operation(name, verb, reason, sequence))

    return await ask.change(decide)


@router.post(
    "/circuit-breakers/{name}/reset",
    response_model=CircuitOperation,
    summary="Reset a circuit breaker on every replica",
)
@requires(Permission.CIRCUITS_OPERATE)
async def reset_circuit_breaker(name: PathName, ask: Ask, body: OptionalReason | None = None) -> Response:
    """Close the circuit everywhere and forget its counts and history."""
    reason = (body and body.reason) or "reset by an operator"
    return await _operate(ask, name, "reset", reason)


@router.post(
    "/circuit-breakers/{name}/isolate", response_model=CircuitOperation, summary="Hold a circuit open on every replica"
)
@requires(Permission.CIRCUITS_OPERATE)
async def isolate_circuit_breaker(name: PathName, body: Reason, ask: Ask) -> Response:
    """Refuse every call, on replicas that join later too, until it is closed or reset by hand."""
    return await _operate(ask, name, "isolate", body.reason)


@router.post(
    "/circuit-breakers/{name}/close", response_model=CircuitOperation, summary="Close a circuit on every replica"
)
@requires(Permission.CIRCUITS_OPERATE)
async def close_circuit_breaker(name: PathName, ask: Ask, body: OptionalReason | None = None) -> Response:
    """Let calls pass again everywhere; counts are kept."""
    reason = (body and body.reason) or "closed by an operator"
    return await _operate(ask, name, "close", reason)
