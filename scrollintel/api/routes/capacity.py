"""What keeps services within their capacity: list it, and show that of one policy, server or pool."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from ...control.capacity import CapacityPart
from ...security.access import Permission
from ...service.plane import Answer
from ..context import Ask, answer
from ..paging import decode_cursor, page_of
from ..route import requires, resource_router
from ..schemas.bodies import Cursor, Limit, PathName
from ..schemas.capacity import CapacityOfName, CapacityPage, detail, summary

router = resource_router("capacity")


class Kind(StrEnum):
    """What there is."""

    LIMIT = "limit"
    THROTTLE = "throttle"
    BULKHEAD = "bulkhead"
    RATE_LIMIT = "rate_limit"
    METASTABILITY = "metastability"
    FALLBACK = "fallback"
    ADMISSION = "admission"
    POOL = "pool"
    HOST = "host"


def _place(part: CapacityPart) -> tuple[str, str, str, str]:
    return part.name, part.service, part.kind, part.member or ""


@router.get("/capacity", response_model=CapacityPage, summary="List limits, detectors, fallbacks, servers and pools")
@requires(Permission.METRICS_READ)
async def list_capacity(
    ask: Ask,
    kind: Annotated[list[Kind] | None, Query(description="only these kinds")] = None,
    service: Annotated[str | None, Query(max_length=200, description="only those of this service")] = None,
    name: Annotated[str | None, Query(max_length=200, description="only those of this policy, server or pool")] = None,
    search: Annotated[str | None, Query(max_length=200, description="part of the name")] = None,
    acting: Annotated[
        bool | None, Query(description="only those that act or need somebody, or only the others")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Adaptive limits, throttles, detectors of metastable failures, fallbacks kept warm, servers that shed load and
    pools of hosts, each over all replicas of a service, and why it is as it is."""
    position = decode_cursor(cursor, (str, str, str, str))

    def render() -> Answer:
        found = ask.use_cases.capacity.visible(ask.caller, name=name)
        if kind:
            found = [part for part in found if part.kind in kind]
        if service is not None:
            found = [part for part in found if part.service == service]
        if search:
            wanted = search.casefold()
            found = [part for part in found if wanted in part.name.casefold()]
        if acting is not None:
            found = [part for part in found if part.acting is acting]
        page, following = page_of(found, position=position, limit=limit, place=_place)
        return answer(200, {"items": [summary(part) for part in page], "next_cursor": following})

    return ask.rendered(render, Permission.METRICS_READ)


@router.get("/capacity/{name}", response_model=CapacityOfName, summary="Show what a policy, server or pool has of it")
@requires(Permission.METRICS_READ)
async def show_capacity(name: PathName, ask: Ask) -> Response:
    """Every part of that name in full, on each replica."""

    def render() -> Answer:
        found = ask.use_cases.capacity.named(ask.caller, name)
        return answer(200, {"name": name, "parts": [detail(part) for part in found]})

    return ask.rendered(render, Permission.METRICS_READ)
