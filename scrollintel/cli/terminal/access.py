"""Who asks and what they may do, as far as the control plane tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..client import Client, path
from ..problems import ProblemError

START = "recovery.start"
_EVERYWHERE = "*"


@dataclass(frozen=True, slots=True)
class Access:
    """What may be offered.

    Arguments:
        who: Name of the identity, or None when it is not told.
        scopes: For each permission the services for which it holds; `*` is every service and what belongs to none.
            None when nothing is told: then everything is offered, and the control plane refuses.
    """

    who: str | None = None
    scopes: Mapping[str, frozenset[str]] | None = None

    def may(self, permission: str, services: Iterable[str] = ()) -> bool:
        """Tell whether something may be offered.

        Arguments:
            permission: Such as `recovery.start`.
            services: All those that it concerns; none is what belongs to no service.
        """
        if self.scopes is None:
            return True
        scope = self.scopes.get(permission, frozenset())
        concerned = set(services)
        return _EVERYWHERE in scope or (bool(concerned) and concerned <= scope)


def ask_access(client: Client) -> Access:
    """Return what the control plane tells of the session; an older one tells nothing.

    Raises:
        CommandError: as `Client.request` does, except for 404.
    """
    try:
        return access_of(client.get(path("session")))
    except ProblemError as error:
        if error.status == 404:
            return Access()
        raise


def access_of(session: Mapping[str, Any]) -> Access:  # Any: JSON values
    """Return the access that a session document tells of; one about nobody tells nothing of who asks with a token."""
    if session.get("signed_in") is False:
        return Access()
    found = session.get("permissions")
    if not isinstance(found, Mapping):
        return Access(_name(session))
    return Access(_name(session), {str(name): _scope(services) for name, services in found.items()})


def _scope(services: object) -> frozenset[str]:
    if isinstance(services, str):
        return frozenset((services,))
    return frozenset(map(str, services)) if isinstance(services, list) else frozenset()


def _name(session: Mapping[str, Any]) -> str | None:  # Any: JSON values
    identity = session.get("identity")
    if not isinstance(identity, Mapping):
        return None
    name = identity.get("name") or identity.get("id")
    return name if isinstance(name, str) else None
