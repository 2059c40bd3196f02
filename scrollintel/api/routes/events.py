"""Facts as they happen: server-sent events with resume."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Header, Query
from pydantic import StringConstraints
from starlette.responses import Response, StreamingResponse

from ...security.access import Permission
from ..context import Ask
from ..route import requires, resource_router

router = resource_router("events")


EVENT_PATTERN = r"^[a-z_]+(\.[a-z_]+)+$"
EventName = Annotated[str, StringConstraints(max_length=200, pattern=EVENT_PATTERN)]
EVENT: dict[str, Any] = {  # Any: a JSON Schema
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9]+$"},
        "event": {"type": "string", "pattern": EVENT_PATTERN},
        "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": {"type": "object"}},
        "retry": {"type": "integer", "minimum": 0},
    },
    "required": ["id", "event", "data"],
}
STREAM = {"text/event-stream": {"schema": {"type": "string"}, "itemSchema": EVENT}}
UNBUFFERED = {"X-Accel-Buffering": "no"}


@router.get(
    "/events",
    summary="Follow what happens",
    response_class=StreamingResponse,
    responses={200: {"content": STREAM, "description": "Events"}},
)
@requires(Permission.EVENTS_READ, unattended=True)
async def follow_events(
    ask: Ask,
    event: Annotated[list[EventName] | None, Query(max_length=50, description="only events with these names")] = None,
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
    after: Annotated[str | None, Query(max_length=100, description="as Last-Event-ID, for those who cannot")] = None,
) -> Response:
    """Changes of states, orders, levels and policies; an event `stream.reset` says that something was missed."""
    facts, sessions, caller = ask.use_cases.plane.facts, ask.use_cases.sessions, ask.caller
    facts.listeners.require_place(caller.identity)
    events = facts.follow(
        caller.identity,
        last_id=last_event_id or after,
        names=frozenset(event or ()),
        sees=ask.sees(Permission.EVENTS_READ),
        alive=lambda: sessions.holds(caller),
    )

    async def stream() -> AsyncIterator[bytes]:
        async with aclosing(events) as following:
            async for chunk in following:
                yield chunk

    return StreamingResponse(stream(), media_type="text/event-stream", headers=UNBUFFERED)
