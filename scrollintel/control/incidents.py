"""Incidents as the control plane remembers them: what failed, what it affects, what is done, and who agreed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from .records import Json, Kind

CANCELLED_BY_A_PERSON = "cancelled: "
"""How the detail of an incident begins that somebody has cancelled; the target is left alone until it is healthy."""


class IncidentState(StrEnum):
    """Where an incident is.

    `OPEN`: nothing is done, for the reason in its detail. `HELD`: what it depends on is repaired first. `RECOVERING`,
    `WAITING`: a recovery runs, or waits for a person. `WATCHED`: repaired, and a relapse would still be this incident.
    `ESCALATED`: automation has given up, people are called. `RESOLVED`, `CANCELLED`: it is over.
    """

    OPEN = "open"
    HELD = "held"
    RECOVERING = "recovering"
    WAITING = "waiting"
    WATCHED = "watched"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing follows any more."""
        return self in (IncidentState.RESOLVED, IncidentState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRecord:
    """One failure of one target from detection to its end, relapses included.

    Arguments:
        id: `inc_` and hexadecimal digits.
        target, service, group: What failed.
        failure_type: What is wrong, as strategies are chosen for it.
        severity: 1 (worst) to 4.
        root: The incident of the target that this one is held for, or None.
        attempts: Recoveries that were started, relapses included.
        relapses: Times that it failed again after a repair.
        recovery: The recovery that runs or ran last, or None.
        detected_at: When the first look failed that led here.
        declared_at: When the failure was declared.
        recovering_at: When the first recovery step was on disk.
        acted_at: When the last action had been carried out.
        validated_at: When it was proven healthy last.
        ended_at: When it was over.
        impact: Affected services, and severity with its inputs.
        detail: One sentence for an operator.
    """

    id: str
    target: str
    service: str
    group: str | None
    failure_type: str
    state: IncidentState
    severity: int
    root: str | None
    attempts: int
    relapses: int
    recovery: str | None
    detected_at: datetime
    declared_at: datetime
    recovering_at: datetime | None = None
    acted_at: datetime | None = None
    validated_at: datetime | None = None
    ended_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    impact: Json = field(default_factory=dict)
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRecord:
    """A question to a person: may exactly this plan be carried out?

    Arguments:
        id: `apr_` and hexadecimal digits.
        incident: The incident, or None for a recovery that a person started.
        recovery, target, service: What the plan belongs to.
        plan: The plan as it was shown.
        digest: SHA-256 of the plan in hexadecimal; an answer names it.
        why: Why a person has to agree, one sentence.
        requested_by: Who started the recovery; they may not agree by themselves.
        requested_at, expires_at: From when to when the question stands; afterwards it is refused.
        decision: None while it stands, or `approved`, `refused`, `expired`.
        decided_by, decided_at, reason: By whom, when, and why.
        confirmed_twice: Whether a second confirmation of the same person stood in for a second person.
    """

    id: str
    incident: str | None
    recovery: str
    target: str
    service: str
    plan: Json
    digest: str
    why: str
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    decision: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None
    confirmed_twice: bool = False


INCIDENT_EVENTS = "incident_events"
"""Name of the table that holds the timeline of incidents; its rows are only added."""
INCIDENTS: Kind[IncidentRecord] = Kind("incident", lambda record: record.id, lambda record: not record.state.is_over)
APPROVALS: Kind[ApprovalRecord] = Kind("approval", lambda record: record.id, lambda record: record.decision is None)
