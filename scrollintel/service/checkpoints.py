"""Signed checkpoints of the audit log: written to the database and to a file outside of it."""

from __future__ import annotations

import asyncio
import base64
import logging
from datetime import datetime
from pathlib import Path

from ..core.errors import ScrollIntelError
from ..security.checkpoints import CheckpointError, CheckpointFile, SignedCheckpoint, sign_checkpoint
from ..security.signing_keys import SigningKey
from ..storage import audit_history
from ..storage.transaction import Transaction
from .plane import ControlPlane

RECORDS = 1_000
"""Records after which a checkpoint is signed."""
INTERVAL = 60.0
"""Seconds after which one is signed anyway when there is something new."""
logger = logging.getLogger("scrollintel.service")


class Checkpoints:
    """Signs how the log stands after some records, or after some time when there is something new.

    Arguments:
        plane: The control plane.
        file_path: The file of checkpoints outside the database, best on another volume.
        records: Records after which a checkpoint is signed; at least 1, default 1,000.
        interval: Seconds after which one is signed anyway; default 60.

    Attributes:
        newest_at: When the newest checkpoint was signed, by whichever host; None without one.
        last_error: Why the last checkpoint could not be kept outside the database, or None.
        broken: One sentence when the log does not agree with what was kept outside the database, or None.
    """

    def __init__(
        self, plane: ControlPlane, *, file_path: Path, records: int = RECORDS, interval: float = INTERVAL
    ) -> None:
        self._plane = plane
        self._records = records
        self._interval = interval
        self._file = CheckpointFile(file_path)
        self._signed_up_to: int | None = None
        self._signed_at = plane.clock.monotonic()
        self._compared = False
        self._unread = False  # whether the file could not be read when it was read last
        self.newest_at: datetime | None = None
        self.last_error: str | None = None
        self.broken: str | None = None
        plane.on_serving.append(self._forget)

    @property
    def key(self) -> SigningKey | None:
        """The key of the log, which all hosts that share the database sign with; None before the database was read."""
        return self._plane.keys.signing

    @property
    def signed_up_to(self) -> int:
        """Records of the log that the newest checkpoint vouches for; 0 without one and before the database was read."""
        return self._signed_up_to or 0

    def _forget(self) -> None:
        """Look anew at a database that has been read anew: another host may have served and signed meanwhile."""
        self._compared = False

    async def look(self) -> None:
        """Compare with what was kept outside, once it can be read; sign when it is time. Never raises for the file."""
        plane = self._plane
        if not plane.serving:
            return
        if not self._compared:
            self._compared = True
            try:
                await asyncio.to_thread(self._begin)
            except BaseException:
                self._compared = False
                raise
        new = plane.ledger.log.head.sequence - (self._signed_up_to or 0)
        if new >= self._records or (new > 0 and plane.clock.monotonic() - self._signed_at >= self._interval):
            await self.sign()

    async def sign(self) -> None:
        """Sign how the log stands, when there is anything new, and keep it in both places."""
        plane, key = self._plane, self.key
        log = plane.ledger.log
        if key is None or self._signed_up_to is None or log.head.sequence <= self._signed_up_to:
            return
        signed = sign_checkpoint(
            key,
            log_id=log.log_id,
            size=log.head.sequence,
            root=log.merkle().root(),
            head_hash=log.head.hash,
            at=plane.now,
        )

        await plane.change(lambda tx: store_checkpoint(tx, signed))
        self._signed_up_to, self.newest_at = signed.checkpoint.size, signed.checkpoint.at
        self._signed_at = plane.clock.monotonic()
        await asyncio.to_thread(self._append, signed)

    def outside(self) -> list[SignedCheckpoint]:
        """Return the checkpoints of the file; none when there is no file yet or it cannot be read."""
        try:
            kept = self._file.read() if self._file.path.exists() else []
        except (CheckpointError, OSError) as error:
            self._unread = True
            self._note(error)
            return []
        if self._unread:
            self._unread, self.last_error = False, None
        return kept

    def _begin(self) -> None:
        with self._plane.database.reader() as connection:
            self._signed_up_to, self.newest_at = audit_history.newest_checkpoint(connection)
        told, self.broken = self.broken, self._compare()
        self._compared = not self._unread
        if self.broken not in (None, told):
            logger.error("the audit log is not what it was: %s", self.broken)

    def _compare(self) -> str | None:
        """Return what differs between the log and the checkpoints outside, or None.

        Every one is compared: one that was signed after a change of older records says nothing of what they were.
        """
        kept = self.outside()
        if not kept:
            return None
        log, key = self._plane.ledger.log, self.key
        by_size: dict[int, list[SignedCheckpoint]] = {}
        for signed in kept:
            point = signed.checkpoint
            if point.log_id != log.log_id:
                return f"a checkpoint outside the database is of the log {point.log_id}, this is {log.log_id}"
            if key is not None and point.key_id != key.key_id:
                return f"a checkpoint outside the database is signed by {point.key_id}, not by the key of the log"
            by_size.setdefault(point.size, []).append(signed)
        if key is not None and not kept[-1].verify(key.verifying_key):
            return "the signature of the newest checkpoint outside the database is false"
        if max(by_size) > log.head.sequence:
            return f"it ends at record {log.head.sequence}, but a checkpoint vouches for {max(by_size)} records"
        with self._plane.database.reader() as connection:
            states = audit_history.states_at(connection, by_size)
        for size, state in states.items():
            for signed in by_size[size]:
                if (signed.checkpoint.root, signed.checkpoint.head_hash) == state:
                    continue
                if key is not None and not signed.verify(key.verifying_key):
                    return f"the signature of a checkpoint over {size} records outside the database is false"
                return f"its first {size} records are not those that a checkpoint vouches for"
        return None

    def _append(self, signed: SignedCheckpoint) -> None:
        try:
            self._file.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file.append(signed)
        except (CheckpointError, OSError) as error:
            self._note(error)
        else:
            if not self._unread:  # that something could be added does not say that what was there is whole
                self.last_error = None

    def _note(self, error: Exception) -> None:
        text = str(error) if isinstance(error, ScrollIntelError) else type(error).__name__
        if text != self.last_error:
            logger.error("an audit checkpoint cannot be kept: %s", text)
        self.last_error = text


def store_checkpoint(tx: Transaction, signed: SignedCheckpoint) -> None:
    """Keep a checkpoint in the database."""
    checkpoint = signed.checkpoint
    tx.append(
        "audit_checkpoints",
        size=checkpoint.size,
        log_id=checkpoint.log_id,
        root=checkpoint.root.hex(),
        head_hash=checkpoint.head_hash.hex(),
        at=checkpoint.at,
        key_id=checkpoint.key_id,
        signature=base64.b64encode(signed.signature).decode("ascii"),
    )
