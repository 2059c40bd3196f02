"""Degradation levels as the API shows them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, Field

from ...control.records import LevelOrder
from ...core.config.degradation import DegradationLevel
from ...service.degradation import ServiceLevel
from .bodies import ServiceName, Strict, Text


class LevelName(StrEnum):
    """The five levels, from nothing given up to almost all."""

    NONE = "none"
    MINIMAL = "minimal"
    MODERATE = "moderate"
    SEVERE = "severe"
    CRITICAL = "critical"


class DegradationOrder(Strict):
    """A level to hold."""

    service: ServiceName
    level: Annotated[LevelName, Field(strict=False)]
    reason: Text
    expires_in: Annotated[float | None, Field(gt=0, le=31_536_000, description="seconds; null until restored")] = None


class ServiceDegradationView(BaseModel):
    """How far a service is degraded."""

    service: str
    level: LevelName
    reason: str
    automatic: bool
    since: datetime | None
    expires_at: datetime | None
    by: str | None
    replicas: int = Field(description="replicas that report a level above none")


class DegradationPage(BaseModel):
    """A page of degraded services."""

    items: list[ServiceDegradationView]
    next_cursor: str | None


def document(level: ServiceLevel) -> dict[str, Any]:  # Any: JSON values
    """Return a `ServiceDegradationView`."""
    order = level.order
    return {
        "service": level.service,
        "level": level.level.name.lower(),
        "reason": level.reason,
        "automatic": level.automatic,
        "since": level.since,
        "expires_at": None if order is None else order.expires_at,
        "by": None if order is None else order.changed_by,
        "replicas": level.replicas,
    }


def ordered(order: LevelOrder | None, service: str = "", now: datetime | None = None) -> dict[str, Any]:
    """Return the `ServiceDegradationView` of an order that was just given or ended; Any: JSON values."""
    if order is None:
        return {
            "service": service,
            "level": LevelName.NONE.value,
            "reason": "restored",
            "automatic": True,
            "since": now,
            "expires_at": None,
            "by": None,
            "replicas": 0,
        }
    return {
        "service": order.service,
        "level": DegradationLevel(order.level).name.lower(),
        "reason": order.reason,
        "automatic": False,
        "since": order.since,
        "expires_at": order.expires_at,
        "by": order.changed_by,
        "replicas": 0,
    }
