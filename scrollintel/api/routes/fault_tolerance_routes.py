"""FRONT DOOR of the REST API: `app.include_router(router)` mounts it into any FastAPI application.

An application that starts no control plane of its own gets one that serves this process alone: it starts at the first
request, keeps its records in the user's data directory, and without an access configuration answers loopback peers
only.
"""

from __future__ import annotations

from fastapi import APIRouter

from ..context import PREFIX
from . import (
    alerts,
    audit,
    automation,
    capacity,
    circuits,
    configuration,
    defaults,
    degradation,
    events,
    health,
    incidents,
    keys,
    live,
    metrics,
    policies,
    recovery,
    replicas,
    role_bindings,
    services,
    session,
    tokens,
)

# What is asked for most comes first, and the routes lie side by side: a router in a router is searched twice.
_PARTS = (
    circuits,
    health,
    replicas,
    capacity,
    events,
    live,
    degradation,
    incidents,
    alerts,
    automation,
    recovery,
    policies,
    services,
    defaults,
    metrics,
    configuration,
    session,
    tokens,
    role_bindings,
    keys,
    audit,
)
router = APIRouter()
for _part in _PARTS:
    router.routes.extend(_part.router.routes)

__all__ = ["PREFIX", "router"]
