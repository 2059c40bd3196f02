"""What is let go so that nothing grows without bound: answers kept for idempotency keys."""

from __future__ import annotations

from ..control.records import IDEMPOTENCY
from ..storage.transaction import Transaction
from .plane import MAX_IDEMPOTENCY_KEYS, ControlPlane

BATCH = 5_000
"""Records that one change lets go."""


class Housekeeping:
    """Bounds what is kept in memory and on disk."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

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
