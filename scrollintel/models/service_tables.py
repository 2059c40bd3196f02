"""Services, what they need, how much of them is given up, and how healthy they were seen."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Double, ForeignKey, Identity, Index, Integer, String, Text
from sqlalchemy.orm import Mapped

from .base import NAME_LENGTH, Base, BigId, UtcDateTime, at_least, one_of, operational, personal
from .policy_tables import SOURCES

DEPENDENCY_KINDS = ("hard", "soft", "fallback")
"""A service fails without a hard dependency, is worse without a soft one, and turns to a fallback."""

HEALTH = ("healthy", "degraded", "unhealthy", "unknown")
"""What a look at a service may find."""


class ServiceRow(Base):
    """A registered service."""

    __tablename__ = "services"
    __table_args__ = (
        one_of("source", SOURCES),
        at_least("tier", 0),
        at_least("revision", 1),
        {"comment": "registered services"},
    )

    name: Mapped[str] = operational(String(NAME_LENGTH), primary_key=True)
    tier: Mapped[int] = operational(Integer, comment="importance; lower is more important")
    owner: Mapped[str | None] = personal(Text, comment="team or person that answers for it")
    description: Mapped[str | None] = personal(Text)
    revision: Mapped[int] = operational(BigInteger, comment="rises by one with each change, from 1")
    source: Mapped[str] = operational(String(8), comment="api, file or code")
    location: Mapped[str | None] = operational(Text, comment="file and line of the declaration when source is file")
    registered_at: Mapped[datetime] = operational(UtcDateTime)
    updated_at: Mapped[datetime] = operational(UtcDateTime)


class ServiceDependencyRow(Base):
    """One thing that a service needs; it need not be registered itself."""

    __tablename__ = "service_dependencies"
    __table_args__ = (
        one_of("kind", DEPENDENCY_KINDS),
        Index(None, "depends_on"),
        {"comment": "what services need"},
    )

    service: Mapped[str] = operational(
        String(NAME_LENGTH),
        ForeignKey("services.name", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        primary_key=True,
    )
    depends_on: Mapped[str] = operational(String(NAME_LENGTH), primary_key=True)
    kind: Mapped[str] = operational(String(16), comment="hard, soft or fallback")


class ServiceDegradation(Base):
    """The level at which a service is held."""

    __tablename__ = "service_degradations"
    __table_args__ = (at_least("level", 0, 4), {"comment": "degradation level of each service that has one"})

    service: Mapped[str] = operational(String(NAME_LENGTH), primary_key=True)
    level: Mapped[int] = operational(Integer, comment="0 none, 1 minimal, 2 moderate, 3 severe, 4 critical")
    reason: Mapped[str] = personal(Text, comment="in the words of who set it")
    automatic: Mapped[bool] = operational(Boolean, comment="whether it follows measurements instead of an operator")
    since: Mapped[datetime] = operational(UtcDateTime)
    expires_at: Mapped[datetime | None] = operational(UtcDateTime, comment="NULL: until restored")
    changed_by: Mapped[str] = personal(Text, comment="identity of who set it")
    fleet_sequence: Mapped[int] = operational(BigInteger, comment="number of the change among all told to replicas")


class DegradationChangeRow(Base):
    """One change of a service's level."""

    __tablename__ = "degradation_changes"
    __table_args__ = (
        at_least("old", 0, 4),
        at_least("new", 0, 4),
        Index(None, "service", "at"),
        Index(None, "at"),
        {
            "comment": "changes of degradation levels; rows are only added, until they expire",
            "sqlite_autoincrement": True,
        },
    )

    id: Mapped[int] = operational(BigId, Identity(), primary_key=True)
    at: Mapped[datetime] = operational(UtcDateTime)
    service: Mapped[str] = operational(String(NAME_LENGTH))
    old: Mapped[int] = operational(Integer, comment="level, 0 to 4")
    new: Mapped[int] = operational(Integer, comment="level, 0 to 4")
    reason: Mapped[str] = personal(Text, comment="in the words of who changed it")
    automatic: Mapped[bool] = operational(Boolean, comment="whether it follows measurements instead of an operator")
    changed_by: Mapped[str | None] = personal(Text, comment="identity of who changed it")


class HealthCheck(Base):
    """One look at a service."""

    __tablename__ = "health_checks"
    __table_args__ = (
        one_of("status", HEALTH),
        at_least("latency", 0),
        Index(None, "service", "at"),
        Index(None, "at"),
        {"comment": "looks at services; rows are only added, until they expire", "sqlite_autoincrement": True},
    )

    id: Mapped[int] = operational(BigId, Identity(), primary_key=True)
    at: Mapped[datetime] = operational(UtcDateTime)
    service: Mapped[str] = operational(String(NAME_LENGTH))
    status: Mapped[str] = operational(String(16), comment="healthy, degraded, unhealthy or unknown")
    detail: Mapped[str | None] = operational(Text)
    latency: Mapped[float | None] = operational(Double, comment="how long the look took, seconds")
    source: Mapped[str] = operational(String(NAME_LENGTH), comment="who looked")
