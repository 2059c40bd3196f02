"""The text form in which audit records leave the product: JSON lines that an offline verifier can check alone.

The first line is a header, then comes one line per record, and after the record that a checkpoint covers stands the
line of that checkpoint, so that a verifier needs one pass and little memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..core.errors import ScrollIntelError
from .audit_chain import START, ChainHead, SealedRecord, timestamp
from .checkpoints import SignedCheckpoint, unique_fields
from .merkle import MerkleFrontier
from .signing_keys import SigningKeyError, VerifyingKey

FORMAT = "scrollintel-audit"
VERSION = 1

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode
_decode_pairs = json.JSONDecoder(object_pairs_hook=list).decode
_FIELDS = (
    "sequence",
    "hash",
    "at",
    "action",
    "actor",
    "target_kind",
    "target",
    "service",
    "outcome",
    "request_id",
    "body",
)
_HEADER_FIELDS = frozenset({"format", "version", "log_id", "first", "last", "previous", "frontier", "public_keys"})


class ExportError(ScrollIntelError):
    """An export, or a line of it, is not in the form that this product writes."""

    code = "export_unreadable"


class ExportRow(NamedTuple):
    """One record as text: a `SealedRecord` whose time is written out."""

    sequence: int
    hash: str
    at: str
    action: str
    actor: str
    target_kind: str
    target: str
    service: str | None
    outcome: str
    request_id: str | None
    body: str

    @classmethod
    def of(cls, record: SealedRecord) -> ExportRow:
        """Return the row of a stored record.

        Raises:
            ValueError: when its time is not in UTC.
        """
        return cls(record[0], record[1], timestamp(record[2]), *record[3:])


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportHeader:
    """What an export claims to hold.

    Arguments:
        log_id: Id of the log.
        first: Number of the first record, at least 1.
        last: Number of the last record; `first` - 1 when there is none.
        previous: Hash of the record before the first, 32 bytes; zeros for record 1.
        frontier: The Merkle tree of the records before the first, so that roots can be recomputed; None when the
            export starts later than record 1 and they are not wanted.
        public_keys: Keys that signed the checkpoints in the export.

    Raises:
        ValueError: when the numbers do not fit each other.
    """

    log_id: str
    first: int
    last: int
    previous: bytes = START.hash
    frontier: MerkleFrontier | None = None
    public_keys: tuple[VerifyingKey, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a header that no export can have."""
        if type(self.first) is not int or type(self.last) is not int or not 1 <= self.first <= self.last + 1:
            raise ValueError("an export goes from a record numbered at least 1 to one that is not before it")
        if not self.log_id or len(self.previous) != len(START.hash):
            raise ValueError("an export needs the id of its log and the hash of the record before, 32 bytes")
        if self.first == 1 and self.previous != START.hash:
            raise ValueError("nothing comes before record 1")
        if self.frontier is not None and self.frontier.size != self.first - 1:
            raise ValueError("the Merkle frontier of an export covers the records before its first")

    def head(self) -> ChainHead:
        """Return the head of the chain before the first record."""
        return ChainHead(self.first - 1, self.previous)

    def to_json(self) -> str:
        """Return the header as one line of JSON, without a line end."""
        return _encode(
            {
                "format": FORMAT,
                "version": VERSION,
                "log_id": self.log_id,
                "first": self.first,
                "last": self.last,
                "previous": self.previous.hex(),
                "frontier": None if self.frontier is None else self.frontier.to_list(),
                "public_keys": [key.to_pem() for key in self.public_keys],
            }
        )

    @classmethod
    def from_json(cls, line: str) -> ExportHeader:
        """Return the header in the first line of an export.

        Raises:
            ExportError: when the line is anything else, or of another version.
        """
        try:
            fields = json.loads(line, object_pairs_hook=unique_fields)
        except (ValueError, RecursionError):
            raise ExportError("the first line is no JSON object") from None
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise ExportError("the first line is not the header of an audit export")
        if fields.get("version") != VERSION or type(fields["version"]) is not int:
            raise ExportError(f"the export is not of version {VERSION}")
        if fields.keys() != _HEADER_FIELDS:
            raise ExportError("the fields of the header are not those of its version")
        if not isinstance(fields["log_id"], str):
            raise ExportError("the log id in the header of the export is not a text")
        try:
            first, frontier = fields["first"], fields["frontier"]
            return cls(
                log_id=fields["log_id"],
                first=first,
                last=fields["last"],
                previous=bytes.fromhex(fields["previous"]),
                frontier=None if frontier is None else MerkleFrontier.from_list(first - 1, frontier),
                public_keys=tuple(VerifyingKey.from_pem(text) for text in fields["public_keys"]),
            )
        except (ValueError, TypeError, AttributeError, SigningKeyError) as error:
            raise ExportError(f"the header of the export is not usable: {error}") from None


def iter_export(
    header: ExportHeader, records: Iterable[SealedRecord], checkpoints: Iterable[SignedCheckpoint] = ()
) -> Iterator[str]:
    """Yield the lines of an export, each with its line end; nothing is verified and nothing is left out.

    Arguments:
        header: What the export holds; for an export that begins after record 1 its `frontier` lets a verifier
            recompute the Merkle roots.
        records: The rows as they are stored, in the order of their numbers.
        checkpoints: Checkpoints of this log, of any size; those that the records do not reach are not written.
    """
    inside = sorted(
        (signed for signed in checkpoints if header.first - 1 <= signed.checkpoint.size <= header.last),
        key=lambda signed: signed.checkpoint.size,
        reverse=True,
    )
    yield header.to_json() + "\n"
    while inside and inside[-1].checkpoint.size < header.first:
        yield inside.pop().to_json() + "\n"
    for record in records:
        yield _encode(dict(zip(_FIELDS, ExportRow.of(record), strict=True))) + "\n"
        while inside and inside[-1].checkpoint.size <= record.sequence:
            yield inside.pop().to_json() + "\n"
    while inside:
        yield inside.pop().to_json() + "\n"


def parse_line(line: str) -> ExportRow | SignedCheckpoint:
    """Return what a line after the header holds. Values of a record are not judged here, only its form.

    Raises:
        ExportError: when it is neither a record nor a checkpoint in the form that `iter_export` writes.
    """
    try:
        pairs = _decode_pairs(line)
    except (ValueError, RecursionError):
        raise ExportError("the line is not JSON") from None
    # Names in their order and each once: what one reader sees is what every reader sees.
    if isinstance(pairs, list):
        try:
            names, values = zip(*pairs, strict=True)
        except (ValueError, TypeError):
            names, values = (), ()
        if names == _FIELDS:
            return ExportRow._make(values)
    if line.startswith('{"checkpoint":'):
        try:
            return SignedCheckpoint.from_json(line)
        except ScrollIntelError as error:
            raise ExportError(str(error)) from None
    raise ExportError("the line is neither a record nor a checkpoint")
