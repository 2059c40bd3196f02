"""Services as the API takes and shows them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from ...control.records import Dependency, ServiceRecord
from .bodies import ServiceName, Strict, Text


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
    depends_on: Annotated[list[DependencyBody], Field(max_length=200, default_factory=list), AfterValidator(_distinct)]


class ServiceCreate(ServiceBody):
    """A service to register."""

    name: ServiceName


class DependencyView(BaseModel):
    """One dependency."""

    name: str
    kind: DependencyKind


class ServiceView(BaseModel):
    """One registered service."""

    name: str
    tier: int
    owner: str | None
    description: str | None
    depends_on: list[DependencyView]
    dependents: list[str]
    revision: int
    source: str
    location: str | None
    registered_at: datetime
    updated_at: datetime


class ServicePage(BaseModel):
    """A page of services."""

    items: list[ServiceView]
    next_cursor: str | None


def document(record: ServiceRecord, dependents: list[str]) -> dict[str, Any]:  # Any: JSON values
    """Return a `ServiceView`."""
    return {
        "name": record.name,
        "tier": record.tier,
        "owner": record.owner,
        "description": record.description,
        "depends_on": [{"name": item.name, "kind": item.kind} for item in record.depends_on],
        "dependents": dependents,
        "revision": record.revision,
        "source": record.source.value,
        "location": record.location,
        "registered_at": record.registered_at,
        "updated_at": record.updated_at,
    }
