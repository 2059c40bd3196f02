"""What is let go so that nothing grows without bound: answers kept for idempotency keys."""

from __future__ import annotations

from ..control.records import IDEMPOTENCY
from ..storage.retention import RetentionPolicy, expire
from ..storage.rollup import roll_up
from ..storage.transaction import Transaction
from .plane import MAX_IDEMPOTENCY_KEYS, ControlPlane

BATCH = 5_000
"""Records that one change lets go."""


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
                tx.delete(IDEMPOTENCY, (item.actor, item.key))

        await self._plane.change(decide)
