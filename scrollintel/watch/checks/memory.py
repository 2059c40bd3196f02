"""Memory: what the target's process and its children hold."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ...core.config.base import Config, integer
from ...recovery.symptom import Depth, FailureType
from ...recovery.target import Check, Target
from ..kinds import CheckKind, ProbeContext
from ..looking import Bad, LookingProbe


@dataclass(frozen=True, slots=True)
class MemoryOptions(Config):
    """What a memory check takes.

    Arguments:
        max_bytes: Resident bytes of the process and its children from which it counts as too much.
    """

    max_bytes: int = field(metadata=integer(minimum=1, unit="bytes"))


class MemoryProbe(LookingProbe):
    """Sums up what processes hold."""

    def __init__(self, target: Target, check: Check, options: MemoryOptions, context: ProbeContext) -> None:
        super().__init__(target, check)
        self._options = options
        self._pid_of = context.pid_of

    async def find(self) -> str:
        """Ask the system."""
        found = self._pid_of(self.target)
        if found is None:
            return "no process"
        held = await asyncio.to_thread(_held, *found)
        if held is not None and held > self._options.max_bytes:
            raise Bad(FailureType.MEMORY_HIGH, f"holds {held} bytes, more than {self._options.max_bytes}")
        return f"holds {held or 0} bytes"


def _held(pid: int, started: float) -> int | None:
    """Return the resident bytes of a process and its children; None when it has gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - started) > 0.02:
            return None
        total = int(process.memory_info().rss)
        for child in process.children(recursive=True):
            try:
                total += int(child.memory_info().rss)
            except psutil.NoSuchProcess:
                continue
    except psutil.NoSuchProcess:
        return None
    return total


KIND = CheckKind("memory", MemoryOptions, Depth.DEEP, "Looks at the memory that the process holds.", MemoryProbe)
