"""Reading the audit log: searched, verified, exported; reading it is itself recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from ..security.access import ALL, Permission
from ..security.audit_chain import SealedRecord
from ..security.audit_export import ExportHeader, iter_export
from ..security.audit_verify import verify_records
from ..security.chain_verifier import VerificationReport
from ..security.checkpoints import SignedCheckpoint
from ..storage import audit_history
from ..storage.audit_history import AuditSearch
from ..storage.transaction import Transaction
from .authors import name_author
from .caller import Caller
from .checkpoints import Checkpoints
from .errors import MissingError
from .plane import ControlPlane

EXPORT_BLOCK = 64 * 1024
"""Characters that are sent at a time."""


class AuditLog:
    """The use cases around the audit log.

    Arguments:
        plane: The control plane.
        checkpoints: Signs how the log stands.
    """

    def __init__(self, plane: ControlPlane, checkpoints: Checkpoints) -> None:
        self._plane = plane
        self._checkpoints = checkpoints
        self._noted: dict[str, int] = {}

    # ------------------------------------------------------------------ reading

    async def search(self, caller: Caller, wanted: AuditSearch) -> list[SealedRecord]:
        """Return the records that are looked for and that the caller may see, the newest first.

        Raises:
            StoreUnavailableError: when the database cannot be read, or the reading cannot be recorded.
        """
        scope = caller.identity.services_for(Permission.AUDIT_READ)
        limited = wanted if scope is ALL else replace(wanted, services=scope)
        await self._note_reading(caller)
        return await asyncio.to_thread(self._search, limited)

    def _search(self, wanted: AuditSearch) -> list[SealedRecord]:
        with self._plane.database.reader() as connection:
            return audit_history.search(connection, wanted)

    async def find(self, caller: Caller, sequence: int) -> SealedRecord:
        """Return one record; raises MissingError when there is none that the caller may see."""
        await self._note_reading(caller)
        found = await asyncio.to_thread(self._find, sequence)
        if found is None or not caller.identity.allows(Permission.AUDIT_READ, found.service):
            raise MissingError("audit record", str(sequence))
        return found

    def _find(self, sequence: int) -> SealedRecord | None:
        with self._plane.database.reader() as connection:
            return audit_history.record_at(connection, sequence)

    async def _note_reading(self, caller: Caller) -> None:
        """Record that somebody reads, once for each identity and minute, before anything is shown."""
        minute = int(self._plane.clock.time() // 60.0)
        if self._noted.get(caller.identity.id) == minute:
            return
        await self._record(caller, "audit.read")
        self._noted = {name: noted for name, noted in self._noted.items() if noted == minute}
        self._noted[caller.identity.id] = minute

    async def _record(self, caller: Caller, action: str, after: dict[str, object] | None = None) -> None:
        def decide(tx: Transaction) -> None:
            tx.audit(caller.entry(action, "audit_log", self._plane.ledger.log.log_id, at=tx.now, after=after))
            name_author(tx, caller, self._plane.keys)

        await self._plane.change(decide, urgent=caller.break_glass)

    # ------------------------------------------------------------------ proofs

    async def verify(self, caller: Caller) -> VerificationReport:
        """Read and hash every record again and compare with all checkpoints, those outside the database included.

        Raises:
            StoreUnavailableError: when the database cannot be read, or the request cannot be recorded.
        """
        caller.require_for_new(Permission.AUDIT_VERIFY, None)
        await self._record(caller, "audit.verify")
        return await asyncio.to_thread(self._verify)

    def _verify(self) -> VerificationReport:
        plane, key = self._plane, self._checkpoints.key
        with plane.database.reader() as connection:
            anchors = [*audit_history.checkpoints(connection), *self._checkpoints.outside()]
        log = plane.ledger.log  # after the checkpoints: it has to reach all of them
        report = verify_records(
            audit_history.records_between(plane.database, 1, log.head.sequence),
            log_id=log.log_id,
            checkpoints=anchors,
            expected_head=log.head,
            keys=() if key is None else (key.verifying_key,),
        )
        unread = self._checkpoints.last_error
        if unread is None:
            return report
        return replace(report, notes=(*report.notes, f"the file of checkpoints: {unread}"))

    async def export(self, caller: Caller, since: datetime | None, until: datetime | None) -> Iterator[str]:
        """Record the export, then return its lines in blocks.

        Raises:
            AccessDeniedError: when the caller may not export the whole log.
            StoreUnavailableError: when the export cannot be recorded; nothing is given out then.
        """
        caller.require_for_new(Permission.AUDIT_EXPORT, None)
        span: dict[str, object] = {
            "from": None if since is None else since.isoformat(),
            "to": None if until is None else until.isoformat(),
        }
        await self._record(caller, "audit.export", after=span)
        header, checkpoints = await asyncio.to_thread(self._header, since, until)
        records = audit_history.records_between(self._plane.database, header.first, header.last)
        return _blocks(iter_export(header, records, checkpoints))

    def _header(
        self, since: datetime | None, until: datetime | None
    ) -> tuple[ExportHeader, tuple[SignedCheckpoint, ...]]:
        log_id = self._plane.ledger.log.log_id
        with self._plane.database.reader() as connection:
            found = audit_history.range_of(connection, since, until)
            first, last = (1, 0) if found is None else found
            frontier, previous = audit_history.tree_up_to(connection, first - 1)
            checkpoints = audit_history.checkpoints(connection)
        key = self._checkpoints.key
        header = ExportHeader(
            log_id=log_id,
            first=first,
            last=last,
            previous=previous,
            frontier=frontier,
            public_keys=() if key is None else (key.verifying_key,),
        )
        return header, tuple(checkpoints)

    async def checkpoints(self, before: int | None, limit: int) -> list[SignedCheckpoint]:
        """Return signed checkpoints, the newest first."""
        return await asyncio.to_thread(self._read_checkpoints, before, limit)

    def _read_checkpoints(self, before: int | None, limit: int) -> list[SignedCheckpoint]:
        with self._plane.database.reader() as connection:
            return audit_history.checkpoints(connection, before=before, limit=limit)


def _blocks(lines: Iterator[str]) -> Iterator[str]:
    """Join lines, because each piece that is sent costs a change of threads."""
    block: list[str] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line)
        if size >= EXPORT_BLOCK:
            yield "".join(block)
            block, size = [], 0
    if block:
        yield "".join(block)
