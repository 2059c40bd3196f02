"""Roles of people and groups of the identity provider as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from ...control.records import RoleBindingRecord
from ...service.role_bindings import Bound, BoundKind
from .access import BindingBody
from .bodies import Name


class RoleBindingCreate(BindingBody):
    """A role to give; `subject` is what the provider's tokens name in their claim of the subject or of groups."""

    kind: Annotated[BoundKind, Field(strict=False)]
    subject: Name


class RoleBindingShown(BaseModel):
    """A role of a person or group; `subject` is null when `state` is not "open"."""

    id: str
    kind: Literal["person", "group"]
    subject: str | None
    subject_id: str
    state: Literal["open", "erased", "unreadable"]
    role: str
    services: list[str]
    created_at: datetime
    created_by: str


class RoleBindingPage(BaseModel):
    """A page of role bindings, the oldest first."""

    items: list[RoleBindingShown]
    next_cursor: str | None


def document(record: RoleBindingRecord, bound: Bound) -> dict[str, Any]:  # Any: JSON values
    """Return a role binding as JSON values."""
    return {
        "id": record.id,
        "kind": bound.kind.value,
        "subject": bound.name,
        "subject_id": bound.subject_id,
        "state": bound.state,
        "role": record.role,
        "services": list(record.services),
        "created_at": record.created_at,
        "created_by": record.created_by,
    }
