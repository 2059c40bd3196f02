"""What pages show, as it changes: server-sent events with facts in batches and state as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Header, Query
from starlette.responses import Response, StreamingResponse

from ...security.access import Permission
from ..context import Ask
from ..route import requires, resource_router
from ..schemas.live import BATCH, RENDERING, RESET
from .events import EVENT, UNBUFFERED

router = resource_router("events")

MESSAGE: dict[str, Any] = {  # Any: a JSON Schema
    **EVENT,
    "properties": {
        **EVENT["properties"],
        "event": {"enum": ["batch", "stream.reset"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"oneOf": [BATCH, RESET]},
        },
    },
}
STREAM = {"text/event-stream": {"schema": {"type": "string"}, "itemSchema": MESSAGE}}


@router.get(
    "/live",
    summary="Follow what a page shows",
    response_class=StreamingResponse,
    responses={200: {"content": STREAM, "description": "Batches"}},
)
@requires(Permission.EVENTS_READ, unattended=True)
async def follow_live(
    ask: Ask,
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
    after: Annotated[str | None, Query(max_length=100, description="as Last-Event-ID, for those who cannot")] = None,
) -> Response:
    """Facts in batches, and the circuits, targets and summary that have changed, in at most 20 messages a second."""
    use_cases, caller = ask.use_cases, ask.caller
    use_cases.live.require_place(caller.identity)
    batches = use_cases.live.follow(
        caller,
        RENDERING,
        last_id=last_event_id or after,
        alive=lambda: use_cases.sessions.holds(caller),
    )

    async def stream() -> AsyncIterator[bytes]:
        async with aclosing(batches) as following:
            async for chunk in following:
                yield chunk

    return StreamingResponse(stream(), media_type="text/event-stream", headers=UNBUFFERED)
