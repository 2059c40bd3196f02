"""Replicas as the API shows them, and the messages of the wire protocol for its description."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from ...control.moments import moment
from ...service.fleet import Fleet, Session


class Replica(BaseModel):
    """One process that has joined."""

    instance: str
    service: str
    host: str | None
    pid: int | None
    version: str
    joined_at: datetime
    age: float = Field(description="seconds since it was heard of last")
    stale: bool
    circuits: int
    applied: int = Field(description="number of the last change that it has applied")
    behind: int = Field(description="changes that it has not acknowledged yet")
    policies: dict[str, int] = Field(description="revision of each policy that it runs")
    refused: list[dict[str, Any]]
    dropped: int = Field(description="facts that it lost because its buffer was full")


class ReplicaPage(BaseModel):
    """A page of replicas."""

    items: list[Replica]
    next_cursor: str | None


class Joined(BaseModel):
    """What a replica that joins is told."""

    protocol: int
    replica: str
    sequence: int
    push_interval: float
    poll_wait: float
    stale_after: float
    desired: dict[str, Any]


class Heard(BaseModel):
    """What a replica that listens is told: increments, or everything anew."""

    sequence: int
    changes: list[dict[str, Any]] | None = None
    desired: dict[str, Any] | None = None


def document(fleet: Fleet, session: Session) -> dict[str, Any]:  # Any: JSON values
    """Return a `Replica`."""
    return {
        "instance": session.instance,
        "service": session.service,
        "host": session.host,
        "pid": session.pid,
        "version": session.version,
        "joined_at": moment(session.joined_at),
        "age": round(fleet.age(session), 3),
        "stale": fleet.is_stale(session),
        "circuits": session.circuit_count,
        "applied": session.applied,
        "behind": len(fleet.since(session, session.applied)),
        "policies": session.policies_applied,
        "refused": list(session.refused),
        "dropped": session.dropped,
    }


def _message(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:  # Any: JSON values
    schema = {"type": "object", "properties": properties, "required": required}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
JoinMessage = _message(
    {
        "protocol": {"type": "integer", "minimum": 1},
        "instance": _NAME,
        "service": _NAME,
        "version": {"type": "string"},
        "pid": {"type": "integer"},
        "host": {"type": "string"},
    },
    ["protocol", "instance", "service"],
)
ReportMessage = _message(
    {
        "full": {"type": "boolean"},
        "circuits": {"type": "array", "items": {"type": "array"}},
        "policies": {"type": "array", "items": {"type": "array"}},
        "levels": {"type": "array", "items": {"type": "array"}},
        "parts": {"type": "array", "items": {"type": "array"}},
        "facts": {"type": "array", "items": {"type": "object"}},
        "dropped": {"type": "integer", "minimum": 0},
    },
    [],
)
ListenMessage = _message(
    {
        "sequence": {"type": "integer", "minimum": 0},
        "wait": {"type": "number"},
        "applied": {"type": "object"},
        "refused": {"type": "array", "items": {"type": "object"}},
    },
    ["sequence"],
)
