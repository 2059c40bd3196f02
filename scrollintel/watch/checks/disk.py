"""Disk: room that is left where a path lies."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, field

from ...core.config.base import Config, integer, number
from ...recovery.symptom import Depth, FailureType
from ...recovery.target import Check, Target
from ..kinds import CheckKind, ProbeContext
from ..looking import Bad, LookingProbe
from ..options import text


@dataclass(frozen=True, slots=True)
class DiskOptions(Config):
    """What a disk check takes.

    Arguments:
        path: A folder or file on the disk.
        free_percent: Share of room below which it counts as full; 0 to 100, default 5.
        free_bytes: Bytes of room below which it counts as full; default 0.
    """

    path: str = field(metadata=text())
    free_percent: float = field(default=5.0, metadata=number(maximum=100.0, unit="percent"))
    free_bytes: int = field(default=0, metadata=integer(unit="bytes"))


class DiskProbe(LookingProbe):
    """Asks the file system."""

    def __init__(self, target: Target, check: Check, options: DiskOptions, context: ProbeContext) -> None:
        super().__init__(target, check)
        self._options = options
        self._asking: asyncio.Future[shutil._ntuple_diskusage] | None = None

    async def find(self) -> str:
        """Ask in a thread, in one at a time: a file system of the network may hang for good."""
        asking = self._asking
        if asking is None:
            asking = self._asking = asyncio.ensure_future(asyncio.to_thread(shutil.disk_usage, self._options.path))
            asking.add_done_callback(self._answered)
        usage = await asyncio.shield(asking)
        percent = 100.0 * usage.free / usage.total if usage.total else 0.0
        if percent < self._options.free_percent or usage.free < self._options.free_bytes:
            raise Bad(FailureType.DISK_FULL, f"{percent:.1f} % free ({usage.free} bytes)")
        return f"{percent:.1f} % free"

    def _answered(self, asked: asyncio.Future[shutil._ntuple_diskusage]) -> None:
        self._asking = None
        if not asked.cancelled():
            asked.exception()  # whoever has waited was told; nobody may be waiting any more


KIND = CheckKind("disk", DiskOptions, Depth.DEEP, "Looks at the room that is left on a disk.", DiskProbe)
