"""Who may do what, where: permissions, roles, bindings of roles to services, and identities.

The rule is "deny unless a binding grants it": an identity may use a permission on a service exactly when one of its
bindings has a role with that permission and names that service. The service is the one that the *stored* object
belongs to, never one that a request names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Any, Final, Literal

from ..core.config.base import NAME_ALLOWED, name_problem
from ..core.errors import ConfigError, Violation

EVERY_SERVICE: Final = "*"
"""Stands in a binding for all services, those that do not exist yet included."""
MAX_SERVICES_OF_BINDING: Final = 1000
"""More names than this in one binding are refused: a record has to stay small, and "*" exists."""


class Permission(StrEnum):
    """One thing that an identity may be allowed to do; every route of the API declares one."""

    CIRCUITS_READ = "circuits.read"
    CIRCUITS_OPERATE = "circuits.operate"  # isolate, close, reset
    CIRCUITS_CONFIGURE = "circuits.configure"  # create, change, delete
    DEGRADATION_READ = "degradation.read"
    DEGRADATION_SET = "degradation.set"
    RECOVERY_READ = "recovery.read"
    RECOVERY_START = "recovery.start"  # what destroys nothing
    RECOVERY_REQUEST = "recovery.request"  # what destroys something waits for an approval
    RECOVERY_APPROVE = "recovery.approve"
    POLICIES_READ = "policies.read"
    POLICIES_WRITE = "policies.write"
    SERVICES_READ = "services.read"
    SERVICES_WRITE = "services.write"
    HEALTH_READ = "health.read"
    METRICS_READ = "metrics.read"
    EVENTS_READ = "events.read"
    DEFAULTS_READ = "defaults.read"
    REPLICAS_READ = "replicas.read"
    REPLICAS_JOIN = "replicas.join"
    CONFIGURATION_READ = "configuration.read"
    CONFIGURATION_WRITE = "configuration.write"
    CONFIGURATION_APPROVE = "configuration.approve"
    AUDIT_READ = "audit.read"
    AUDIT_EXPORT = "audit.export"
    AUDIT_VERIFY = "audit.verify"
    TOKENS_READ = "tokens.read"
    TOKENS_WRITE = "tokens.write"
    ROLES_READ = "roles.read"
    SUBJECTS_ERASE = "subjects.erase"
    KEYS_ROTATE = "keys.rotate"


class Role(StrEnum):
    """A set of permissions with a name; see `ROLES`."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    AUDITOR = "auditor"
    APPROVER = "approver"
    REPLICA = "replica"


_SEE = frozenset(
    {
        Permission.CIRCUITS_READ,
        Permission.DEGRADATION_READ,
        Permission.RECOVERY_READ,
        Permission.POLICIES_READ,
        Permission.SERVICES_READ,
        Permission.HEALTH_READ,
        Permission.METRICS_READ,
        Permission.EVENTS_READ,
        Permission.DEFAULTS_READ,
        Permission.REPLICAS_READ,
    }
)
_REVIEW = frozenset(
    {
        Permission.CONFIGURATION_READ,
        Permission.TOKENS_READ,
        Permission.ROLES_READ,
        Permission.AUDIT_READ,
        Permission.AUDIT_VERIFY,
    }
)
_OPERATE = frozenset(
    {
        Permission.CIRCUITS_OPERATE,
        Permission.DEGRADATION_SET,
        Permission.RECOVERY_START,
        Permission.RECOVERY_REQUEST,
    }
)
_CHANGE = frozenset(
    {
        Permission.CIRCUITS_CONFIGURE,
        Permission.POLICIES_WRITE,
        Permission.SERVICES_WRITE,
        Permission.CONFIGURATION_WRITE,
        Permission.TOKENS_WRITE,
        Permission.SUBJECTS_ERASE,
        Permission.KEYS_ROTATE,
        # Whoever mints tokens can mint one that joins, so withholding this would protect nothing.
        Permission.REPLICAS_JOIN,
    }
)

ROLES: Final[Mapping[Role, frozenset[Permission]]] = MappingProxyType(
    {
        Role.VIEWER: _SEE,
        Role.OPERATOR: _SEE | _OPERATE,
        # No export and no approval: who changes things neither carries the evidence away nor approves the change.
        Role.ADMIN: _SEE | _OPERATE | _CHANGE | _REVIEW,
        Role.AUDITOR: _SEE | _REVIEW | {Permission.AUDIT_EXPORT},
        Role.APPROVER: _SEE | {Permission.RECOVERY_APPROVE, Permission.CONFIGURATION_APPROVE},
        Role.REPLICA: frozenset({Permission.REPLICAS_JOIN}),
    }
)
"""What each role grants. A permission that is in none of a caller's roles is refused."""


class AllServices(Enum):
    """The set of all services, as far as `in` goes; its one member is `ALL`."""

    ALL = EVERY_SERVICE

    def __contains__(self, service: object) -> bool:
        return True


ALL: Final = AllServices.ALL
"""The scope of a binding to "*": every service, and what belongs to no service."""

Scope = frozenset[str] | Literal[AllServices.ALL]
"""Where a permission holds: the services by name, or all of them."""

_NOWHERE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Binding:
    """A role granted on some services.

    Arguments:
        role: A `Role` or its text.
        services: Names of services, or ("*",) for all of them and for what belongs to no service; at least one, at
            most 1000. They are kept sorted and without repetition. The role "replica" takes exactly one name and not
            "*": a process speaks for the one service it runs.

    Raises:
        ConfigError: With every violation.
    """

    role: Role
    services: tuple[str, ...]

    def __post_init__(self) -> None:
        violations = []
        role: Role | None = None
        try:
            role = Role(self.role)
        except ValueError:
            violations.append(Violation("role", self.role, "one of " + ", ".join(Role)))
        services: Any = self.services  # Any: what a request or a row held
        if not isinstance(services, tuple | list) or not 1 <= len(services) <= MAX_SERVICES_OF_BINDING:
            violations.append(
                Violation("services", services, f'a list of 1 to {MAX_SERVICES_OF_BINDING} names of services, or ["*"]')
            )
        else:
            violations += [Violation("services", name, NAME_ALLOWED) for name in services if name_problem(name)]
            if not violations:
                violations += _contradictions(role, frozenset(services))
        if violations:
            raise ConfigError("binding", violations)
        object.__setattr__(self, "role", role)
        object.__setattr__(self, "services", tuple(sorted(set(services))))

    @property
    def everywhere(self) -> bool:
        """Whether the role is granted on all services."""
        return self.services == (EVERY_SERVICE,)

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return the binding as JSON values."""
        return {"role": self.role.value, "services": list(self.services)}

    @classmethod
    def from_dict(cls, value: Any) -> Binding:  # Any: what a request or a row held
        """Read what `to_dict` returns; raises ConfigError for anything else."""
        if not isinstance(value, Mapping) or set(value) != {"role", "services"}:
            raise ConfigError("binding", [Violation("binding", value, 'an object with "role" and "services"')])
        return cls(value["role"], value["services"])


def _contradictions(role: Role | None, services: frozenset[str]) -> list[Violation]:
    """Return what is wrong with names that are each valid."""
    if EVERY_SERVICE in services and len(services) > 1:
        return [Violation("services", sorted(services), '"*" alone, or names without it')]
    if role is Role.REPLICA and (len(services) > 1 or EVERY_SERVICE in services):
        return [Violation("services", sorted(services), 'exactly one service by name for the role "replica"')]
    return []


def _scopes(bindings: Iterable[Binding]) -> dict[Permission, Scope]:
    scopes: dict[Permission, Scope] = {}
    for binding in bindings:
        granted: Scope = ALL if binding.everywhere else frozenset(binding.services)
        for permission in ROLES[binding.role]:
            known = scopes.get(permission, _NOWHERE)
            scopes[permission] = ALL if known is ALL or granted is ALL else known | granted
    return scopes


class IdentityKind(StrEnum):
    """How a caller proved who it is."""

    TOKEN = "token"  # noqa: S105 - a word, not a secret
    OIDC = "oidc"
    LOCAL = "local"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified caller and what it may do. Immutable; made once per token and asked on every request.

    Arguments:
        id: Opaque name for audit records: the token's id, "oidc_...", "local" or "anonymous". No personal data.
        kind: How the caller proved who it is.
        subject: Name of the person or program behind it, or None. Personal data: it leaves memory only encrypted.
        bindings: What is granted; nothing by default.
        expires_at: When the identity ends of itself (UTC), or None. `is_expired` tells; permissions do not look at it.
    """

    id: str
    kind: IdentityKind
    subject: str | None = field(default=None, repr=False)
    bindings: tuple[Binding, ...] = ()
    expires_at: datetime | None = None
    _scopes: Mapping[Permission, Scope] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", IdentityKind(self.kind))
        object.__setattr__(self, "bindings", tuple(self.bindings))
        object.__setattr__(self, "_scopes", _scopes(self.bindings))

    def allows(self, permission: Permission, service: str | None) -> bool:
        """Tell whether the identity may do this to an object of `service`.

        `service` is None for an object that belongs to none (a token, a setting, a policy of the whole fleet): only a
        binding to "*" reaches those. A service that happens to be called "*" is reached by such a binding only.
        """
        scope = self._scopes.get(permission)
        return scope is not None and service in scope

    def may(self, permission: Permission) -> bool:
        """Tell whether any binding grants this at all, wherever. Enough for reading what is not tied to a service."""
        return permission in self._scopes

    def services_for(self, permission: Permission) -> Scope:
        """Return where this is granted, for filtering a list: names (perhaps none) or `ALL`; both know `in`."""
        return self._scopes.get(permission, _NOWHERE)

    def is_expired(self, now: datetime) -> bool:
        """Tell whether the identity has ended at `now`."""
        return self.expires_at is not None and now >= self.expires_at


ANONYMOUS: Final = Identity("anonymous", IdentityKind.ANONYMOUS)
"""Who sent no proof: may do nothing."""

LOCAL_OPERATOR: Final = Identity(
    "local",
    IdentityKind.LOCAL,
    bindings=tuple(Binding(role, (EVERY_SERVICE,)) for role in (Role.ADMIN, Role.AUDITOR, Role.APPROVER)),
)
"""Whoever sits at the machine itself while no access is configured: everything; agreeing to a plan takes a second
confirmation, because nobody is told apart there."""
