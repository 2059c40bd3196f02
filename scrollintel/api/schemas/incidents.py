"""Incidents and questions to people as the API takes and shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from ...control.incidents import ApprovalRecord, IncidentRecord
from ...control.recovery_notes import IncidentEvent
from ...recovery.impact import seen_by
from .bodies import Strict, Text
from .recovery import RecoveryView


class Reasoned(Strict):
    """Something that is done for a reason."""

    reason: Text


class Acknowledgement(Strict):
    """Somebody takes note."""

    reason: Text | None = None


class IncidentView(BaseModel):
    """One failure of one target from detection to its end, relapses included."""

    id: str
    target: str
    service: str
    group: str | None
    failure_type: str
    state: str = Field(description="open, held, recovering, waiting, watched, escalated, resolved or cancelled")
    severity: int = Field(description="1 (worst) to 4")
    root: str | None = Field(description="incident of the target that is repaired first")
    attempts: int
    relapses: int
    recovery: str | None
    detected_at: datetime = Field(description="the first look failed")
    declared_at: datetime
    recovering_at: datetime | None = Field(description="the first recovery step was on disk")
    acted_at: datetime | None
    validated_at: datetime | None
    ended_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    impact: dict[str, Any] = Field(
        description="affected services, severity, and the inputs of both; `hidden` counts services that you may not see"
    )
    detail: str


class IncidentEventView(BaseModel):
    """One line of a timeline."""

    at: datetime
    kind: str
    detail: str
    actor: str
    data: dict[str, Any]


class IncidentStory(IncidentView):
    """An incident with its timeline and its recoveries, oldest first."""

    timeline: list[IncidentEventView]
    recoveries: list[RecoveryView]


class IncidentPage(BaseModel):
    """A page of incidents, newest first."""

    items: list[IncidentView]
    next_cursor: str | None


class ApprovalView(BaseModel):
    """A question: may exactly this plan be carried out?"""

    id: str
    incident: str | None
    recovery: str
    target: str
    service: str
    plan: dict[str, Any]
    digest: str = Field(description="SHA-256 of the plan; an answer has to name it")
    why: str
    requested_by: str
    requested_at: datetime
    expires_at: datetime = Field(description="no answer until then is a no")
    decision: str | None = Field(description="approved, refused or expired; null while it stands")
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    confirmed_twice: bool = Field(description="a second confirmation stood in for a second person")
    answers: list[Literal["approve", "refuse"]] = Field(
        description="what you may answer now; who has started the recovery may refuse it and not agree to it"
    )


class ApprovalPage(BaseModel):
    """A page of questions, newest first."""

    items: list[ApprovalView]
    next_cursor: str | None


class ApprovalDecision(Strict):
    """An answer."""

    decision: Literal["approve", "refuse"]
    digest: Annotated[str, Field(min_length=64, max_length=64, pattern=r"^[0-9a-f]{64}$")]
    reason: Text | None = None
    confirm: bool = Field(default=False, description="needed where access control is off, so that nobody is told apart")


def incident_document(record: IncidentRecord, sees: Callable[[str], bool]) -> dict[str, Any]:  # Any: JSON values
    """Return an `IncidentView` for somebody who sees these services."""
    impact = seen_by(record.impact, record.target, sees)
    return {**asdict(record), "state": record.state.value, "impact": dict(impact)}


def story_document(
    record: IncidentRecord,
    events: Iterable[IncidentEvent],
    recoveries: list[dict[str, Any]],  # Any: JSON values
    sees: Callable[[str], bool],
) -> dict[str, Any]:  # Any: JSON values
    """Return an `IncidentStory` for somebody who sees these services."""
    lines = [_line(event, record.target, sees) for event in events]
    return {**incident_document(record, sees), "timeline": lines, "recoveries": recoveries}


def _line(event: IncidentEvent, target: str, sees: Callable[[str], bool]) -> dict[str, Any]:  # Any: JSON values
    detail, data = event.detail, event.data
    if "affected" in data:
        data = seen_by(data, target, sees)
        detail = data["sentence"]
    return {"at": event.at, "kind": event.kind, "detail": detail, "actor": event.actor, "data": dict(data)}


def approval_document(record: ApprovalRecord, answers: list[str]) -> dict[str, Any]:  # Any: JSON values
    """Return an `ApprovalView` for somebody who may give these answers."""
    return {**asdict(record), "plan": dict(record.plan), "answers": answers}
