"""The audit log's hash chain: what a record says, its canonical bytes, and how each is bound to the one before.

The chain alone shows an edit, a removal, an insertion and a swap. A cut at the end, or a chain recomputed as a whole,
shows against a signed checkpoint that is kept elsewhere (`checkpoints`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

VERSION = 1
"""Version of the canonical form; it is part of every record's bytes."""

HASH_SIZE = 32
OUTCOMES = frozenset({"allowed", "refused", "failed"})
INDEX_COLUMNS = ("at", "action", "actor", "target_kind", "target", "service", "outcome", "request_id")
"""Fields that are stored beside the canonical text for searching; a verifier compares each with the text."""

# Keeps the hash of a record from being the hash of anything else that the product hashes or signs.
_RECORD_DOMAIN = b"scrollintel/audit/record/1\n"
_NO_OFFSET = timedelta(0)
# ASCII only: no two Unicode spellings, no character that a database refuses (NUL, lone surrogates), one byte each.
_encode = json.JSONEncoder(ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def canonical_json(value: object) -> str:
    """Return the one JSON text of `value`: ASCII, sorted keys, no spaces.

    A float is written in the shortest form that reads back to the same number (Python's `repr`).

    Raises:
        ValueError: for NaN and infinities.
        TypeError: for what JSON cannot hold.
    """
    return _encode(value)


def timestamp(moment: datetime) -> str:
    """Return `moment` as RFC 3339 text in UTC with microseconds, such as "2026-01-31T09:30:00.000000Z".

    Raises:
        ValueError: when `moment` is not an aware datetime in UTC.
    """
    if moment.utcoffset() != _NO_OFFSET:
        raise ValueError("a time of the audit log must be an aware datetime in UTC")
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What one audit record says.

    Arguments:
        action: What was done, as "area.verb", such as "circuit.reset".
        target_kind: Kind of the thing it was done to, such as "circuit".
        target: Name of that thing.
        outcome: "allowed", "refused" (the caller may not) or "failed" (it was tried and did not succeed).
        actor: Opaque id of who did it, such as "token:tok_1", "local" or "system"; never a person's name.
        at: When, in UTC.
        service: Service that the target belongs to; None for what belongs to the fleet.
        reason: Why, in the actor's words; None when none was asked for. No personal data: that goes into `personal`.
        request_id: Id of the request that caused it; None when there was none.
        before: The target before the change as JSON values with secrets replaced by keyed hashes; None when it
            did not exist or does not matter.
        after: The same after the change.
        personal: {"subject": id, "sealed": text}, personal fields encrypted under the subject's key; or None.
        count: How many equal events this record stands for, at least 1; above 1 for coalesced refusals.

    Raises:
        ValueError: for an unknown outcome, an empty action, target kind or actor, a time that is not in UTC, a count
            below 1, or personal data in another form.
    """

    action: str
    target_kind: str
    target: str
    outcome: str
    actor: str
    at: datetime
    service: str | None = None
    reason: str | None = None
    request_id: str | None = None
    before: dict[str, object] | None = None
    after: dict[str, object] | None = None
    personal: dict[str, str] | None = None
    count: int = 1

    def __post_init__(self) -> None:
        """Refuse what a reader of the log could not make sense of."""
        if self.outcome not in OUTCOMES:
            raise ValueError(f"the outcome of an audit record must be one of {', '.join(sorted(OUTCOMES))}")
        if not (self.action and self.target_kind and self.actor):
            raise ValueError("an audit record needs an action, a target kind and an actor")
        if self.at.utcoffset() != _NO_OFFSET:
            raise ValueError("the time of an audit record must be an aware datetime in UTC")
        if type(self.count) is not int or self.count < 1:
            raise ValueError("the count of an audit record must be an integer of at least 1")
        if self.personal is not None and self.personal.keys() != {"subject", "sealed"}:
            raise ValueError("personal data of an audit record consists of a subject and a sealed text")


class ChainHead(NamedTuple):
    """The end of a chain: number and hash of its last record, or `START` when there is none.

    Attributes:
        sequence: Number of the last record; the first record has number 1.
        hash: Its hash, 32 bytes.
    """

    sequence: int
    hash: bytes


START = ChainHead(0, bytes(HASH_SIZE))
"""The head of a log without records."""


class SealedRecord(NamedTuple):
    """One record as it is stored: the canonical text, its hash, and copies of the fields that are searched.

    Attributes:
        sequence: Number in the log, without gaps from 1.
        hash: Hash of the canonical text, 64 hexadecimal digits.
        at, action, actor, target_kind, target, service, outcome, request_id: As in `AuditEntry`.
        body: The canonical text; what is hashed.
    """

    sequence: int
    hash: str
    at: datetime
    action: str
    actor: str
    target_kind: str
    target: str
    service: str | None
    outcome: str
    request_id: str | None
    body: str


def canonical(entry: AuditEntry, *, sequence: int, previous_hash: bytes, log_id: str) -> bytes:
    """Return the bytes that are hashed for `entry` as record `sequence` of the log `log_id`.

    Arguments:
        entry: What the record says.
        sequence: Its number, at least 1.
        previous_hash: Hash of the record before, 32 bytes; of `START` for the first.
        log_id: Id of the log, so that a record of one log cannot stand in another.

    Raises:
        ValueError: for NaN or an infinity in `before` or `after`.
        TypeError: for a value that JSON cannot hold.
    """
    return _text(entry, sequence, previous_hash.hex(), log_id).encode("ascii")


def digest(body: bytes) -> bytes:
    """Return the 32 bytes of a record's hash: SHA-256 over a prefix of its own and the canonical bytes."""
    return hashlib.sha256(_RECORD_DOMAIN + body).digest()


class Chain:
    """Appends entries to a log. Pure and not thread-safe: the one writer owns it.

    The whole state is `head`, an immutable value. A writer keeps the head from before a group of records and assigns
    it back when the group could not be committed; the next group then takes the same numbers.

    Arguments:
        log_id: Id of the log, not empty.
        head: The last record that is stored.

    Raises:
        ValueError: for an empty id or a head whose number is negative or whose hash has not 32 bytes.
    """

    __slots__ = ("head", "log_id")

    def __init__(self, log_id: str, head: ChainHead = START) -> None:
        if not log_id:
            raise ValueError("a log needs an id")
        if head.sequence < 0 or len(head.hash) != HASH_SIZE:
            raise ValueError("the head of a log is a number of at least 0 and a hash of 32 bytes")
        self.log_id = log_id
        self.head = head

    def append(self, entry: AuditEntry) -> SealedRecord:
        """Return `entry` as the next record and move the head to it; when it raises, the head stays.

        Raises:
            ValueError: for NaN or an infinity in `before` or `after`.
            TypeError: for a value that JSON cannot hold.
        """
        sequence = self.head.sequence + 1
        body = _text(entry, sequence, self.head.hash.hex(), self.log_id)
        hashed = hashlib.sha256(_RECORD_DOMAIN + body.encode("ascii"))
        self.head = ChainHead(sequence, hashed.digest())
        return SealedRecord(
            sequence,
            hashed.hexdigest(),
            entry.at,
            entry.action,
            entry.actor,
            entry.target_kind,
            entry.target,
            entry.service,
            entry.outcome,
            entry.request_id,
            body,
        )


def _text(entry: AuditEntry, sequence: int, previous: str, log_id: str) -> str:
    return _encode(
        {
            "action": entry.action,
            "actor": entry.actor,
            "after": entry.after,
            "at": entry.at.isoformat(timespec="microseconds")[:-6] + "Z",
            "before": entry.before,
            "count": entry.count,
            "log": log_id,
            "outcome": entry.outcome,
            "personal": entry.personal,
            "previous": previous,
            "reason": entry.reason,
            "request_id": entry.request_id,
            "sequence": sequence,
            "service": entry.service,
            "target": entry.target,
            "target_kind": entry.target_kind,
            "v": VERSION,
        }
    )
