"""`GET /metrics`, where Prometheus looks: beside the probes at the root of the server."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.responses import Response

from ...security.access import Permission
from ...telemetry.exposition import negotiate, render
from ..context import Ask
from ..route import ControlRoute, requires

router = APIRouter(route_class=ControlRoute)


@router.get("/metrics", include_in_schema=False)
@requires(Permission.METRICS_READ)
async def scrape(ask: Ask) -> Response:
    """Everything that the caller may see, in the format that the request prefers."""
    form = negotiate(ask.headers.get("accept"))
    families = ask.use_cases.metrics.families(ask.caller)
    # What was read does not change any more, and writing a thousand circuits out must not hold up the event loop.
    body = await asyncio.to_thread(render, families, form)
    return Response(body, headers={"Content-Type": form.value, "Vary": "Accept"})
