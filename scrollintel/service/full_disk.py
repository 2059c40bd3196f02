"""What happens while the database has no room: the stop is recorded, operators go on from a reserve, and it ends."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from ..storage.transaction import Transaction
from .caller import SYSTEM
from .plane import ControlPlane

MAX_UNRECORDED = 20
"""Changes from room to none and back that wait to be recorded; the newest."""
logger = logging.getLogger("scrollintel.service")


class FullDisk:
    """Records that changes are refused for want of room, and takes them again as soon as there is room.

    Arguments:
        plane: The control plane.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._told = False
        self._unrecorded: deque[str] = deque(maxlen=MAX_UNRECORDED)

    async def look(self) -> None:
        """See how things stand; told in the log of the process and in the audit log, from the reserve.

        What could not be recorded is tried again by the next look.

        Raises:
            StoreUnavailableError: when it cannot be recorded now.
        """
        plane = self._plane
        if not plane.serving:
            return
        has_room = await asyncio.to_thread(plane.database.regain_room)
        if has_room is self._told:
            self._told = not has_room
            self._tell(has_room)
        while self._unrecorded:
            await self._record(self._unrecorded[0])
            self._unrecorded.popleft()

    def _tell(self, has_room: bool) -> None:
        if has_room:
            logger.warning("the database has room again: changes are taken")
            self._unrecorded.append("storage.has_room")
            return
        logger.error("the database has no room left: changes are refused until there is some on its volume")
        if self._plane.database.reserve is not None:
            self._unrecorded.append("storage.full")

    async def _record(self, action: str) -> None:
        def decide(tx: Transaction) -> None:
            tx.audit(SYSTEM.entry(action, "storage", "database", at=tx.now))

        await self._plane.change(decide, urgent=True)
