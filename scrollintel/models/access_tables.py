"""Who may do what, and the keys that seal what must not be read."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Integer, String, Text
from sqlalchemy.orm import Mapped

from .base import (
    NAME_LENGTH,
    Base,
    BigId,
    Json,
    JsonDocument,
    UtcDateTime,
    at_least,
    one_of,
    operational,
    personal,
    secret,
)

ROLES = ("viewer", "operator", "admin", "auditor", "approver", "replica")
"""The roles that a binding may give."""


class ApiTokenRow(Base):
    """An API token, of which only a digest is kept."""

    __tablename__ = "api_tokens"
    __table_args__ = (
        Index(None, "digest", unique=True),
        Index(None, "subject"),
        {"comment": "API tokens"},
    )

    id: Mapped[str] = operational(String(64), primary_key=True)
    name: Mapped[str] = personal(String(NAME_LENGTH))
    digest: Mapped[str] = secret(String(64), comment="SHA-256 of the token, hex")
    subject: Mapped[str | None] = personal(Text, comment="opaque id of the person it stands for, and the name, sealed")
    bindings: Mapped[Json] = operational(JsonDocument, nullable=False, comment="list of role and services")
    created_at: Mapped[datetime] = operational(UtcDateTime)
    created_by: Mapped[str] = personal(Text, comment="identity of who created it")
    expires_at: Mapped[datetime | None] = operational(UtcDateTime, comment="NULL: never")
    revoked_at: Mapped[datetime | None] = operational(UtcDateTime)
    last_used_at: Mapped[datetime | None] = operational(UtcDateTime)


class RoleBindingRow(Base):
    """A role given to a person or group of the identity provider."""

    __tablename__ = "role_bindings"
    __table_args__ = (one_of("role", ROLES), Index(None, "subject"), {"comment": "roles of persons and groups"})

    id: Mapped[str] = operational(String(64), primary_key=True)
    subject: Mapped[str] = personal(Text, comment="opaque id of a person or group, and the name, sealed")
    role: Mapped[str] = operational(String(16))
    services: Mapped[Json] = operational(JsonDocument, nullable=False, comment='list of names, or ["*"] for all')
    created_at: Mapped[datetime] = operational(UtcDateTime)
    created_by: Mapped[str] = personal(Text, comment="identity of who created it")


class SubjectRow(Base):
    """A person in the log; erasing the key erases the person."""

    __tablename__ = "subjects"
    __table_args__ = ({"comment": "persons; without a key what was sealed for them cannot be read any more"},)

    id: Mapped[str] = personal(Text, primary_key=True)
    wrapped_key: Mapped[str | None] = secret(Text, comment="key of the personal fields; NULL once erased")
    created_at: Mapped[datetime] = operational(UtcDateTime)
    erased_at: Mapped[datetime | None] = operational(UtcDateTime)


class DataKeyRow(Base):
    """A key that seals values, itself wrapped by a key from outside the database."""

    __tablename__ = "data_keys"
    __table_args__ = ({"comment": "wrapped data keys"},)

    id: Mapped[str] = operational(String(64), primary_key=True)
    wrapped: Mapped[str] = secret(Text, comment="the key, sealed by the key-encryption key")
    key_encryption_key_id: Mapped[str] = operational(Text)
    purpose: Mapped[str] = operational(String(64))
    created_at: Mapped[datetime] = operational(UtcDateTime)
    retired_at: Mapped[datetime | None] = operational(UtcDateTime)
    seals_reserved: Mapped[int] = operational(
        BigId, default=0, server_default="0", comment="uses counted so far, in blocks; a key has at most 2**32"
    )


class IdempotencyKeyRow(Base):
    """The answer to a request that carried an idempotency key."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        at_least("status", 100, 599),
        Index(None, "expires_at"),
        {"comment": "answers that are given again when a request comes again"},
    )

    actor: Mapped[str] = personal(Text, primary_key=True)
    key: Mapped[str] = operational(String(255), primary_key=True)
    fingerprint: Mapped[str] = operational(String(128), comment="digest of method, path and body of the request")
    status: Mapped[int] = operational(Integer, comment="HTTP status of the answer")
    headers: Mapped[Json] = operational(JsonDocument, nullable=False)
    body: Mapped[str] = personal(Text, comment="body of the answer; must hold no secret")
    expires_at: Mapped[datetime] = operational(UtcDateTime)
