"""FRONT DOOR of the REST API: `app.include_router(router)` mounts it into any FastAPI application.

An application that starts no control plane of its own gets one that serves this process alone: it starts at the first
request, keeps its records in the user's data directory, and without an access configuration answers loopback peers
only.
"""

from __future__ import annotations

from fastapi import APIRouter

from ..context import PREFIX
from ..route import ControlRoute
from . import circuits, replicas

router = APIRouter(prefix=PREFIX, route_class=ControlRoute)
for _part in (circuits, replicas):
    router.include_router(_part.router)

__all__ = ["PREFIX", "router"]
