"""Degradation levels of services: set, list, show, restore."""

from __future__ import annotations

from starlette.responses import Response

from ...core.config.degradation import DegradationLevel
from ...security.access import Permission
from ...service.errors import MissingError
from ...service.plane import Answer
from ...storage.transaction import Transaction
from ..context import Ask, answer
from ..paging import decode_cursor, page_of
from ..route import requires, resource_router
from ..schemas.bodies import Cursor, Limit, OptionalReason, PathName
from ..schemas.degradation import DegradationOrder, DegradationPage, ServiceDegradationView, document, ordered

router = resource_router("degradation")


@router.get("/degradation", response_model=DegradationPage, summary="List degraded services")
@requires(Permission.DEGRADATION_READ)
async def list_degraded(ask: Ask, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Every service that is degraded or held at a level, with the cause and since when."""
    position = decode_cursor(cursor, (str,))

    def render() -> Answer:
        found = ask.use_cases.degradation.degraded(ask.caller)
        page, following = page_of(found, position=position, limit=limit, place=lambda level: (level.service,))
        return answer(200, {"items": [document(level) for level in page], "next_cursor": following})

    return ask.rendered(render, Permission.DEGRADATION_READ)


@router.get("/degradation/{service}", response_model=ServiceDegradationView, summary="Show a service's level")
@requires(Permission.DEGRADATION_READ)
async def show_level(service: PathName, ask: Ask) -> Response:
    """How far a service is degraded; `none` for a registered one that is not."""

    def render() -> Answer:
        if not ask.caller.sees(Permission.DEGRADATION_READ, service):
            raise MissingError("service", service)
        return answer(200, document(ask.use_cases.degradation.known_level(service)))

    return ask.rendered(render, Permission.DEGRADATION_READ)


@router.post("/degradation", response_model=ServiceDegradationView, summary="Set a service's level")
@requires(Permission.DEGRADATION_SET)
async def set_level(body: DegradationOrder, ask: Ask) -> Response:
    """Hold a level on every replica until it is restored or its time is over."""
    level = DegradationLevel[body.level.name]

    def decide(tx: Transaction) -> Answer:
        order = ask.use_cases.degradation.set_level(tx, ask.caller, body.service, level, body.reason, body.expires_in)
        return answer(200, ordered(order))

    return await ask.change(decide)


@router.post("/degradation/{service}/restore", response_model=ServiceDegradationView, summary="Restore a service")
@requires(Permission.DEGRADATION_SET)
async def restore(service: PathName, ask: Ask, body: OptionalReason | None = None) -> Response:
    """End a level set by hand: the service goes back to what its health calls for."""
    degradation = ask.use_cases.degradation
    reason = (body and body.reason) or "restored by an operator"
    known = degradation.level(service) is not None

    def decide(tx: Transaction) -> Answer:
        degradation.restore(tx, ask.caller, service, reason, known=known)
        return answer(200, ordered(None, service, tx.now))

    return await ask.change(decide)
