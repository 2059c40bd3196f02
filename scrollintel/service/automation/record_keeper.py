"""Writes what automated recovery does: to the database, or to a local journal while that is away."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...control.incidents import INCIDENT_EVENTS
from ...control.records import CONTROL_STATE, ControlStateRecord
from ...control.recovery_notes import KINDS, Note, Record, changed, is_over, kind_of
from ...security.audit_chain import AuditEntry
from ...storage.errors import StoreUnavailableError
from ...storage.transaction import Transaction
from ..plane import ControlPlane

FILE_NAME = "recovery-journal.jsonl"
"""Name of the journal in the data directory."""
MAX_BYTES = 64 * 1024 * 1024
"""Size at which the journal takes no more: recoveries stop then, because nothing they do could be written down."""
WRITTEN = "recovery_journal_written"
"""Key under which the database tells how many lines of the journal it has, and their digest."""
COMMIT_TIMEOUT = 5.0
"""Seconds that a note waits for the database before it goes to the journal."""

logger = logging.getLogger("scrollintel.recovery")


class RecordKeeper:
    """Keeps notes; from any thread but the event loop's.

    A note is durable when `save` returns. What has been journalled is visible in `unwritten` and goes to the database
    as soon as that can be written again, before any newer note.

    Arguments:
        plane: The control plane.
        directory: Where the journal lies.
    """

    def __init__(self, plane: ControlPlane, directory: Path) -> None:
        self._plane = plane
        self._path = directory / FILE_NAME
        self._lock = threading.Lock()
        self._flushing = asyncio.Lock()
        self._waiting: list[Note] = []  # guarded by _lock; journalled, not in the database yet
        self._overlay: dict[tuple[str, str], Record] = {}  # guarded by _lock
        self._recall()

    def save(self, note: Note) -> None:
        """Make a note durable.

        Raises:
            StoreUnavailableError: when neither database nor journal takes it; nothing is written then.
        """
        if not self._waiting and self._plane.serving and self._plane.distrust is None:
            try:
                self._plane.writer.change_blocking(lambda tx: self._write(tx, note), COMMIT_TIMEOUT)
            except StoreUnavailableError:
                logger.warning("the database takes no notes of recoveries now; they go to %s", self._path.name)
            else:
                return
        self._journal(note)

    async def flush(self) -> None:
        """Write what has been journalled to the database; raises StoreUnavailableError."""
        async with self._flushing:
            if self._waiting and self._plane.serving:
                await self._flush()

    async def _flush(self) -> None:
        with self._lock:
            waiting = list(self._waiting)
        lines = [_line(note) for note in waiting]

        def decide(tx: Transaction) -> None:
            known = tx.get(CONTROL_STATE, WRITTEN)
            done = 0 if known is None else _written_before(known.value, lines)
            for note in waiting[done:]:
                self._write(tx, note)
            tx.put(CONTROL_STATE, ControlStateRecord(key=WRITTEN, value=[len(lines), _digest(lines)]))

        await self._plane.change(decide, urgent=True)
        await asyncio.to_thread(self._forget, len(waiting))

    def _forget(self, count: int) -> None:
        """Let go of the first notes, which the database has: first in the file, so that none is lost in between."""
        with self._lock:
            left = self._waiting[count:]
            try:
                self._rewrite(left)
            except OSError as error:  # what is written already is found to be, and left out, the next time
                raise StoreUnavailableError(f"{self._path.name} cannot be rewritten", retry_after=1.0) from error
            self._waiting = left
            self._overlay = {}
            for note in left:
                self._lay_over(note)

    @property
    def waiting(self) -> int:
        """Notes that the database has not taken yet."""
        return len(self._waiting)

    def records(self, kind: str) -> list[Any]:  # Any: the records of the kind
        """Return the records of a kind that are not over, as they stand with what is not in the database yet."""
        with self._lock:
            mine = {key: record for (name, key), record in self._overlay.items() if name == kind}
        known = {KINDS[kind].key(record): record for record in self._plane.records.values(KINDS[kind])}
        return [record for record in {**known, **mine}.values() if not is_over(record)]

    def find(self, kind: str, key: str) -> Any:  # Any: the record of the kind, or None
        """Return a record that is not over, or None."""
        with self._lock:
            mine = self._overlay.get((kind, key))
        if mine is not None:
            return mine
        return self._plane.records.get(KINDS[kind], key)

    # ------------------------------------------------------------------ the database

    def _write(self, tx: Transaction, note: Note) -> None:
        """Write a note; twice is the same as once but for its history, which a lost acknowledgement may repeat."""
        for record in note.puts:
            tx.put(kind_of(record), record)
        for name, key, changes in note.changes:
            known = tx.get(KINDS[name], key)
            if known is not None and not is_over(known):
                tx.put(KINDS[name], changed(known, changes))
        for event in note.events:
            tx.append(INCIDENT_EVENTS, **{**asdict(event), "data": dict(event.data)})
        for act in note.acts:
            tx.audit(
                AuditEntry(
                    action=act.action, target_kind=act.target_kind, target=act.target, outcome=act.outcome,
                    actor=act.actor, at=tx.now, service=act.service, reason=act.reason, request_id=act.request_id,
                    after=None if act.after is None else dict(act.after),
                )
            )  # fmt: skip
        for fact, content, service in note.facts:
            self._plane.tell(tx, fact, content, service=service)

    # ------------------------------------------------------------------ the journal

    def _journal(self, note: Note) -> None:
        with self._lock:
            try:
                self._append(_line(note))
            except OSError as error:
                raise StoreUnavailableError(
                    f"neither the database nor {self._path.name} takes notes of recoveries ({type(error).__name__})",
                    retry_after=1.0,
                ) from error
            self._waiting.append(note)
            self._lay_over(note)
        for fact, content, service in note.facts:
            data = {"at": self._plane.now.isoformat(), **content}
            self._plane.on_loop(_tell, self._plane, fact, data, service)

    def _append(self, line: bytes) -> None:
        """Add a line, or nothing at all."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            before = os.fstat(descriptor).st_size
            if before + len(line) > MAX_BYTES:
                raise OSError("the journal is full")
            try:
                if os.write(descriptor, line) != len(line):
                    raise OSError("the line does not fit on the disk")
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, before)
                raise
        finally:
            os.close(descriptor)

    def _rewrite(self, left: list[Note]) -> None:
        """Keep only what is still waiting; the file goes away with the last note. Raises OSError."""
        if not left:
            self._path.unlink(missing_ok=True)
            return
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        lines = b"".join(map(_line, left))
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if os.write(descriptor, lines) != len(lines):
                raise OSError("the journal does not fit on the disk")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(self._path)

    def _recall(self) -> None:
        """Take over what an earlier process has journalled; a last line that a crash has torn was never durable."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                note = Note.from_dict(json.loads(line))
            except (ValueError, KeyError, TypeError):
                logger.warning("a line of %s is torn and left out", self._path.name)
                continue
            self._waiting.append(note)
            self._lay_over(note)

    def _lay_over(self, note: Note) -> None:
        for record in note.puts:
            self._overlay[kind_of(record).name, record.id] = record
        for name, key, changes in note.changes:
            known = self._overlay.get((name, key)) or self._plane.records.get(KINDS[name], key)
            if known is not None and not is_over(known):
                self._overlay[name, key] = changed(known, changes)


def _tell(plane: ControlPlane, fact: str, data: dict[str, Any], service: str | None) -> None:  # Any: JSON values
    plane.facts.tell(fact, data, service=service)


def _line(note: Note) -> bytes:
    return json.dumps(note.to_dict(), separators=(",", ":")).encode() + b"\n"


def _digest(lines: list[bytes]) -> str:
    return hashlib.sha256(b"".join(lines)).hexdigest()


def _written_before(known: Any, lines: list[bytes]) -> int:  # Any: what an earlier flush has kept
    """Return how many of the first lines the database has: a crash came before they were taken out of the journal."""
    count, digest = known
    return count if count <= len(lines) and _digest(lines[:count]) == digest else 0
