"""The audit log as the API shows it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel

from ...security.audit_chain import SealedRecord
from ...security.checkpoints import SignedCheckpoint
from ...service.persons import Persons
from .bodies import TEXT_PATTERN, Moment

Since = Annotated[Moment | None, Query(alias="from", description="first moment, included")]
Until = Annotated[Moment | None, Query(alias="to", description="last moment, included")]
Wanted = Annotated[str | None, Query(min_length=1, max_length=200, pattern=TEXT_PATTERN)]


class PersonShown(BaseModel):
    """Who stands behind a record, as far as that can still be read."""

    subject_id: str | None
    state: Literal["open", "erased", "unreadable"]
    subject: str | None
    address: str | None


class AuditShown(BaseModel):
    """One record of the audit log."""

    sequence: int
    hash: str
    previous: str
    at: datetime
    action: str
    actor: str
    target_kind: str
    target: str
    service: str | None
    outcome: str
    reason: str | None
    request_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    count: int
    personal: PersonShown | None


class AuditPage(BaseModel):
    """A page of records, the newest first."""

    items: list[AuditShown]
    next_cursor: str | None


class ProblemShown(BaseModel):
    """One thing that is wrong with the log."""

    sequence: int | None
    text: str


class Verdict(BaseModel):
    """What a verification has found."""

    ok: bool
    log_id: str
    records: int
    checkpoints: int
    head_sequence: int
    head_hash: str
    first_bad: int | None
    problem: str
    problems: list[ProblemShown]
    problem_count: int
    notes: list[str]


class CheckpointShown(BaseModel):
    """A signed statement of how the log stood."""

    v: int
    log_id: str
    size: int
    root: str
    head_hash: str
    at: datetime
    key_id: str
    signature: str


class CheckpointPage(BaseModel):
    """A page of checkpoints, the newest first."""

    items: list[CheckpointShown]
    next_cursor: str | None


class PublicKey(BaseModel):
    """The public key that verifies checkpoints."""

    key_id: str
    pem: str


def record_document(record: SealedRecord, persons: Persons) -> dict[str, Any]:  # Any: JSON values
    """Return a record as JSON values, with personal data opened where its key still exists."""
    body = json.loads(record.body)
    shown = {name: body.get(name) for name in ("previous", "reason", "before", "after", "count")}
    columns = {name: getattr(record, name) for name in SealedRecord._fields if name != "body"}
    return {**columns, **shown, "personal": persons.shown(body.get("personal"))}


def checkpoint_document(signed: SignedCheckpoint) -> dict[str, Any]:  # Any: JSON values
    """Return a checkpoint as JSON values."""
    document: dict[str, Any] = json.loads(signed.to_json())["checkpoint"]  # Any: JSON values
    return document
