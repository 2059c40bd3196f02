"""The session of a browser as the API shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from ... import __version__
from ...security.access import ALL, EVERY_SERVICE, Identity, IdentityKind, Permission
from ...service.sessions import Ends
from .bodies import Strict


class SessionOpen(Strict):
    """What opens a session."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=1000)] = Field(description="An API token")


class SessionIdentity(BaseModel):
    """Who has signed in."""

    id: str
    kind: Literal["token", "oidc", "local"]
    name: str | None


class SessionShown(BaseModel):
    """Whether somebody has signed in, and what they may do."""

    signed_in: bool
    access: Literal["enforced", "off"]
    ways: list[Literal["token", "provider"]]
    identity: SessionIdentity | None
    permissions: dict[str, list[str]] = Field(description='Permission → names of services, or "*" for all of them')
    csrf: str | None = Field(description="What X-CSRF-Token has to be in every request that changes something")
    idle_expires_at: datetime | None
    expires_at: datetime | None
    version: str | None = Field(description="of the product; null for who has not signed in")


def permissions_of(identity: Identity) -> dict[str, list[str]]:
    """Return where an identity has which permission; those that it has nowhere are left out."""
    return {
        permission.value: [EVERY_SERVICE] if scope is ALL else sorted(scope)
        for permission in Permission
        if identity.may(permission)
        for scope in (identity.services_for(permission),)
    }


def session_document(
    identity: Identity, *, name: str | None, enforced: bool, ways: list[str], csrf: str | None, ends: Ends | None
) -> dict[str, Any]:  # Any: JSON values
    """Return what a page is told.

    Arguments:
        identity: Who asks; anonymous when nobody has signed in.
        name: What people call them.
        enforced: Whether requests need an identity.
        ways: How one can sign in.
        csrf: What the session's requests have to show, or None without a session.
        ends: When the session ends, or None without one.
    """
    signed_in = identity.kind is not IdentityKind.ANONYMOUS
    return {
        "signed_in": signed_in,
        "access": "enforced" if enforced else "off",
        "ways": ways,
        "identity": {"id": identity.id, "kind": identity.kind.value, "name": name} if signed_in else None,
        "permissions": permissions_of(identity),
        "csrf": csrf,
        "idle_expires_at": None if ends is None else ends.idle,
        "expires_at": None if ends is None else ends.anyway,
        "version": __version__ if signed_in else None,
    }
