"""What happens while the database has no room: the stop is recorded, operators go on from a reserve, and it ends."""

from __future__ import annotations

import asyncio
import logging

from ..storage.transaction import Transaction
from .caller import SYSTEM
from .plane import ControlPlane

logger = logging.getLogger("scrollintel.service")


class FullDisk:
    """Records that changes are refused for want of room, and takes them again as soon as there is room.

    Arguments:
        plane: The control plane.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._told = False

    async def look(self) -> None:
        """See how things stand; told in the log of the process and in the audit log, from the reserve."""
        plane = self._plane
        if not plane.serving:
            return
        has_room = await asyncio.to_thread(plane.database.regain_room)
        if has_room is not self._told:
            return
        self._told = not has_room
        if has_room:
            logger.warning("the database has room again: changes are taken")
            await self._record("storage.has_room")
            return
        logger.error("the database has no room left: changes are refused until there is some on its volume")
        if plane.database.reserve is not None:
            await self._record("storage.full")

    async def _record(self, action: str) -> None:
        def decide(tx: Transaction) -> None:
            tx.audit(SYSTEM.entry(action, "storage", "database", at=tx.now))

        await self._plane.change(decide, urgent=True)
