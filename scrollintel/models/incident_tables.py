"""Incidents with their timelines, questions to people, and where endpoints point."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Identity, Index, Integer, String, Text
from sqlalchemy.orm import Mapped

from ..control.incidents import IncidentState
from .base import NAME_LENGTH, Base, BigId, Json, JsonDocument, UtcDateTime, at_least, one_of, operational, personal

DECISIONS = ("approved", "refused", "expired")
"""What may become of a question."""
MAX_TARGET_LENGTH = 2 * NAME_LENGTH + 1
"""Characters of a target's name: a service, a slash and a replica."""


class IncidentRow(Base):
    """One failure of one target from detection to its end, relapses included."""

    __tablename__ = "incidents"
    __table_args__ = (
        one_of("state", IncidentState),
        at_least("severity", 1, 4),
        Index(None, "service", "declared_at"),
        Index(None, "state", "declared_at"),
        Index(None, "declared_at"),
        {"comment": "failures of watched targets from detection to end"},
    )

    id: Mapped[str] = operational(String(64), primary_key=True)
    target: Mapped[str] = operational(String(MAX_TARGET_LENGTH))
    service: Mapped[str] = operational(String(NAME_LENGTH))
    replica_group: Mapped[str | None] = operational(String(NAME_LENGTH), comment="targets that stand in for it")
    failure_type: Mapped[str] = operational(String(NAME_LENGTH))
    state: Mapped[str] = operational(String(16))
    severity: Mapped[int] = operational(Integer, comment="1 (worst) to 4")
    root: Mapped[str | None] = operational(String(64), comment="incident that this one is held for")
    attempts: Mapped[int] = operational(Integer, comment="recoveries that were started")
    relapses: Mapped[int] = operational(Integer, comment="times that it failed again after a repair")
    recovery: Mapped[str | None] = operational(String(64), comment="recovery that runs or ran last")
    detected_at: Mapped[datetime] = operational(UtcDateTime, comment="first look that failed")
    declared_at: Mapped[datetime] = operational(UtcDateTime, comment="failure declared")
    recovering_at: Mapped[datetime | None] = operational(UtcDateTime, comment="first step on disk")
    acted_at: Mapped[datetime | None] = operational(UtcDateTime, comment="last action carried out")
    validated_at: Mapped[datetime | None] = operational(UtcDateTime, comment="proven healthy last")
    ended_at: Mapped[datetime | None] = operational(UtcDateTime)
    acknowledged_at: Mapped[datetime | None] = operational(UtcDateTime)
    acknowledged_by: Mapped[str | None] = personal(Text, comment="identity of who has taken note")
    impact: Mapped[Json] = operational(JsonDocument, nullable=False, comment="affected services, severity, inputs")
    detail: Mapped[str] = operational(Text)


class IncidentEventRow(Base):
    """One line of an incident's timeline."""

    __tablename__ = "incident_events"
    __table_args__ = (
        Index(None, "incident", "at"),
        Index(None, "at"),
        {"comment": "timelines of incidents; rows are only added, until they expire", "sqlite_autoincrement": True},
    )

    id: Mapped[int] = operational(BigId, Identity(), primary_key=True)
    incident: Mapped[str] = operational(String(64))
    at: Mapped[datetime] = operational(UtcDateTime)
    kind: Mapped[str] = operational(String(64))
    actor: Mapped[str] = personal(Text, comment="identity of who did it, or system")
    detail: Mapped[str] = operational(Text)
    data: Mapped[Json] = operational(JsonDocument, nullable=False)


class ApprovalRow(Base):
    """A question to a person: may exactly this plan be carried out?"""

    __tablename__ = "approvals"
    __table_args__ = (
        one_of("decision", DECISIONS),
        Index(None, "recovery"),
        Index(None, "requested_at"),
        {"comment": "plans that people have to agree to"},
    )

    id: Mapped[str] = operational(String(64), primary_key=True)
    incident: Mapped[str | None] = operational(String(64))
    recovery: Mapped[str] = operational(String(64))
    target: Mapped[str] = operational(String(MAX_TARGET_LENGTH))
    service: Mapped[str] = operational(String(NAME_LENGTH))
    plan: Mapped[Json] = operational(JsonDocument, nullable=False, comment="as it was shown")
    digest: Mapped[str] = operational(String(64), comment="SHA-256 of the plan; an answer names it")
    why: Mapped[str] = operational(Text, comment="why a person has to agree")
    requested_by: Mapped[str] = personal(Text, comment="identity of who started the recovery")
    requested_at: Mapped[datetime] = operational(UtcDateTime)
    expires_at: Mapped[datetime] = operational(UtcDateTime, comment="afterwards it is refused")
    decision: Mapped[str | None] = operational(String(16), comment="NULL while it stands")
    decided_by: Mapped[str | None] = personal(Text, comment="identity of who answered")
    decided_at: Mapped[datetime | None] = operational(UtcDateTime)
    reason: Mapped[str | None] = personal(Text, comment="in the words of who answered")
    confirmed_twice: Mapped[bool] = operational(
        Boolean, comment="whether a second confirmation of the same person stood in for a second person"
    )


class EndpointRow(Base):
    """Where the callers of an endpoint have been pointed."""

    __tablename__ = "endpoints"
    __table_args__ = ({"comment": "addresses that callers use by order"},)

    name: Mapped[str] = operational(String(NAME_LENGTH), primary_key=True)
    address: Mapped[str] = operational(Text)
    previous: Mapped[str | None] = operational(Text, comment="address before the order")
    reason: Mapped[str] = personal(Text, comment="in the words of who ordered it")
    since: Mapped[datetime] = operational(UtcDateTime)
    changed_by: Mapped[str] = personal(Text, comment="identity of who ordered it")
    fleet_sequence: Mapped[int] = operational(BigInteger, comment="number of the change among all told to replicas")
