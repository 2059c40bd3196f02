"""What is written as an incident goes from one state to the next: record, timeline, audit entry and fact together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ...control.incidents import INCIDENTS, IncidentRecord, IncidentState
from ...control.records import RecoveryOperationRecord
from ...control.recovery_notes import Act, IncidentEvent, Note

Changes = Mapping[str, Any]  # Any: fields of an incident


def opened(incident: IncidentRecord, detail: str, data: Changes) -> Note:
    """Return what is written of a failure that has been declared."""
    events = (
        IncidentEvent(incident=incident.id, at=incident.detected_at, kind="detected", detail=detail, data=data),
        IncidentEvent(
            incident=incident.id,
            at=incident.declared_at,
            kind="declared",
            detail=str(incident.impact.get("sentence", "")),
            data=incident.impact,
        ),
    )
    act = Act(
        action="incident.open",
        target_kind="incident",
        target=incident.id,
        service=incident.service,
        after={"target": incident.target, "failure_type": incident.failure_type, "severity": incident.severity},
    )
    told = {
        "id": incident.id,
        "target": incident.target,
        "failure_type": incident.failure_type,
        "severity": incident.severity,
        "state": incident.state.value,
        "detail": detail,
    }
    return Note(puts=(incident,), events=events, acts=(act,), facts=(("incident.opened", told, incident.service),))


def moved(
    incident: IncidentRecord,
    state: IncidentState,
    at: datetime,
    detail: str,
    *,
    kind: str | None = None,
    changes: Changes | None = None,
    data: Changes | None = None,
    audited: bool = False,
) -> Note:
    """Return what is written of an incident that comes into another state, or that stays with another detail.

    Arguments:
        kind: Of the line in the timeline; the state by default.
        changes: Further fields of the incident.
        audited: Whether the audit log is told.
    """
    fields = {"state": state, "detail": detail, **(changes or {})}
    if state.is_over:
        fields["ended_at"] = at
    event = IncidentEvent(incident=incident.id, at=at, kind=kind or state.value, detail=detail, data=data or {})
    told = {"id": incident.id, "target": incident.target, "state": state.value, "detail": detail}
    acts = (
        Act(
            action=f"incident.{kind or state.value}",
            target_kind="incident",
            target=incident.id,
            service=incident.service,
            reason=detail[:1000],
            outcome="failed" if state is IncidentState.ESCALATED else "allowed",
        ),
    )
    return Note(
        changes=((INCIDENTS.name, incident.id, fields),),
        events=(event,),
        acts=acts if audited else (),
        facts=((f"incident.{kind or state.value}", told, incident.service),),
    )


def started(incident: IncidentRecord, recovery: RecoveryOperationRecord, detail: str, decision: Changes) -> Note:
    """Return what is written of a recovery that is about to begin, and of what that decision rests on."""
    changes = {"recovery": recovery.id, "attempts": incident.attempts + 1}
    note = moved(
        incident,
        IncidentState.RECOVERING,
        recovery.started_at,
        detail,
        changes=changes,
        data={"recovery": recovery.id, "remedies": [remedy["kind"] for remedy in recovery.remedies], **decision},
    )
    act = Act(
        action="recovery.start",
        target_kind="recovery",
        target=recovery.id,
        service=recovery.service,
        reason=detail[:1000],
        after={
            "incident": incident.id,
            "failure_type": recovery.failure_type,
            "strategies": [remedy["kind"] for remedy in recovery.remedies],
        },
    )
    told = {
        "id": recovery.id,
        "failure_type": recovery.failure_type,
        "strategies": [remedy["kind"] for remedy in recovery.remedies],
        "incident": incident.id,
    }
    return note + Note(puts=(recovery,), acts=(act,), facts=(("recovery.started", told, recovery.service),))
