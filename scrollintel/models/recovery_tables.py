"""What failed, and what was done about it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Double, Identity, Index, String, Text
from sqlalchemy.orm import Mapped

from ..core.events import Severity
from ..recovery.strategy import RecoveryOutcome
from .base import NAME_LENGTH, Base, BigId, Json, JsonDocument, UtcDateTime, at_least, one_of, operational, personal

RECOVERY_STATUS = ("pending", "running", "finished", "interrupted")
"""Where a recovery is; one that runs when the control plane dies is interrupted."""


class SystemFailure(Base):
    """One failure of a service or circuit, and when it ended."""

    __tablename__ = "system_failures"
    __table_args__ = (
        one_of("severity", Severity),
        Index(None, "service", "at"),
        Index(None, "circuit", "at"),
        Index(None, "at"),
        {"comment": "failures of services and circuits", "sqlite_autoincrement": True},
    )

    id: Mapped[int] = operational(BigId, Identity(), primary_key=True)
    at: Mapped[datetime] = operational(UtcDateTime)
    service: Mapped[str] = operational(String(NAME_LENGTH))
    circuit: Mapped[str | None] = operational(String(NAME_LENGTH))
    kind: Mapped[str] = operational(String(NAME_LENGTH), comment="name of the fact, such as circuit_opened")
    severity: Mapped[str] = operational(String(16), comment="debug, information, warning or error")
    detail: Mapped[str | None] = operational(Text)
    resolved_at: Mapped[datetime | None] = operational(
        UtcDateTime, comment="NULL while it lasts; by another clock, perhaps"
    )
    recovery_id: Mapped[str | None] = operational(String(64), comment="recovery that was started about it")


class RecoveryOperation(Base):
    """One recovery from request to end."""

    __tablename__ = "recovery_operations"
    __table_args__ = (
        one_of("status", RECOVERY_STATUS),
        one_of("outcome", RecoveryOutcome),
        at_least("duration", 0),
        Index(None, "service", "started_at"),
        Index(None, "status", "started_at"),
        Index(None, "started_at"),
        {"comment": "recoveries from request to end"},
    )

    id: Mapped[str] = operational(String(64), primary_key=True)
    service: Mapped[str] = operational(String(NAME_LENGTH))
    failure_type: Mapped[str] = operational(String(NAME_LENGTH), comment="what it was asked to recover from")
    status: Mapped[str] = operational(String(16), comment="pending, running, finished or interrupted")
    outcome: Mapped[str | None] = operational(String(16), comment="NULL until it has finished")
    strategy: Mapped[str | None] = operational(String(NAME_LENGTH), comment="what brought the service back")
    requested_by: Mapped[str] = personal(Text, comment="identity of who asked for it")
    reason: Mapped[str | None] = personal(Text, comment="in the words of who asked for it")
    started_at: Mapped[datetime] = operational(UtcDateTime)
    finished_at: Mapped[datetime | None] = operational(UtcDateTime)
    duration: Mapped[float | None] = operational(Double, comment="from request to end, seconds")
    steps: Mapped[Json] = operational(JsonDocument, nullable=False, comment="what was done, in order")
    detail: Mapped[str | None] = operational(Text)
    idempotency_key: Mapped[str | None] = operational(Text, comment="of the request that asked for it")
    incident: Mapped[str | None] = operational(String(64), comment="what it is about; NULL when a person started it")
    target: Mapped[str | None] = operational(String(2 * NAME_LENGTH + 1), comment="what is repaired")
    remedies: Mapped[Json] = operational(JsonDocument, nullable=True, comment="strategies to be tried, in order")
    detected_at: Mapped[datetime | None] = operational(UtcDateTime, comment="first look that failed")
    initiated_at: Mapped[datetime | None] = operational(UtcDateTime, comment="first step on disk")
    acted_at: Mapped[datetime | None] = operational(UtcDateTime, comment="last action carried out")
    validated_at: Mapped[datetime | None] = operational(UtcDateTime, comment="proven healthy")
    epoch: Mapped[int | None] = operational(BigInteger, comment="fencing token of the last action")
