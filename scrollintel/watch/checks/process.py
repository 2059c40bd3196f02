"""Process: the one that belongs to the target runs, told apart from a stranger of the same number by its start time."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass

from ...core.config.base import Config
from ...recovery.symptom import Depth, FailureType, Look
from ...recovery.target import Check, Target
from ..kinds import CheckKind, ProbeContext
from ..looking import CheckProbe

POLL_INTERVAL = 0.05
"""Seconds between looks where the system cannot tell of an exit."""
SAME_START = 0.02
"""Seconds by which two readings of one start time may differ."""


@dataclass(frozen=True, slots=True)
class ProcessOptions(Config):
    """A process check takes no options: the process is that of the target."""


class ProcessProbe(CheckProbe):
    """Looks whether the process runs, and learns of its exit from the kernel at once."""

    def __init__(self, target: Target, check: Check, options: ProcessOptions, context: ProbeContext) -> None:
        super().__init__(target, check)
        self._pid_of = context.pid_of
        self._last: int | None = None

    async def look(self) -> Look:
        """Look whether the process runs."""
        found = self._pid_of(self.target)
        if found is None:
            if self._last is not None:
                return self._exited(f"process {self._last} has gone", self._last)
            # Nothing has been seen to exit: it may be about to begin.
            return self.found(FailureType.EXITED, "no process runs", None, facts={"pid": None})
        pid, started = found
        self._last = pid
        code = reap(pid)
        if code is None and runs(pid, started):
            return self.found(None, f"process {pid} runs", 0.0, facts={"pid": pid})
        return self._exited(_told(pid, code), pid)

    async def lost(self) -> Look:
        """Return when the process exits."""
        found = self._pid_of(self.target)
        if found is None or not runs(*found):
            raise ProcessLookupError
        pid, started = found
        if hasattr(os, "pidfd_open"):
            await _exit_of(os.pidfd_open(pid))
        while runs(pid, started):  # noqa: ASYNC110 - there is no event where the kernel has no pidfd
            await asyncio.sleep(POLL_INTERVAL)
        return self._exited(_told(pid, reap(pid)), pid)

    def _exited(self, detail: str, pid: int | None) -> Look:
        return self.found(FailureType.EXITED, detail, None, conclusive=True, facts={"pid": pid})


def runs(pid: int, started: float) -> bool:
    """Tell whether the process of that number and start time runs; one that is dead and not collected does not."""
    import psutil

    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - started) > SAME_START:
            return False
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def reap(pid: int) -> int | None:
    """Collect a child of ours that has exited; return its exit code, negative for a signal, or None."""
    with suppress(ChildProcessError):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done == pid:
            return os.waitstatus_to_exitcode(status)
    return None


async def _exit_of(descriptor: int) -> None:
    """Wait until the process behind a pidfd has exited, and close it."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def exited() -> None:
        if not over.done():
            over.set_result(None)

    loop.add_reader(descriptor, exited)
    try:
        await over
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _told(pid: int, code: int | None) -> str:
    if code is None:
        return f"process {pid} has gone"
    return f"process {pid} was ended by signal {-code}" if code < 0 else f"process {pid} exited with code {code}"


KIND = CheckKind(
    "process", ProcessOptions, Depth.ALIVE, "Looks whether the process runs; notices its exit at once.", ProcessProbe
)
