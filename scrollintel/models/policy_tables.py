"""Policies and their revisions, and what circuits and retries are configured to by them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Double, Index, Integer, String, Table, Text
from sqlalchemy.orm import Mapped

from ..core.config.breaker import BreakerMode, WindowKind
from ..core.config.retry import Jitter
from .append_only import make_append_only
from .base import NAME_LENGTH, Base, Json, JsonDocument, UtcDateTime, at_least, one_of, operational, personal

SOURCES = ("api", "file", "code")
"""Where a declaration may come from."""


class PolicyRow(Base):
    """A policy in force."""

    __tablename__ = "policies"
    __table_args__ = (
        one_of("source", SOURCES),
        at_least("revision", 1),
        Index(None, "service"),
        {"comment": "policies in force"},
    )

    name: Mapped[str] = operational(String(NAME_LENGTH), primary_key=True)
    service: Mapped[str | None] = operational(String(NAME_LENGTH), comment="owning service; NULL for all replicas")
    revision: Mapped[int] = operational(BigInteger, comment="rises by one with each change, from 1")
    content: Mapped[Json] = operational(JsonDocument, nullable=False, comment="Policy.to_dict()")
    reason: Mapped[str | None] = personal(Text, comment="why it was changed, in the words of who did")
    source: Mapped[str] = operational(String(8), comment="api, file or code")
    location: Mapped[str | None] = operational(Text, comment="file and line of the declaration when source is file")
    changed_at: Mapped[datetime] = operational(UtcDateTime)
    changed_by: Mapped[str] = personal(Text, comment="identity of who changed it")
    fleet_sequence: Mapped[int] = operational(BigInteger, comment="number of the change among all told to replicas")


class PolicyRevisionRow(Base):
    """One revision of a policy; never changed or deleted."""

    __tablename__ = "policy_revisions"
    __table_args__ = (at_least("revision", 1), {"comment": "every revision of every policy; append-only"})

    name: Mapped[str] = operational(String(NAME_LENGTH), primary_key=True)
    revision: Mapped[int] = operational(BigInteger, primary_key=True, autoincrement=False)
    service: Mapped[str | None] = operational(String(NAME_LENGTH), comment="owning service; NULL for all replicas")
    content: Mapped[Json] = operational(
        JsonDocument, nullable=True, comment="Policy.to_dict(); NULL when the policy was deleted"
    )
    reason: Mapped[str | None] = personal(Text, comment="why it was changed, in the words of who did")
    changed_at: Mapped[datetime] = operational(UtcDateTime)
    changed_by: Mapped[str] = personal(Text, comment="identity of who changed it")
    deleted: Mapped[bool] = operational(Boolean, comment="whether this revision removed the policy")


class CircuitBreakerConfiguration(Base):
    """What a circuit is configured to: the fields most asked for as columns, all of them in `content`."""

    __tablename__ = "circuit_breaker_configurations"
    __table_args__ = (
        one_of("window_kind", WindowKind),
        one_of("mode", BreakerMode),
        at_least("revision", 1),
        at_least("failure_threshold", 1),
        at_least("success_threshold", 1),
        CheckConstraint("recovery_timeout > 0", name="recovery_timeout"),
        CheckConstraint("timeout > 0", name="timeout"),
        Index(None, "service"),
        {"comment": "configuration of each circuit, as the policy in force sets it"},
    )

    name: Mapped[str] = operational(String(NAME_LENGTH), primary_key=True)
    service: Mapped[str | None] = operational(String(NAME_LENGTH), comment="owning service; NULL for all replicas")
    revision: Mapped[int] = operational(BigInteger, comment="revision of the policy that it comes from")
    failure_threshold: Mapped[int] = operational(BigInteger, comment="failures that open the circuit, calls")
    recovery_timeout: Mapped[float] = operational(Double, comment="from opening to the first probe, seconds")
    success_threshold: Mapped[int] = operational(BigInteger, comment="probes that must succeed to close, calls")
    timeout: Mapped[float | None] = operational(Double, comment="limit of one attempt, seconds; NULL for none")
    window_kind: Mapped[str] = operational(String(16), comment="consecutive, count, time or count_in_time")
    mode: Mapped[str] = operational(String(16), comment="enabled, disabled or metrics_only")
    enabled: Mapped[bool] = operational(Boolean, comment="whether the circuit may refuse calls")
    content: Mapped[Json] = operational(JsonDocument, nullable=False, comment="CircuitBreakerConfig.to_dict()")
    updated_at: Mapped[datetime] = operational(UtcDateTime)


class RetryConfiguration(Base):
    """How a policy retries: the fields most asked for as columns, all of them in `content`."""

    __tablename__ = "retry_configurations"
    __table_args__ = (
        one_of("jitter", Jitter),
        at_least("revision", 1),
        at_least("max_attempts", 1),
        at_least("base_delay", 0),
        at_least("max_delay", 0),
        at_least("exponential_base", 1),
        Index(None, "service"),
        {"comment": "retries of each policy, as the policy in force sets them"},
    )

    policy: Mapped[str] = operational(String(NAME_LENGTH), primary_key=True)
    service: Mapped[str | None] = operational(String(NAME_LENGTH), comment="owning service; NULL for all replicas")
    revision: Mapped[int] = operational(BigInteger, comment="revision of the policy that it comes from")
    max_attempts: Mapped[int] = operational(Integer, comment="attempts, the first included")
    base_delay: Mapped[float] = operational(Double, comment="wait before the second attempt, seconds")
    max_delay: Mapped[float] = operational(Double, comment="longest wait, seconds")
    exponential_base: Mapped[float] = operational(Double, comment="factor from one wait to the next")
    jitter: Mapped[str] = operational(String(16), comment="none, full, equal or decorrelated")
    content: Mapped[Json] = operational(JsonDocument, nullable=False, comment="RetryConfig.to_dict()")
    updated_at: Mapped[datetime] = operational(UtcDateTime)


assert isinstance(PolicyRevisionRow.__table__, Table)
make_append_only(PolicyRevisionRow.__table__)
