"""How circuits stand and stood, and the orders of operators about them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Identity, Index, String, Text
from sqlalchemy.orm import Mapped

from ..core.states import CircuitState
from .base import NAME_LENGTH, Base, BigId, UtcDateTime, at_least, one_of, operational, personal


class CircuitBreakerState(Base):
    """How a circuit stood on one replica when that replica last reported a change."""

    __tablename__ = "circuit_breaker_states"
    __table_args__ = (
        one_of("state", CircuitState),
        at_least("successes", 0),
        at_least("failures", 0),
        at_least("consecutive_failures", 0),
        Index(None, "service"),
        Index(None, "replica"),
        Index(None, "state"),
        {"comment": "last reported state of each circuit on each replica"},
    )

    circuit: Mapped[str] = operational(String(NAME_LENGTH), primary_key=True)
    key: Mapped[str] = operational(
        String(NAME_LENGTH), primary_key=True, default="", server_default="", comment="part of a circuit; '' for whole"
    )
    replica: Mapped[str] = operational(String(NAME_LENGTH), primary_key=True, comment="instance of the replica")
    service: Mapped[str] = operational(String(NAME_LENGTH))
    state: Mapped[str] = operational(String(16))
    reason: Mapped[str] = personal(Text, comment="why it is in this state; an operator's words when one set it")
    since: Mapped[datetime] = operational(UtcDateTime)
    open_until: Mapped[datetime | None] = operational(UtcDateTime, comment="moment of the next probe while open")
    successes: Mapped[int] = operational(BigInteger, comment="calls since the replica started")
    failures: Mapped[int] = operational(BigInteger, comment="calls since the replica started")
    consecutive_failures: Mapped[int] = operational(BigInteger, comment="calls")
    last_failure_type: Mapped[str | None] = operational(Text, comment="name of the error's class; never its text")
    last_failure_at: Mapped[datetime | None] = operational(UtcDateTime)
    reported_at: Mapped[datetime] = operational(UtcDateTime)


class CircuitTransitionRow(Base):
    """One change of a circuit's state."""

    __tablename__ = "circuit_transitions"
    __table_args__ = (
        one_of("old", CircuitState),
        one_of("new", CircuitState),
        Index(None, "circuit", "at"),
        Index(None, "service", "at"),
        Index(None, "at"),
        {
            "comment": "changes of circuits' states; rows are only added, until they expire",
            "sqlite_autoincrement": True,
        },
    )

    id: Mapped[int] = operational(BigId, Identity(), primary_key=True)
    at: Mapped[datetime] = operational(UtcDateTime)
    circuit: Mapped[str] = operational(String(NAME_LENGTH))
    key: Mapped[str] = operational(String(NAME_LENGTH), default="", server_default="")
    replica: Mapped[str] = operational(String(NAME_LENGTH), comment="instance of the replica")
    service: Mapped[str] = operational(String(NAME_LENGTH))
    old: Mapped[str] = operational(String(16))
    new: Mapped[str] = operational(String(16))
    reason: Mapped[str] = personal(Text, comment="why; an operator's words when one caused it")
    evidence: Mapped[str | None] = operational(
        Text, comment="the calls that decided it, as JSON; NULL when an order or time did"
    )


class CircuitOrderRow(Base):
    """An operator's standing order about a circuit, for every replica."""

    __tablename__ = "circuit_orders"
    __table_args__ = (one_of("order", ("isolated",)), {"comment": "standing orders of operators about circuits"})

    circuit: Mapped[str] = operational(String(NAME_LENGTH), primary_key=True)
    order: Mapped[str] = operational(String(16), comment="isolated: refuse every call until told otherwise")
    reason: Mapped[str] = personal(Text, comment="in the words of who gave it")
    since: Mapped[datetime] = operational(UtcDateTime)
    changed_by: Mapped[str] = personal(Text, comment="identity of who gave it")
    fleet_sequence: Mapped[int] = operational(BigInteger, comment="number of the change among all told to replicas")
