"""Recoveries as the API takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from ...control.records import RecoveryOperationRecord
from ...service.recovery_strategies import Choice
from .bodies import Name, ServiceName, Strict, Text


class RecoveryRequest(Strict):
    """What is to be recovered, and from what."""

    service: ServiceName
    failure_type: Name = "unknown"
    reason: Text | None = None
    strategies: Annotated[list[Name], Field(max_length=20)] = Field(
        default=[],
        description="what to try, in this order; when empty, what is registered for the service and the failure type, "
        "or else reset-circuits",
    )


class StrategyView(BaseModel):
    """A strategy that a recovery can name."""

    name: str
    built_in: bool = Field(description="false for those that the program has registered that runs the control plane")
    failure_types: list[str] | None = Field(description="what it is registered for; null for everything")
    default: bool = Field(description="whether it may be tried when a request names none")
    description: str | None


class StrategyList(BaseModel):
    """The strategies of a service, those first that are tried without being named."""

    items: list[StrategyView]


class StepView(BaseModel):
    """One step that has begun."""

    strategy: str
    step: str = Field(description="observe, plan, act, verify or undo")
    succeeded: bool | None = Field(
        description="null while it runs, and for good when it was cut off, so that its effect is not known"
    )
    started_at: datetime
    duration: float | None = Field(description="seconds; null while it runs")
    detail: str
    verify_rounds: int


class RecoveryView(BaseModel):
    """One recovery."""

    id: str
    service: str
    failure_type: str
    status: str = Field(description="pending, running, finished or interrupted")
    outcome: str | None = Field(description="recovered, not_needed, refused or failed")
    strategy: str | None
    requested_by: str
    reason: str | None
    started_at: datetime
    finished_at: datetime | None
    duration: float | None = Field(description="seconds")
    detail: str | None
    incident: str | None = Field(description="what it is about; null when a person started it")
    target: str | None
    detected_at: datetime | None
    initiated_at: datetime | None = Field(description="the first step was on disk")
    acted_at: datetime | None
    validated_at: datetime | None
    steps: list[StepView]


class RecoveryPage(BaseModel):
    """A page of recoveries, newest first."""

    items: list[RecoveryView]
    next_cursor: str | None


class Spread(BaseModel):
    """Seconds: how many there are, where the middle lies, and how far the tail reaches."""

    count: int
    median: float
    p90: float
    p95: float
    max: float
    mean: float


class Figures(BaseModel):
    """How often something fails, and how fast it comes back; null where nothing is known."""

    incidents: int
    recoveries: int
    success_rate: float | None = Field(description="share of recoveries that ended recovered or not needed")
    time_to_recover: Spread | None = Field(description="from detection to proven health")
    time_between_failures: Spread | None
    detection: Spread | None
    initiation: Spread | None
    action: Spread | None
    validation: Spread | None


class StrategyFigures(BaseModel):
    """How often a strategy was tried, and how often it helped."""

    tried: int
    helped: int


class RecoveryStatistics(Figures):
    """The same over all, and by service, failure type and strategy."""

    by_service: dict[str, Figures]
    by_failure_type: dict[str, Figures]
    by_strategy: dict[str, StrategyFigures]


def strategy_document(choice: Choice) -> dict[str, Any]:  # Any: JSON values
    """Return a `StrategyView`."""
    return {
        "name": choice.name,
        "built_in": choice.built_in,
        "failure_types": choice.failure_types,
        "default": choice.default,
        "description": choice.description,
    }


def document(record: RecoveryOperationRecord) -> dict[str, Any]:  # Any: JSON values
    """Return a `RecoveryView`."""
    return {
        "id": record.id,
        "service": record.service,
        "failure_type": record.failure_type,
        "status": record.status,
        "outcome": record.outcome,
        "strategy": record.strategy,
        "requested_by": record.requested_by,
        "reason": record.reason,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        "duration": record.duration,
        "detail": record.detail,
        "incident": record.incident,
        "target": record.target,
        "detected_at": record.detected_at,
        "initiated_at": record.initiated_at,
        "acted_at": record.acted_at,
        "validated_at": record.validated_at,
        "steps": [dict(step) for step in record.steps],
    }
