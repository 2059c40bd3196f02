"""The audit log: a chain of records that the database refuses to change, and signed checkpoints of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Table, Text
from sqlalchemy.orm import Mapped

from .append_only import make_append_only
from .base import NAME_LENGTH, Base, BigId, UtcDateTime, at_least, operational, personal


class AuditRecordRow(Base):
    """One entry of the log. `body` holds the canonical bytes that are hashed; the other columns serve the search."""

    __tablename__ = "audit_records"
    __table_args__ = (
        at_least("sequence", 0),
        Index(None, "at"),
        Index(None, "actor", "sequence"),
        Index(None, "action", "sequence"),
        Index(None, "target", "sequence"),
        Index(None, "service", "sequence"),
        {"comment": "the audit log; append-only"},
    )

    sequence: Mapped[int] = operational(BigId, primary_key=True, autoincrement=False, comment="without a gap")
    at: Mapped[datetime] = operational(UtcDateTime)
    actor: Mapped[str] = personal(Text, comment="identity of who did it")
    action: Mapped[str] = operational(String(NAME_LENGTH))
    target_kind: Mapped[str | None] = operational(String(NAME_LENGTH))
    target: Mapped[str | None] = operational(Text)
    service: Mapped[str | None] = operational(String(NAME_LENGTH))
    outcome: Mapped[str] = operational(String(32))
    request_id: Mapped[str | None] = operational(String(NAME_LENGTH))
    body: Mapped[str] = personal(Text, comment="canonical JSON of the whole record, as it was hashed")
    hash: Mapped[str] = operational(String(128), comment="hash over the former record's hash and body, hex")


class AuditCheckpointRow(Base):
    """A signed statement of how the log stood at one size."""

    __tablename__ = "audit_checkpoints"
    __table_args__ = (at_least("size", 0), {"comment": "signed checkpoints of the audit log; append-only"})

    size: Mapped[int] = operational(BigId, primary_key=True, autoincrement=False, comment="records it covers")
    log_id: Mapped[str] = operational(String(128), comment="which log")
    root: Mapped[str] = operational(String(128), comment="root of the Merkle tree over the records, hex")
    head_hash: Mapped[str] = operational(String(128), comment="hash of the last record, hex")
    at: Mapped[datetime] = operational(UtcDateTime)
    key_id: Mapped[str] = operational(String(128), comment="public key that verifies the signature")
    signature: Mapped[str] = operational(Text)


for _model in (AuditRecordRow, AuditCheckpointRow):
    assert isinstance(_model.__table__, Table)
    make_append_only(_model.__table__)
