"""Policies as the API takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from ...control.diff import Difference
from ...control.records import PolicyRecord
from ...service.fleet import Fleet
from ...storage.policy_history import Revision
from .bodies import PolicyBody, ServiceName, Strict, Text


class PolicyPut(Strict):
    """A policy to put in force on all replicas, or on those of one service."""

    policy: PolicyBody
    service: ServiceName | None = None
    reason: Text | None = None


class Rollback(Strict):
    """Which revision to go back to."""

    revision: Annotated[int, Field(ge=1, lt=2**53)]
    reason: Text | None = None


class PolicyView(BaseModel):
    """A policy in force, and how many replicas run this revision."""

    name: str
    service: str | None
    revision: int
    policy: dict[str, Any]
    reason: str | None
    changed_at: datetime
    changed_by: str
    source: str
    location: str | None
    replicas: int
    replicas_current: int


class PolicyPage(BaseModel):
    """A page of policies."""

    items: list[PolicyView]
    next_cursor: str | None


class RevisionView(BaseModel):
    """One revision; `policy` is null when it removed the policy."""

    name: str
    revision: int
    service: str | None
    policy: dict[str, Any] | None
    reason: str | None
    changed_at: datetime
    changed_by: str
    deleted: bool


class RevisionPage(BaseModel):
    """A page of revisions, newest first."""

    items: list[RevisionView]
    next_cursor: str | None


class DifferenceView(BaseModel):
    """One field that differs."""

    field: str
    old: Any = None
    new: Any = None


class DiffView(BaseModel):
    """What differs between two revisions."""

    name: str
    old_revision: int
    new_revision: int
    differences: list[DifferenceView]


def document(record: PolicyRecord, running: tuple[int, int] = (0, 0)) -> dict[str, Any]:  # Any: JSON values
    """Return a `PolicyView`; `running` counts the replicas that it concerns and those that run this revision."""
    return {
        "name": record.name,
        "service": record.service,
        "revision": record.revision,
        "policy": dict(record.content),
        "reason": record.reason,
        "changed_at": record.changed_at,
        "changed_by": record.changed_by,
        "source": record.source.value,
        "location": record.location,
        "replicas": running[0],
        "replicas_current": running[1],
    }


def running_on(fleet: Fleet, record: PolicyRecord) -> tuple[int, int]:
    """Return how many replicas a policy concerns, and how many of them run its revision; on the event loop."""
    concerned = [item for item in fleet.sessions() if record.service in (None, item.service)]
    return len(concerned), sum(item.policies_applied.get(record.name) == record.revision for item in concerned)


def revision_document(found: Revision) -> dict[str, Any]:  # Any: JSON values
    """Return a `RevisionView`."""
    return {
        "name": found.name,
        "revision": found.revision,
        "service": found.service,
        "policy": None if found.content is None else dict(found.content),
        "reason": found.reason,
        "changed_at": found.changed_at,
        "changed_by": found.changed_by,
        "deleted": found.deleted,
    }


def difference_document(difference: Difference) -> dict[str, Any]:  # Any: JSON values
    """Return a `DifferenceView`."""
    return {"field": difference.field, "old": difference.old, "new": difference.new}
