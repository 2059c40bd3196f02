"""Services as the API takes and shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from ...control.records import Dependency, ServiceRecord
from ...core.config.degradation import DegradationLevel
from ...service.fleet import Fleet, Session
from .bodies import ServiceName, Strict, Text
from .degradation import LevelName


class DependencyKind(StrEnum):
    """How much a service needs another one."""

    HARD = "hard"
    SOFT = "soft"
    FALLBACK = "fallback"


class DependencyBody(Strict):
    """One service that another one needs."""

    name: ServiceName
    kind: Annotated[DependencyKind, Field(strict=False)] = DependencyKind.HARD

    def to_domain(self) -> Dependency:
        """Return the domain's form."""
        return Dependency(name=self.name, kind=self.kind.value)


def _distinct(items: list[DependencyBody]) -> list[DependencyBody]:
    if len({item.name for item in items}) != len(items):
        raise ValueError("each dependency is named once")
    return items


class ServiceBody(Strict):
    """What a service is."""

    tier: Annotated[int, Field(ge=0, le=9, description="importance; lower is more important")] = 2
    owner: Text | None = None
    description: Text | None = None
    depends_on: Annotated[
        list[DependencyBody],
        # Each name once, which JSON Schema cannot say; that no two are the same comes nearest.
        Field(max_length=200, default_factory=list, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_distinct),
    ]


class ServiceCreate(ServiceBody):
    """A service to register."""

    name: ServiceName


class DependencyView(BaseModel):
    """One dependency."""

    name: str
    kind: DependencyKind


class OfService(BaseModel):
    """One replica of a service."""

    replica: str
    host: str | None
    version: str
    age: float = Field(description="seconds since it was heard of last")
    stale: bool
    level: LevelName | None = Field(description="level that it reports for the service; null when it reports none")


class ServiceSummary(BaseModel):
    """One registered service, with how it stands."""

    name: str
    tier: int
    owner: str | None
    description: str | None
    depends_on: list[DependencyView]
    dependents: list[str]
    level: LevelName = Field(description="the worst level that is ordered or that a replica reports")
    replicas: int
    stale_replicas: int
    revision: int
    source: str
    location: str | None
    registered_at: datetime
    updated_at: datetime


class ServiceView(ServiceSummary):
    """One registered service in full."""

    on_replicas: list[OfService]


class ServicePage(BaseModel):
    """A page of services."""

    items: list[ServiceSummary]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a service beside its record."""

    dependents: list[str]
    level: DegradationLevel
    replicas: list[dict[str, Any]]  # Any: JSON values


def replica_document(fleet: Fleet, session: Session) -> dict[str, Any]:  # Any: JSON values
    """Return an `OfService`."""
    level = session.levels.get(session.service)
    return {
        "replica": session.instance,
        "host": session.host,
        "version": session.version,
        "age": round(fleet.age(session), 3),
        "stale": fleet.is_stale(session),
        "level": None if level is None else DegradationLevel(level.level).name.lower(),
    }


def document(record: ServiceRecord, standing: Standing) -> dict[str, Any]:  # Any: JSON values
    """Return a `ServiceView`."""
    return {**summary(record, standing), "on_replicas": standing.replicas}


def summary(record: ServiceRecord, standing: Standing) -> dict[str, Any]:  # Any: JSON values
    """Return a `ServiceSummary`."""
    return {
        "name": record.name,
        "tier": record.tier,
        "owner": record.owner,
        "description": record.description,
        "depends_on": [{"name": item.name, "kind": item.kind} for item in record.depends_on],
        "dependents": standing.dependents,
        "level": standing.level.name.lower(),
        "replicas": len(standing.replicas),
        "stale_replicas": sum(replica["stale"] for replica in standing.replicas),
        "revision": record.revision,
        "source": record.source.value,
        "location": record.location,
        "registered_at": record.registered_at,
        "updated_at": record.updated_at,
    }
