"""Who asks, from where, under which request; what the audit log is told about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..security.access import ALL, EVERY_SERVICE, LOCAL_OPERATOR, ROLES, Binding, Identity, Permission, Role
from ..security.audit_chain import AuditEntry
from .errors import AccessDeniedError, MissingError


@dataclass(frozen=True, slots=True)
class Caller:
    """One request's author.

    Arguments:
        identity: Who it is, verified.
        request_id: Number of the request in logs and audit.
        personal: Sealed personal data for the audit log, or None.
        break_glass: Whether the request came over the local admin socket, where the database may be down.
        address: Where the request came from, or None. Personal data: it leaves memory only encrypted.
        session: The browser's session that the request belongs to, or None.
    """

    identity: Identity
    request_id: str | None = None
    personal: dict[str, str] | None = None
    break_glass: bool = False
    address: str | None = field(default=None, repr=False)
    session: bytes | None = field(default=None, repr=False)

    def entry(
        self,
        action: str,
        target_kind: str,
        target: str,
        *,
        at: datetime,
        service: str | None = None,
        reason: str | None = None,
        outcome: str = "allowed",
        before: dict[str, Any] | None = None,  # Any: JSON values
        after: dict[str, Any] | None = None,  # Any: JSON values
    ) -> AuditEntry:
        """Return the audit entry of something that this caller did."""
        return AuditEntry(
            action=action,
            target_kind=target_kind,
            target=target,
            outcome=outcome,
            actor=self.identity.id,
            at=at,
            service=service,
            reason=reason,
            request_id=self.request_id,
            before=before,
            after=after,
            personal=self.personal,
        )

    def sees(self, permission: Permission, service: str | None) -> bool:
        """Tell whether the caller may see an object of `service`; what belongs to no service is seen by all readers."""
        return self.identity.may(permission) if service is None else self.identity.allows(permission, service)

    def sees_grants(self, bindings: Iterable[Binding]) -> bool:
        """Tell whether the caller may see a token or role binding: only when all that it grants lies in their scope."""
        places = {None if name == EVERY_SERVICE else name for binding in bindings for name in binding.services}
        return all(self.identity.allows(Permission.TOKENS_READ, place) for place in places)

    def require(self, permission: Permission, service: str | None, *, see: Permission, kind: str, name: str) -> None:
        """Raise unless the caller may do this to an object that belongs to `service`.

        Raises:
            MissingError: when the caller may not even see it, as if it did not exist.
            AccessDeniedError: when the caller may see it and not do this.
        """
        if self.identity.allows(permission, service):
            return
        if not self.sees(see, service):
            raise MissingError(kind, name)
        self.require_for_new(permission, service)

    def require_for_new(self, permission: Permission, service: str | None) -> None:
        """Raise AccessDeniedError unless the caller may do this to what will belong to `service`."""
        if not self.identity.allows(permission, service):
            wanted = "all services" if service is None else f"the service {service!r}"
            raise AccessDeniedError(f"this needs the permission {permission.value} for {wanted}")

    def require_holding(self, binding: Binding) -> None:
        """Raise AccessDeniedError unless the caller holds all that a binding would grant to somebody else.

        An administrator of everything may grant every role, those with permissions that administrators lack included.
        """
        if any(held.role is Role.ADMIN and held.everywhere for held in self.identity.bindings):
            return
        places = [None if name == EVERY_SERVICE else name for name in binding.services]
        if not all(self.identity.allows(permission, place) for permission in ROLES[binding.role] for place in places):
            raise AccessDeniedError(f"you cannot grant the role {binding.role.value!r} there: you do not hold it")

    def sees_everything(self, permission: Permission) -> bool:
        """Tell whether the permission holds for all services."""
        return self.identity.services_for(permission) is ALL


SYSTEM = Caller(Identity("system", LOCAL_OPERATOR.kind, bindings=LOCAL_OPERATOR.bindings))
"""The control plane itself: expiries, retention, what a file declares."""
