"""Replicas: join, report, listen, leave; and the list of those that have joined."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ...security.access import Permission
from ...service.replicas import BadMessageError
from ..context import Ask, json_response
from ..paging import decode_cursor, page_of
from ..route import requires, resource_router
from ..schemas.bodies import Cursor, Limit
from ..schemas.replicas import Heard, Joined, JoinMessage, ListenMessage, ReplicaPage, ReportMessage, document

router = resource_router("replicas")


def _message(value: object) -> dict[str, Any]:  # Any: JSON values
    if not isinstance(value, dict):
        raise BadMessageError("a message is a JSON object")
    return value


@router.post("/replicas", response_model=Joined, summary="Join as a replica", openapi_extra=JoinMessage)
@requires(Permission.REPLICAS_JOIN)
async def join(ask: Ask) -> Response:
    """An application joins; it is told everything that is wanted of it."""
    message = _message(await ask.json())
    return json_response(await ask.use_cases.replicas.join(ask.caller, message))


@router.post("/replicas/{replica}/report", status_code=204, summary="Report", openapi_extra=ReportMessage)
@requires(Permission.REPLICAS_JOIN)
async def report(replica: str, ask: Ask) -> Response:
    """A replica tells how its circuits, policies and levels stand, and what has happened."""
    ask.use_cases.replicas.report(ask.caller, replica, _message(await ask.json()))
    return Response(status_code=204)


@router.post(
    "/replicas/{replica}/listen", response_model=Heard, summary="Wait for changes", openapi_extra=ListenMessage
)
@requires(Permission.REPLICAS_JOIN)
async def listen(replica: str, ask: Ask) -> Response:
    """Answers as soon as something has changed, or after `wait` seconds; acknowledges what was applied."""
    message = _message(await ask.json())
    return json_response(await ask.use_cases.replicas.listen(ask.caller, replica, message))


@router.delete("/replicas/{replica}", status_code=204, summary="Leave")
@requires(Permission.REPLICAS_JOIN)
async def leave(replica: str, ask: Ask) -> Response:
    """A replica leaves in order."""
    await ask.use_cases.replicas.leave(ask.caller, replica)
    return Response(status_code=204)


@router.get("/replicas", response_model=ReplicaPage, summary="List replicas")
@requires(Permission.REPLICAS_READ)
async def list_replicas(ask: Ask, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Who has joined, how long ago each was heard of, and which revisions it runs."""
    position = decode_cursor(cursor, (str, str))
    fleet = ask.use_cases.plane.fleet
    sees = ask.sees(Permission.REPLICAS_READ)
    seen = [session for session in fleet.sessions() if sees(session.service)]
    page, following = page_of(
        seen, position=position, limit=limit, place=lambda session: (session.service, session.instance)
    )
    return json_response({"items": [document(fleet, item) for item in page], "next_cursor": following})
