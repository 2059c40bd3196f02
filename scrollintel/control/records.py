"""What the control plane remembers: one frozen record for each thing, keyed within its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

R = TypeVar("R")
Json = Mapping[str, Any]  # Any: JSON values of mixed types


class Source(StrEnum):
    """Where a declaration comes from; what a file declares is read-only in the API."""

    API = "api"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """One kind of record.

    Arguments:
        name: Name in errors and logs.
        key: Gives the key of a record; unique within the kind.
        resident: Tells whether a record is kept in memory; others lie in the database alone.
    """

    name: str
    key: Callable[[R], Any]  # Any: text, or a tuple of texts
    resident: Callable[[R], bool] = lambda record: True


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRecord:
    """A policy in force: its revision and content.

    Arguments:
        name: Name of the policy and of its circuit.
        service: The service that owns it, or None for all replicas.
        revision: Rises by one with each change, from 1; never used twice for one name.
        content: `Policy.to_dict()`.
        sequence: Number of the change among all that replicas are told of.
        location: File and line of the declaration when `source` is a file.
    """

    name: str
    service: str | None
    revision: int
    content: Json
    reason: str | None
    changed_at: datetime
    changed_by: str
    sequence: int
    source: Source = Source.API
    location: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitOrder:
    """An operator holds a circuit open on every replica, those that join later included."""

    circuit: str
    order: str
    reason: str
    since: datetime
    changed_by: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelOrder:
    """A degradation level that an operator set for a service; `expires_at` None means until restored."""

    service: str
    level: int
    reason: str
    since: datetime
    expires_at: datetime | None
    changed_by: str
    sequence: int

    def expired(self, now: datetime) -> bool:
        """Tell whether the level has ended by itself."""
        return self.expires_at is not None and now >= self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One service that another one needs; `hard`, `soft` (works without it, worse) or `fallback`."""

    name: str
    kind: str = "hard"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRecord:
    """A registered service."""

    name: str
    tier: int
    owner: str | None
    description: str | None
    depends_on: tuple[Dependency, ...]
    revision: int
    registered_at: datetime
    updated_at: datetime
    source: Source = Source.API
    location: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitStateRecord:
    """How a circuit of one replica last stood; written when its state changes, so that it outlives a restart.

    `open_until` is the moment of the next probe while the circuit is open.
    """

    circuit: str
    key: str
    replica: str
    service: str
    state: str
    reason: str
    since: datetime
    open_until: datetime | None
    successes: int
    failures: int
    consecutive_failures: int
    last_failure_type: str | None
    last_failure_at: datetime | None
    reported_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationRecord:
    """One configuration value; of a secret one only the sealed text is kept."""

    key: str
    value: Any  # Any: a JSON value
    sealed: str | None
    secret: bool
    revision: int
    description: str | None
    updated_at: datetime
    updated_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyRecord:
    """The answer to a request that carried an idempotency key, given again when the request comes again."""

    actor: str
    key: str
    fingerprint: str
    status: int
    headers: Mapping[str, str]
    body: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleBindingRecord:
    """A role given to a person or group of the identity provider.

    `subject` is a JSON text: which of both, the opaque id, and the name sealed under a key of its own.
    """

    id: str
    subject: str
    role: str
    services: tuple[str, ...]
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryOperationRecord:
    """One recovery from request to end.

    Arguments:
        steps: JSON objects in the order in which they were taken.
        incident: What it is about; None when a person started it.
        target: What is repaired, where that is a watched target.
        remedies: Strategies to be tried, in order, as the engine keeps them.
        detected_at, initiated_at, acted_at, validated_at: When the first look failed, the first step was on disk, the
            last action had been carried out, and health was proven.
        epoch: Fencing token of the last action.
    """

    id: str
    service: str
    failure_type: str
    status: str
    outcome: str | None
    strategy: str | None
    requested_by: str
    reason: str | None
    started_at: datetime
    finished_at: datetime | None
    duration: float | None
    steps: tuple[Json, ...] = field(default_factory=tuple)
    detail: str | None = None
    incident: str | None = None
    target: str | None = None
    remedies: tuple[Json, ...] = field(default_factory=tuple)
    detected_at: datetime | None = None
    initiated_at: datetime | None = None
    acted_at: datetime | None = None
    validated_at: datetime | None = None
    epoch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOrder:
    """The callers of an endpoint use this address; `previous` is the one that was ordered before, or None."""

    name: str
    address: str
    previous: str | None
    reason: str
    since: datetime
    changed_by: str
    sequence: int


POLICIES: Kind[PolicyRecord] = Kind("policy", lambda record: record.name)
CIRCUIT_ORDERS: Kind[CircuitOrder] = Kind("circuit order", lambda record: record.circuit)
LEVEL_ORDERS: Kind[LevelOrder] = Kind("degradation", lambda record: record.service)
ENDPOINT_ORDERS: Kind[EndpointOrder] = Kind("endpoint", lambda record: record.name)
SERVICES: Kind[ServiceRecord] = Kind("service", lambda record: record.name)
CIRCUIT_STATES: Kind[CircuitStateRecord] = Kind(
    "circuit state", lambda record: (record.circuit, record.key, record.replica)
)
CONFIGURATION: Kind[ConfigurationRecord] = Kind("configuration value", lambda record: record.key)
IDEMPOTENCY: Kind[IdempotencyRecord] = Kind("idempotency key", lambda record: (record.actor, record.key))
ROLE_BINDINGS: Kind[RoleBindingRecord] = Kind("role binding", lambda record: record.id)
RECOVERIES: Kind[RecoveryOperationRecord] = Kind(
    "recovery", lambda record: record.id, lambda record: record.finished_at is None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlStateRecord:
    """A fact that the control plane keeps about itself, such as the identity of its audit log."""

    key: str
    value: Any  # Any: a JSON value


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionRecord:
    """The newest revision of a policy that exists or has existed, so that no number is used twice."""

    policy: str
    revision: int


CONTROL_STATE: Kind[ControlStateRecord] = Kind("control state", lambda record: record.key)
REVISIONS: Kind[RevisionRecord] = Kind("policy revision", lambda record: record.policy)
