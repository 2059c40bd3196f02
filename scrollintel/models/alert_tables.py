"""Silences, and the alerts that people know of."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Integer, String, Text
from sqlalchemy.orm import Mapped

from .base import NAME_LENGTH, Base, Json, JsonDocument, UtcDateTime, at_least, operational, personal
from .incident_tables import MAX_TARGET_LENGTH


class SilenceRow(Base):
    """One silence that is in force."""

    __tablename__ = "silences"
    __table_args__ = ({"comment": "alerts that nobody is told of for a while"},)

    id: Mapped[str] = operational(String(64), primary_key=True)
    matchers: Mapped[Json] = operational(JsonDocument, nullable=False, comment="all of which an alert has to fit")
    reason: Mapped[str] = personal(Text, comment="in the words of who asked for it")
    created_by: Mapped[str] = personal(Text, comment="identity of who asked for it")
    created_at: Mapped[datetime] = operational(UtcDateTime)
    until: Mapped[datetime] = operational(UtcDateTime)


class ToldAlertRow(Base):
    """One alert that people know of and that is not over."""

    __tablename__ = "told_alerts"
    __table_args__ = (
        at_least("severity", 1, 4),
        at_least("group_severity", 1, 4),
        {"comment": "alerts that people know of, so that a restart tells nothing twice"},
    )

    fingerprint: Mapped[str] = operational(String(32), primary_key=True, comment="of its labels")
    name: Mapped[str] = operational(String(64))
    service: Mapped[str | None] = operational(String(NAME_LENGTH))
    target: Mapped[str | None] = operational(String(MAX_TARGET_LENGTH))
    variant: Mapped[str] = operational(String(64), comment="which of several about one thing")
    severity: Mapped[int] = operational(Integer, comment="1 (worst) to 4")
    summary: Mapped[str] = personal(Text, comment="what people were told")
    evidence: Mapped[Json] = personal(JsonDocument, nullable=False, comment="what it rests on")
    since: Mapped[datetime] = operational(UtcDateTime, comment="true since then")
    fired_at: Mapped[datetime] = operational(UtcDateTime)
    told_at: Mapped[datetime] = operational(UtcDateTime, comment="when people were told last")
    group_severity: Mapped[int] = operational(Integer, comment="the worst that was told of its group")
