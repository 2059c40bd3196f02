"""Tokens, roles, keys and persons as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from ...security.access import MAX_SERVICES_OF_BINDING, Binding, Role
from ...security.tokens import MAX_LIFETIME, TokenRecord
from .bodies import Name, Strict, Text

MAX_SECONDS = int(MAX_LIFETIME.total_seconds())


class BindingBody(Strict):
    """A role on some services, or on all: `["*"]`."""

    role: Annotated[Role, Field(strict=False)]
    services: list[Name] = Field(min_length=1, max_length=MAX_SERVICES_OF_BINDING)


class TokenCreate(Strict):
    """A token to make; it expires after 90 days unless `expires_in` (seconds, up to 366 days) says otherwise."""

    name: Name
    bindings: list[BindingBody] = Field(min_length=1, max_length=100)
    subject: Name | None = None
    expires_in: int | None = Field(default=None, ge=1, le=MAX_SECONDS)


class BindingShown(BaseModel):
    """A role on some services."""

    role: str
    services: list[str]


class TokenShown(BaseModel):
    """A token, without anything that could be used as one."""

    id: str
    name: str
    subject: str | None
    subject_id: str | None
    bindings: list[BindingShown]
    state: Literal["valid", "expired", "revoked"]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


class TokenMade(TokenShown):
    """A new token with its text, which is shown this once."""

    token: str


class TokenPage(BaseModel):
    """A page of tokens, the oldest first."""

    items: list[TokenShown]
    next_cursor: str | None


class RoleShown(BaseModel):
    """A role and what it permits."""

    role: str
    permissions: list[str]


class RoleList(BaseModel):
    """All roles."""

    items: list[RoleShown]


class DataKeyShown(BaseModel):
    """A data key: what it is for, how many values are under it, and which key wraps it."""

    id: str
    purpose: str
    key_encryption_key: str
    created_at: datetime
    retired_at: datetime | None
    values: int


class KeyList(BaseModel):
    """All data keys, and whether a rotation is under way."""

    key_encryption_key: str | None
    rotating: bool
    items: list[DataKeyShown]


class RotationBody(Strict):
    """Which keys to rotate."""

    what: Literal["key_encryption_key", "data_keys"]


class RotationBegun(BaseModel):
    """The new keys; what is under the former ones follows in the background."""

    what: str
    keys: list[str]


class Erasure(Strict):
    """Why a person is erased."""

    reason: Text


class Erased(BaseModel):
    """A person who can no longer be read in the audit log."""

    subject_id: str
    state: Literal["erased"]


def token_document(record: TokenRecord, subject_id: str | None, now: datetime) -> dict[str, Any]:  # Any: JSON values
    """Return a token as JSON values."""
    return {
        "id": record.id,
        "name": record.name,
        "subject": record.subject,
        "subject_id": subject_id,
        "bindings": [binding.to_dict() for binding in record.bindings],
        "state": record.refusal(now) or "valid",
        "created_at": record.created_at,
        "expires_at": record.expires_at,
        "revoked_at": record.revoked_at,
        "last_used_at": record.last_used_at,
    }


def binding_of(body: BindingBody) -> Binding:
    """Return the binding of a body; raises ConfigError when the parts do not fit."""
    return Binding(body.role, tuple(body.services))
