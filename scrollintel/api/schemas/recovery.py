"""Recoveries as the API takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from ...control.records import RecoveryOperationRecord
from .bodies import Name, ServiceName, Strict, Text


class RecoveryRequest(Strict):
    """What is to be recovered, and from what."""

    service: ServiceName
    failure_type: Name = "unknown"
    reason: Text | None = None


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
    steps: list[StepView]


class RecoveryPage(BaseModel):
    """A page of recoveries, newest first."""

    items: list[RecoveryView]
    next_cursor: str | None


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
        "steps": [dict(step) for step in record.steps],
    }
