"""Signed statements about how far the audit log has come, and the file outside the database that keeps them.

A checkpoint commits to every record so far. Whoever holds one can tell that records were cut off, or that the chain was
recomputed from some record on, even when every hash in the database fits.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..core.errors import ScrollIntelError
from .audit_chain import HASH_SIZE, canonical_json, timestamp
from .signing_keys import SigningKey, VerifyingKey

VERSION = 1
_DOMAIN = b"scrollintel/audit/checkpoint/1\n"
_FIELDS = frozenset({"v", "log_id", "size", "root", "head_hash", "at", "key_id", "signature"})
_SIGNATURE_SIZE = 64
_LINE_START = b'{"checkpoint":{'


class CheckpointError(ScrollIntelError):
    """A checkpoint, or the file that keeps them, cannot be read or written."""

    code = "checkpoint_unusable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state of a log at one moment.

    Arguments:
        log_id: Id of the log.
        size: How many records it has; also the number of the last one.
        root: Merkle root over the hashes of all of them, 32 bytes.
        head_hash: Hash of the last one, 32 bytes; zeros when there is none.
        at: When, in UTC.
        key_id: Id of the key that signs.

    Raises:
        ValueError: when a value is out of range.
    """

    log_id: str
    size: int
    root: bytes
    head_hash: bytes
    at: datetime
    key_id: str

    def __post_init__(self) -> None:
        """Refuse what could not be written and read back unchanged."""
        if not self.log_id or type(self.size) is not int or self.size < 0:
            raise ValueError("a checkpoint needs a log id and a size of at least 0")
        if len(self.root) != HASH_SIZE or len(self.head_hash) != HASH_SIZE:
            raise ValueError("the root and the head hash of a checkpoint have 32 bytes")
        timestamp(self.at)

    def fields(self) -> dict[str, object]:
        """Return the fields as JSON values, without the signature."""
        return {
            "v": VERSION,
            "log_id": self.log_id,
            "size": self.size,
            "root": self.root.hex(),
            "head_hash": self.head_hash.hex(),
            "at": timestamp(self.at),
            "key_id": self.key_id,
        }

    def message(self) -> bytes:
        """Return the bytes that are signed."""
        return _DOMAIN + canonical_json(self.fields()).encode("ascii")


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint with its Ed25519 signature, 64 bytes."""

    checkpoint: Checkpoint
    signature: bytes

    def verify(self, key: VerifyingKey) -> bool:
        """Decide whether `key` signed this checkpoint."""
        return key.key_id == self.checkpoint.key_id and key.verify(self.signature, self.checkpoint.message())

    def to_json(self) -> str:
        """Return one line of JSON, `{"checkpoint": {...}}`, without a line end."""
        signature = base64.b64encode(self.signature).decode("ascii")
        return canonical_json({"checkpoint": self.checkpoint.fields() | {"signature": signature}})

    @classmethod
    def from_json(cls, line: str) -> SignedCheckpoint:
        """Return the checkpoint in one line of JSON.

        Raises:
            CheckpointError: when the line is anything else. The signature is not verified here.
        """
        try:
            document = json.loads(line, object_pairs_hook=unique_fields)
        except (ValueError, RecursionError):
            raise CheckpointError("the line is not a JSON object") from None
        if not isinstance(document, dict) or document.keys() != {"checkpoint"}:
            raise CheckpointError("the line holds no checkpoint")
        return cls.from_fields(document["checkpoint"])

    @classmethod
    def from_fields(cls, fields: object) -> SignedCheckpoint:
        """Return the checkpoint from its JSON fields.

        Raises:
            CheckpointError: when a field is missing, unknown or not as `to_json` writes it.
        """
        if not isinstance(fields, Mapping) or fields.keys() != _FIELDS:
            raise CheckpointError("the fields of the checkpoint are not those of its version")
        if not isinstance(fields["log_id"], str) or not isinstance(fields["key_id"], str):
            raise CheckpointError("an id in the checkpoint is not a text")
        try:
            signed = cls(
                Checkpoint(
                    log_id=fields["log_id"],
                    size=fields["size"],
                    root=bytes.fromhex(fields["root"]),
                    head_hash=bytes.fromhex(fields["head_hash"]),
                    at=datetime.fromisoformat(fields["at"]).astimezone(UTC),
                    key_id=fields["key_id"],
                ),
                base64.b64decode(fields["signature"], validate=True),
            )
            same = signed.checkpoint.fields() | {"signature": base64.b64encode(signed.signature).decode("ascii")}
        except (ValueError, TypeError, AttributeError, OverflowError):
            raise CheckpointError("a field of the checkpoint has a value that cannot be read") from None
        # One statement has one spelling, and True is not the number 1.
        if canonical_json(same) != canonical_json(dict(fields)) or len(signed.signature) != _SIGNATURE_SIZE:
            raise CheckpointError("a field of the checkpoint is not in its canonical form")
        return signed


def sign_checkpoint(
    key: SigningKey, *, log_id: str, size: int, root: bytes, head_hash: bytes, at: datetime
) -> SignedCheckpoint:
    """Return a checkpoint signed with `key`; the other arguments are those of `Checkpoint`.

    Raises:
        ValueError: when a value is out of range.
    """
    checkpoint = Checkpoint(log_id=log_id, size=size, root=root, head_hash=head_hash, at=at, key_id=key.key_id)
    return SignedCheckpoint(checkpoint, key.sign(checkpoint.message()))


class CheckpointFile:
    """A file of checkpoints, one JSON line each, that only grows.

    It belongs on another volume than the database, or is copied elsewhere as it grows. One process writes at a time.

    Arguments:
        path: The file; it is created with mode 0600 by the first `append`, its folder is not.
    """

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, signed: SignedCheckpoint) -> None:
        """Add a checkpoint and return once it is on the disk.

        A last line that a crash has torn was never acknowledged: it is removed, or ended when only its end is missing.

        Raises:
            CheckpointError: when the file cannot be written, or ends in something that was never a checkpoint.
        """
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                end = os.fstat(descriptor).st_size
                data = _mend(descriptor, end) + signed.to_json().encode("ascii") + b"\n"
                while data:
                    data = data[os.write(descriptor, data) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if end == 0:
                sync_folder(self.path.parent)
        except OSError as error:
            raise CheckpointError(f"the checkpoint file {self.path} cannot be written: {error.strerror}") from error

    def read(self) -> list[SignedCheckpoint]:
        """Return all checkpoints, oldest first; a torn last line is left out. Signatures are not verified here.

        Raises:
            CheckpointError: when the file cannot be read, or a line other than a torn last one is no checkpoint.
        """
        try:
            text = self.path.read_text(encoding="ascii", errors="replace")
        except OSError as error:
            raise CheckpointError(f"the checkpoint file {self.path} cannot be read: {error.strerror}") from error
        return parse_checkpoints(text, str(self.path))


def parse_checkpoints(text: str, source: str) -> list[SignedCheckpoint]:
    """Return the checkpoints in the text of a checkpoint file; `source` names it in errors.

    Raises:
        CheckpointError: when a line other than a torn last one is no checkpoint.
    """
    lines = text.split("\n")
    torn = lines.pop()
    found: list[SignedCheckpoint] = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(SignedCheckpoint.from_json(line))
        except CheckpointError as error:
            raise CheckpointError(f"{source}, line {number}: {error}") from None
    if torn and _is_checkpoint(torn):
        found.append(SignedCheckpoint.from_json(torn))
    return found


def _is_checkpoint(line: str) -> bool:
    try:
        SignedCheckpoint.from_json(line)
    except CheckpointError:
        return False
    return True


def _mend(descriptor: int, end: int) -> bytes:
    """Return what has to be written before the next line; a torn last line of the file is cut off."""
    start, tail = end, b""
    while start and b"\n" not in tail:
        step = min(start, 4096)
        start -= step
        tail = os.pread(descriptor, step, start) + tail
    torn = tail.rpartition(b"\n")[2]
    if not torn:
        return b""
    if _is_checkpoint(torn.decode("ascii", errors="replace")):
        return b"\n"
    written = torn.rstrip(b"\0")  # a crash can leave room that was never written to
    if written[: len(_LINE_START)] != _LINE_START[: len(written)]:
        raise CheckpointError("the file ends in a line that is no checkpoint; is this the right file?")
    os.ftruncate(descriptor, end - len(torn))
    return b""


def unique_fields(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Return a JSON object's fields, for use as `object_pairs_hook`.

    Raises:
        ValueError: when a field is named twice: two readers could see two values.
    """
    listed = list(pairs)
    fields = dict(listed)
    if len(fields) != len(listed):
        raise ValueError("a field is named twice")
    return fields


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable; does nothing where a folder cannot be opened, as on Windows.

    Raises:
        OSError: when the disk refuses.
    """
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
