"""Command: a program that looks, with a time limit, a clean environment and no shell."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ...core.config.base import Config, name
from ...outbound.references import resolve
from ...recovery.symptom import Depth
from ...recovery.target import Check, Target
from ..kinds import CheckKind, ProbeContext
from ..looking import Bad, LookingProbe
from ..options import optional_text, text_list, text_map, whole_numbers

PASSED_ON = ("PATH", "HOME", "LANG", "TZ")
"""Variables of this process that programs see."""
SAID = 200
"""Characters of the last line of output that are told."""
MAX_OUTPUT = 65_536
END_TIMEOUT = 1.0
"""Seconds for collecting a process that was killed."""


@dataclass(frozen=True, slots=True)
class CommandOptions(Config):
    """What a command check takes.

    Arguments:
        command: Argument vector; the program by its absolute path.
        exit_codes: Exit codes that are good; default 0.
        environment: Further variables; `{env:NAME}` and `{file:PATH}` stand for secrets.
        directory: Working folder, or None.
        failure_type: What a bad exit code stands for; by default what the depth of the check says.
    """

    command: tuple[str, ...] = field(metadata=text_list(least=1, words="an argument vector"))
    exit_codes: tuple[int, ...] = field(default=(0,), metadata=whole_numbers(words="exit codes from 0 to 255"))
    environment: Mapping[str, str] = field(default_factory=dict, metadata=text_map())
    directory: str | None = field(default=None, metadata=optional_text())
    failure_type: str | None = field(default=None, metadata=name(optional=True))


class CommandProbe(LookingProbe):
    """Runs the program once for each look."""

    def __init__(self, target: Target, check: Check, options: CommandOptions, context: ProbeContext) -> None:
        super().__init__(target, check)
        self._options = options

    async def find(self) -> str:
        """Run it; whatever it has started is killed with it when it takes too long."""
        options = self._options
        if not Path(options.command[0]).is_absolute():
            raise Bad(self.wrong, "the program has to be named by its absolute path")
        environment = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
        environment |= {key: resolve(value) for key, value in options.environment.items()}
        process = await asyncio.create_subprocess_exec(
            *options.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            cwd=options.directory,
            start_new_session=True,
        )
        try:
            output = await self._output(process)
            code = await process.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if process.returncode is None:
                await asyncio.shield(self._end(process))
        if code not in options.exit_codes:
            said = output.decode("utf-8", "replace").strip().rpartition("\n")[2][:SAID]
            raise Bad(options.failure_type or self.wrong, f"exit code {code}" + (f": {said}" if said else ""))
        return f"exit code {code}"

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Collect a process that was killed; asyncio hears of its end only once its output has been read to the end."""
        with suppress(TimeoutError):  # what has left the group of the process may hold its output open
            async with asyncio.timeout(END_TIMEOUT):
                await self._output(process)
                await process.wait()

    @staticmethod
    async def _output(process: asyncio.subprocess.Process) -> bytes:
        """Return the end of what it says; it is read to the end, so that the program does not wait for a reader."""
        assert process.stdout is not None
        kept = b""
        while data := await process.stdout.read(4096):
            kept = (kept + data)[-MAX_OUTPUT:]
        return kept


KIND = CheckKind("command", CommandOptions, Depth.READY, "Runs a program and looks at its exit code.", CommandProbe)
