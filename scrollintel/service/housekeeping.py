"""What is let go so that nothing grows without bound or is kept for longer than it is needed."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ..control.records import IDEMPOTENCY
from ..security.kinds import SUBJECTS
from ..security.subjects import erased, subject_id_for
from ..storage.retention import RetentionPolicy, expire
from ..storage.rollup import roll_up
from ..storage.transaction import Transaction
from .authors import strangers_of
from .caller import SYSTEM
from .plane import MAX_IDEMPOTENCY_KEYS, ControlPlane

BATCH = 5_000
"""Records that one change lets go."""
STRANGERS_KEPT: Final = timedelta(days=90)
"""How long the addresses of callers without a name can be read in the audit log."""


class Housekeeping:
    """Bounds what is kept in memory and on disk."""

    def __init__(self, plane: ControlPlane, retention: RetentionPolicy | None = None) -> None:
        self._plane = plane
        self._retention = RetentionPolicy() if retention is None else retention

    async def roll_up(self) -> None:
        """Sum metrics up to longer steps."""
        if self._plane.serving:
            await self._plane.writer.maintain(lambda connection: roll_up(connection, self._plane.now))

    async def expire_histories(self) -> None:
        """Delete what is older than the retention policy keeps it."""
        if self._plane.serving:
            await self._plane.writer.maintain(lambda connection: expire(connection, self._plane.now, self._retention))

    async def expire_idempotency(self) -> None:
        """Let answers go that are older than a day, and the oldest ones when there are too many."""
        records, now = self._plane.records.values(IDEMPOTENCY), self._plane.now
        surplus = max(0, len(records) - MAX_IDEMPOTENCY_KEYS)
        gone = [item for number, item in enumerate(records) if number < surplus or item.expires_at <= now][:BATCH]
        if not gone:
            return

        def decide(tx: Transaction) -> None:
            for item in gone:
                place = (item.actor, item.key)
                if tx.get(IDEMPOTENCY, place) == item:  # its key may have been used again meanwhile
                    tx.delete(IDEMPOTENCY, place)

        await self._plane.change(decide)

    async def forget_strangers(self) -> None:
        """Erase the keys under which addresses of callers without a name were sealed, once they are old enough."""
        plane, keys = self._plane, self._plane.keys
        if not plane.serving:
            return
        until = plane.now - STRANGERS_KEPT
        old = [
            known
            for known in plane.records.values(SUBJECTS)
            if known.wrapped is not None
            and known.created_at <= until
            and known.subject_id == subject_id_for(strangers_of(known.created_at.date()), keys.subject_key)
        ]
        if not old:
            return

        def decide(tx: Transaction) -> None:
            for known in old:
                tx.put(SUBJECTS, erased(known, tx.now))
                entry = SYSTEM.entry("subject.erase", "subject", known.subject_id, at=tx.now, reason="kept long enough")
                tx.audit(entry)

        await plane.change(decide)
