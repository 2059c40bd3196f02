"""Recoveries as they are looked up: in the database, or among the newest ones in memory while it is away."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from ..control.records import RECOVERIES, RecoveryOperationRecord
from ..security.access import Permission
from ..storage.errors import StoreUnavailableError
from ..storage.recovery_history import RecoveryFilter, recoveries, recovery
from ..storage.writer import WriterState
from .automation.record_keeper import RecordKeeper
from .caller import Caller
from .errors import MissingError
from .plane import ControlPlane

KEPT = 1000
"""Ended recoveries that are at hand without the database, the newest ones."""
AWAY = frozenset({WriterState.STARTING, WriterState.UNAVAILABLE, WriterState.STOPPED})
"""States in which the database is not asked: an answer from memory must not wait for its time limits."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was looked up.

    Arguments:
        records: The recoveries, newest first.
        stale: Whether they are from memory, where older ones are missing.
    """

    records: list[RecoveryOperationRecord]
    stale: bool


class RecoveryHistory:
    """All recoveries. On the event loop.

    Arguments:
        plane: The control plane.
        keeper: Knows what is not in the database yet.
    """

    def __init__(self, plane: ControlPlane, keeper: RecordKeeper) -> None:
        self._plane = plane
        self._keeper = keeper
        self._kept: dict[str, RecoveryOperationRecord] = {}
        self._is_known = False
        self._is_due = True

    def renew(self) -> None:
        """Have the next `load` read anew: another control plane may have written meanwhile."""
        self._is_due = True

    async def load(self) -> None:
        """Take the newest recoveries into memory, unless that has been done; raises StoreUnavailableError."""
        if not self._is_due:
            return
        self._is_due = False
        try:
            for record in await self._newest(RecoveryFilter(), KEPT):
                self.note(record)
        except BaseException:
            self._is_due = True
            raise
        self._is_known = True

    @property
    def ended(self) -> list[RecoveryOperationRecord]:
        """The newest recoveries that have ended, as far as they are in memory."""
        return list(self._kept.values())

    def note(self, record: RecoveryOperationRecord) -> None:
        """Keep a recovery that has ended; those that run are records of the control plane."""
        if record.finished_at is None:
            return
        self._kept[record.id] = record
        if len(self._kept) > KEPT:
            del self._kept[min(self._kept.values(), key=_place).id]

    async def search(self, wanted: RecoveryFilter, limit: int) -> Found:
        """Return recoveries, newest first.

        Raises:
            StoreUnavailableError: when the database is away and has not been read since the start.
        """
        if self._plane.writer.state not in AWAY:
            with suppress(StoreUnavailableError):  # answered from memory below
                return Found(await self._newest(wanted, limit), False)
        fitting = [record for record in self._at_hand().values() if wanted.matches(record)]
        return Found(sorted(fitting, key=_place, reverse=True)[:limit], True)

    async def find(self, caller: Caller, operation: str) -> Found:
        """Return the one recovery of that id.

        Raises:
            MissingError: when there is none that the caller may see.
            StoreUnavailableError: when it is not at hand while the database is away, whether it exists or not.
        """
        stale = self._plane.writer.state in AWAY
        found: RecoveryOperationRecord | None = None
        if not stale:
            try:
                found = await asyncio.to_thread(recovery, self._plane.database, operation)
            except StoreUnavailableError:
                stale = True
        if stale:
            found = self._at_hand().get(operation)
        if found is not None and caller.sees(Permission.RECOVERY_READ, found.service):
            return Found([found], stale)
        if stale:
            raise StoreUnavailableError("the database is away, and no such recovery is among the newest ones")
        raise MissingError("recovery", operation)

    def _at_hand(self) -> dict[str, RecoveryOperationRecord]:
        if not self._is_known:
            raise StoreUnavailableError("the database has not been read yet")
        running = {record.id: record for record in self._keeper.records(RECOVERIES.name)}
        return {**running, **self._kept}

    async def _newest(self, wanted: RecoveryFilter, limit: int) -> list[RecoveryOperationRecord]:
        return await asyncio.to_thread(recoveries, self._plane.database, wanted, limit)


def _place(record: RecoveryOperationRecord) -> tuple[object, str]:
    return record.started_at, record.id
