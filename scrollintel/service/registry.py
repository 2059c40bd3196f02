"""Services and what they depend on: registered, changed, taken out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..control.records import SERVICES, Dependency, ServiceRecord, Source
from ..core.errors import ConfigError
from ..core.strategies.dependencies import dependencies_first
from ..security.access import Permission
from ..storage.transaction import Transaction
from .caller import Caller
from .errors import AlreadyExistsError, ConflictError, DeclaredInFileError, MissingError, RevisionConflictError
from .plane import ControlPlane
from .policies import ANY_REVISION, etag, require_any

MAX_SERVICES = 10_000


@dataclass(frozen=True, slots=True)
class ServiceWish:
    """What a caller wants to be registered."""

    name: str
    tier: int
    owner: str | None
    description: str | None
    depends_on: tuple[Dependency, ...]


class ServiceRegistry:
    """The use cases around services."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def find(self, caller: Caller, name: str) -> ServiceRecord:
        """Return a registered service; raises MissingError when there is none that the caller may see."""
        record = self._plane.records.get(SERVICES, name)
        if record is None or not caller.sees(Permission.SERVICES_READ, name):
            raise MissingError("service", name)
        return record

    def visible(self, caller: Caller) -> list[ServiceRecord]:
        """Return the registered services that the caller may see."""
        return [r for r in self._plane.records.values(SERVICES) if caller.sees(Permission.SERVICES_READ, r.name)]

    def put(
        self,
        tx: Transaction,
        caller: Caller,
        wish: ServiceWish,
        *,
        expected: int | None,
        source: Source = Source.API,
        location: str | None = None,
    ) -> ServiceRecord:
        """Register a service, or change a registered one.

        Arguments:
            expected: None when it must not be registered yet, its revision, or `ANY_REVISION`.

        Raises:
            AlreadyExistsError, RevisionConflictError, DeclaredInFileError: as for policies.
            ConflictError: when services would depend on each other in a circle.
        """
        caller.require_for_new(Permission.SERVICES_WRITE, wish.name)
        before = tx.get(SERVICES, wish.name)
        if before is None:
            if expected == ANY_REVISION:
                require_any(before, "service", wish.name)
            if expected is not None:
                raise MissingError("service", wish.name)
        else:
            if expected is None:
                raise AlreadyExistsError(f"a service {wish.name!r} is registered already")
            if expected not in (ANY_REVISION, before.revision):
                raise RevisionConflictError(
                    f"the service {wish.name!r} is at revision {before.revision}, not {expected}",
                    headers={"ETag": etag(before.revision)},
                )
            if before.source is Source.FILE and source is not Source.FILE:
                raise DeclaredInFileError("service", wish.name, before.location)
        records = {record.name: record for record in tx.values(SERVICES)}
        if before is None and len(records) >= MAX_SERVICES:
            raise ConflictError(f"{MAX_SERVICES} services are registered; that is all there can be")
        graph = {name: tuple(item.name for item in record.depends_on) for name, record in records.items()}
        graph[wish.name] = tuple(item.name for item in wish.depends_on)
        try:
            dependencies_first(graph)
        except ConfigError as error:
            raise ConflictError(f"services would depend on each other in a circle: {error}") from None
        record = ServiceRecord(
            name=wish.name,
            tier=wish.tier,
            owner=wish.owner,
            description=wish.description,
            depends_on=wish.depends_on,
            revision=1 if before is None else before.revision + 1,
            registered_at=tx.now if before is None else before.registered_at,
            updated_at=tx.now,
            source=source,
            location=location,
        )
        tx.put(SERVICES, record)
        verb = "register" if before is None else "update"
        tx.audit(
            caller.entry(
                f"service.{verb}",
                "service",
                wish.name,
                at=tx.now,
                service=wish.name,
                before=None if before is None else summary(before),
                after=summary(record),
            )
        )
        self._plane.tell(tx, "service.changed", {"name": wish.name, "revision": record.revision}, service=wish.name)
        return record

    def remove(
        self, tx: Transaction, caller: Caller, name: str, *, expected: int | None, from_file: bool = False
    ) -> None:
        """Take a service out; what depends on it keeps the name of the dependency."""
        before = tx.get(SERVICES, name)
        caller.require(Permission.SERVICES_WRITE, name, see=Permission.SERVICES_READ, kind="service", name=name)
        if before is None:
            raise MissingError("service", name)
        if expected is not None and expected not in (ANY_REVISION, before.revision):
            raise RevisionConflictError(f"the service {name!r} is at revision {before.revision}, not {expected}")
        if before.source is Source.FILE and not from_file:
            raise DeclaredInFileError("service", name, before.location)
        tx.delete(SERVICES, name)
        tx.audit(caller.entry("service.unregister", "service", name, at=tx.now, service=name, before=summary(before)))
        self._plane.tell(tx, "service.removed", {"name": name}, service=name)


def summary(record: ServiceRecord) -> dict[str, Any]:  # Any: JSON values
    """Return what the audit log keeps of a service; its owner may be a person and is left out."""
    return {
        "revision": record.revision,
        "tier": record.tier,
        "depends_on": [{"name": item.name, "kind": item.kind} for item in record.depends_on],
    }
