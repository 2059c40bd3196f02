"""Configuration values, and what the control plane remembers about itself."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, CheckConstraint, String, Text
from sqlalchemy.orm import Mapped

from .base import NAME_LENGTH, Base, Json, JsonDocument, UtcDateTime, at_least, operational, personal, secret


class FaultToleranceConfiguration(Base):
    """One configuration value, open or sealed."""

    __tablename__ = "fault_tolerance_configurations"
    __table_args__ = (
        at_least("revision", 1),
        CheckConstraint("CASE WHEN secret THEN value IS NULL ELSE sealed IS NULL END", name="secret_is_sealed"),
        {"comment": "configuration values; secret ones are sealed"},
    )

    key: Mapped[str] = operational(String(NAME_LENGTH), primary_key=True)
    value: Mapped[Json] = operational(JsonDocument, nullable=True, comment="NULL when secret")
    sealed: Mapped[str | None] = secret(Text, comment="encrypted value; NULL when not secret")
    secret: Mapped[bool] = operational(Boolean)
    revision: Mapped[int] = operational(BigInteger, comment="rises by one with each change, from 1")
    description: Mapped[str | None] = personal(Text)
    updated_at: Mapped[datetime] = operational(UtcDateTime)
    updated_by: Mapped[str] = personal(Text, comment="identity of who changed it")


class ControlStateRow(Base):
    """One fact about the control plane itself."""

    __tablename__ = "control_state"
    __table_args__ = ({"comment": "facts about the control plane itself"},)

    key: Mapped[str] = operational(String(NAME_LENGTH), primary_key=True)
    value: Mapped[Json] = operational(JsonDocument, nullable=False)
