"""Checkpoints are signed, read back unchanged, and kept in a file that survives a crash; keys are guarded."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from scrollintel.security.checkpoints import (
    Checkpoint,
    CheckpointError,
    CheckpointFile,
    SignedCheckpoint,
    sign_checkpoint,
)
from scrollintel.security.signing_keys import SigningKey, SigningKeyError, VerifyingKey
from tests.unit.security.audit_logs import EPOCH


def signed(size: int = 3, key: SigningKey | None = None) -> SignedCheckpoint:
    """Return a signed checkpoint over `size` records."""
    key = key or SigningKey.generate()
    return sign_checkpoint(key, log_id="log_1", size=size, root=b"r" * 32, head_hash=b"h" * 32, at=EPOCH)


def test_checkpoint_verifies_with_its_key_only() -> None:
    """The signature holds for the key that signed and for no other."""
    key = SigningKey.generate()
    point = signed(key=key)
    assert point.verify(key.verifying_key)
    assert not point.verify(SigningKey.generate().verifying_key)
    claimed = replace(point.checkpoint, key_id="ed25519:00")
    assert not SignedCheckpoint(claimed, key.sign(claimed.message())).verify(key.verifying_key)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("log_id", "log_2"),
        ("size", 4),
        ("root", "00" * 32),
        ("head_hash", "00" * 32),
        ("at", "2026-01-31T09:30:00.000001Z"),
        ("key_id", "ed25519:00"),
    ],
)
def test_checkpoint_any_changed_field_breaks_the_signature(field: str, value: object) -> None:
    """Every field is signed."""
    key = SigningKey.generate()
    fields = json.loads(signed(key=key).to_json())["checkpoint"] | {field: value}
    assert not SignedCheckpoint.from_fields(fields).verify(key.verifying_key)


def test_checkpoint_line_reads_back_to_the_same() -> None:
    """Writing and reading changes nothing."""
    point = signed()
    assert SignedCheckpoint.from_json(point.to_json()) == point
    assert "\n" not in point.to_json()


@pytest.mark.parametrize(
    "changes",
    [
        {"size": True},
        {"size": 3.0},
        {"size": "3"},
        {"size": -1},
        {"root": "R" * 64},
        {"root": "00" * 31},
        {"head_hash": "AB" * 32},
        {"head_hash": None},
        {"at": "2026-01-31T10:30:00+01:00"},
        {"at": 5},
        {"at": "0001-01-01T00:00:00+23:59"},
        {"log_id": ""},
        {"log_id": 7},
        {"key_id": None},
        {"signature": "AA=="},
        {"signature": "?"},
        {"v": 2},
        {"extra": 1},
    ],
)
def test_checkpoint_fields_in_another_form_are_refused(changes: dict[str, object]) -> None:
    """One statement has one spelling, so that nothing can be changed that a reader would not see."""
    fields = json.loads(signed().to_json())["checkpoint"]
    with pytest.raises(CheckpointError):
        SignedCheckpoint.from_json(json.dumps({"checkpoint": fields | changes}))


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", "nonsense", '{"checkpoint":[]}', '{"checkpoint":{"v":1,"v":1}}', "[" * 100_000]
)
def test_checkpoint_line_that_is_none_is_refused(line: str) -> None:
    """Anything else than a checkpoint is an error of its own."""
    with pytest.raises(CheckpointError):
        SignedCheckpoint.from_json(line)


def test_checkpoint_line_that_names_a_field_twice_is_refused() -> None:
    """Two readers of a line see the same checkpoint."""
    line = signed().to_json()
    with pytest.raises(CheckpointError):
        SignedCheckpoint.from_json(line.replace('{"at"', '{"size":9,"at"', 1))


def test_checkpoint_time_in_another_zone_is_refused() -> None:
    """A checkpoint is made in UTC."""
    at = EPOCH.astimezone(timezone(timedelta(hours=1)))
    with pytest.raises(ValueError, match="UTC"):
        Checkpoint(log_id="x", size=0, root=bytes(32), head_hash=bytes(32), at=at, key_id="k")


def test_checkpoint_file_appends_and_reads_in_order(tmp_path: Path) -> None:
    """What was appended is read, oldest first, and the file is its owner's alone."""
    file = CheckpointFile(tmp_path / "checkpoints.jsonl")
    points = [signed(n) for n in range(5)]
    for point in points:
        file.append(point)
    assert file.read() == points
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_checkpoint_file_append_returns_after_the_disk_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is written before the file is synchronised, and a new file's name is made durable as well."""
    file, real, seen = CheckpointFile(tmp_path / "checkpoints.jsonl"), os.fsync, list[tuple[int, int]]()

    def watched(descriptor: int) -> None:
        found = os.fstat(descriptor)
        seen.append((found.st_ino, found.st_size if stat.S_ISREG(found.st_mode) else 0))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    file.append(signed())
    written = file.path.stat()
    assert seen == [(written.st_ino, written.st_size), (tmp_path.stat().st_ino, 0)]


def test_checkpoint_file_torn_at_every_byte_is_read_and_completed(tmp_path: Path) -> None:
    """A crash at any byte of the last line loses no acknowledged checkpoint, and the next one follows cleanly."""
    first, second, third = signed(1), signed(2), signed(3)
    whole = first.to_json() + "\n"
    last = second.to_json()
    for cut in range(len(last) + 1):
        file = CheckpointFile(tmp_path / f"{cut}.jsonl")
        file.path.write_text(whole + last[:cut], encoding="ascii")
        kept = [first, second] if cut == len(last) else [first]
        assert file.read() == kept
        file.append(third)
        assert file.read() == [*kept, third]
        assert file.path.read_text(encoding="ascii").endswith(third.to_json() + "\n")


def test_checkpoint_file_room_that_was_never_written_is_removed(tmp_path: Path) -> None:
    """After a loss of power a file may end in zero bytes."""
    file = CheckpointFile(tmp_path / "checkpoints.jsonl")
    file.path.write_bytes(signed(1).to_json().encode() + b"\n" + bytes(9000))
    file.append(signed(2))
    assert [point.checkpoint.size for point in file.read()] == [1, 2]


def test_checkpoint_file_that_is_another_file_is_left_alone(tmp_path: Path) -> None:
    """A wrong path in the settings destroys nothing."""
    path = tmp_path / "notes.txt"
    path.write_text("line\nno line end", encoding="utf-8")
    with pytest.raises(CheckpointError, match="right file"):
        CheckpointFile(path).append(signed())
    assert path.read_text(encoding="utf-8") == "line\nno line end"


def test_checkpoint_file_damaged_line_is_named(tmp_path: Path) -> None:
    """A line in the middle that is no checkpoint is damage, not a torn end."""
    path = tmp_path / "checkpoints.jsonl"
    path.write_text(signed().to_json() + "\n{}\n" + signed().to_json() + "\n", encoding="ascii")
    with pytest.raises(CheckpointError, match="line 2"):
        CheckpointFile(path).read()


def test_checkpoint_file_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    """A missing file and a missing folder are errors of their own."""
    file = CheckpointFile(tmp_path / "missing" / "checkpoints.jsonl")
    with pytest.raises(CheckpointError, match="cannot be read"):
        file.read()
    with pytest.raises(CheckpointError, match="cannot be written"):
        file.append(signed())


def test_signing_key_written_and_read_is_the_same() -> None:
    """A key survives as 32 bytes, its public half as text; its `repr` shows neither."""
    key = SigningKey.generate()
    again = SigningKey.from_bytes(key.to_bytes())
    assert again.key_id == key.key_id
    assert key.verifying_key.verify(again.sign(b"x"), b"x")
    assert not key.verifying_key.verify(again.sign(b"x"), b"y")
    assert VerifyingKey.from_pem(key.verifying_key.to_pem()).key_id == key.key_id
    assert repr(key) == f"SigningKey({key.key_id})"


@pytest.mark.parametrize("raw", [b"", b"planted", b"planted" * 5])
def test_signing_key_bytes_of_another_length_are_refused_without_showing_them(raw: bytes) -> None:
    """What is no key is an error whose text holds nothing of it."""
    with pytest.raises(SigningKeyError) as raised:
        SigningKey.from_bytes(raw)
    assert "planted" not in str(raised.value)


def test_verifying_key_text_without_one_is_refused() -> None:
    """Only an Ed25519 public key is taken."""
    foreign = X25519PrivateKey.generate().public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    for text in ("", "nonsense", foreign.public_bytes(serialization.Encoding.PEM, form).decode()):
        with pytest.raises(SigningKeyError):
            VerifyingKey.from_pem(text)
