"""Services and their dependencies: list, show, register, change, take out."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ...core.config.degradation import DegradationLevel
from ...security.access import Permission
from ...service.plane import Answer
from ...service.policies import etag, expected_revision
from ...service.registry import ServiceWish
from ...storage.transaction import Transaction
from ..conditions import IfMatch, IfNoneMatch
from ..context import Ask, answer
from ..paging import decode_cursor, page_of
from ..route import requires, resource_router
from ..schemas.bodies import Cursor, Limit, PathName, ServicePath
from ..schemas.services import (
    ServiceBody,
    ServiceCreate,
    ServicePage,
    ServiceView,
    Standing,
    document,
    replica_document,
    summary,
)

router = resource_router("services")


@router.get("/services", response_model=ServicePage, summary="List services")
@requires(Permission.SERVICES_READ)
async def list_services(ask: Ask, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Every registered service, with what it depends on and what depends on it."""
    position = decode_cursor(cursor, (str,))

    def render() -> Answer:
        found = ask.use_cases.registry.visible(ask.caller)
        page, following = page_of(found, position=position, limit=limit, place=lambda record: (record.name,))
        standings = _standings(ask, {record.name for record in page})
        items = [summary(record, standings[record.name]) for record in page]
        return answer(200, {"items": items, "next_cursor": following})

    return ask.rendered(render, Permission.SERVICES_READ)


@router.get("/services/{name}", response_model=ServiceView, summary="Show a service")
@requires(Permission.SERVICES_READ)
async def show_service(name: PathName, ask: Ask) -> Response:
    """One service."""

    def render() -> Answer:
        record = ask.use_cases.registry.find(ask.caller, name)
        return answer(200, document(record, _standings(ask, {name})[name]), etag=etag(record.revision))

    return ask.rendered(render, Permission.SERVICES_READ)


def _standings(ask: Ask, names: set[str]) -> dict[str, Standing]:
    """Return how services stand; on the event loop, where replicas are."""
    use_cases = ask.use_cases
    replicas: dict[str, list[dict[str, Any]]] = {name: [] for name in names}  # Any: JSON values
    for session in use_cases.plane.fleet.sessions():
        if session.service in names:
            replicas[session.service].append(replica_document(use_cases.plane.fleet, session))
    dependents: dict[str, list[str]] = {name: [] for name in names}
    for record in use_cases.registry.visible(ask.caller):
        for needed in record.depends_on:
            if needed.name in names:
                dependents[needed.name].append(record.name)
    levels = {level.service: level.level for level in use_cases.degradation.degraded(ask.caller)}
    return {name: Standing(dependents[name], levels.get(name, DegradationLevel.NONE), replicas[name]) for name in names}


def _wish(name: str, body: ServiceBody) -> ServiceWish:
    return ServiceWish(
        name=name,
        tier=body.tier,
        owner=body.owner,
        description=body.description,
        depends_on=tuple(item.to_domain() for item in body.depends_on),
    )


@router.post("/services", status_code=201, response_model=ServiceView, summary="Register a service")
@requires(Permission.SERVICES_WRITE)
async def register_service(body: ServiceCreate, ask: Ask) -> Response:
    """Register a service; what it depends on may be registered later."""
    standing = _standings(ask, {body.name})[body.name]

    def decide(tx: Transaction) -> Answer:
        record = ask.use_cases.registry.put(tx, ask.caller, _wish(body.name, body), expected=None)
        return answer(
            201, document(record, standing), etag=etag(record.revision), location=ask.path_of("services", body.name)
        )

    return await ask.change(decide)


@router.put("/services/{name}", response_model=ServiceView, summary="Register or change a service")
@requires(Permission.SERVICES_WRITE)
async def put_service(
    name: ServicePath, body: ServiceBody, ask: Ask, if_match: IfMatch = None, if_none_match: IfNoneMatch = None
) -> Response:
    """`If-Match` names the revision that is changed; `If-None-Match: *` registers."""
    expected = expected_revision(if_match, if_none_match)
    standing = _standings(ask, {name})[name]

    def decide(tx: Transaction) -> Answer:
        record = ask.use_cases.registry.put(tx, ask.caller, _wish(name, body), expected=expected)
        return answer(200, document(record, standing), etag=etag(record.revision))

    return await ask.change(decide)


@router.delete("/services/{name}", status_code=204, summary="Take a service out")
@requires(Permission.SERVICES_WRITE)
async def unregister_service(name: PathName, ask: Ask, if_match: IfMatch = None) -> Response:
    """What depends on it keeps the name of the dependency."""
    expected = None if if_match is None else expected_revision(if_match)

    def decide(tx: Transaction) -> Answer:
        ask.use_cases.registry.remove(tx, ask.caller, name, expected=expected)
        return Answer(204, b"")

    return await ask.change(decide)
