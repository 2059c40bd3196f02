"""systemd: the state of a unit, as `systemctl show` tells it."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, field

from ...core.config.base import Config, name
from ...recovery.symptom import Depth, FailureType
from ...recovery.target import Check, Target
from ...recovery.units import PROPERTIES, parsed
from ..kinds import CheckKind, ProbeContext
from ..looking import Bad, LookingProbe


@dataclass(frozen=True, slots=True)
class SystemdOptions(Config):
    """What a systemd check takes.

    Arguments:
        unit: Name of the unit; by default that of the target.
    """

    unit: str | None = field(default=None, metadata=name(optional=True))


class SystemdProbe(LookingProbe):
    """Asks systemctl."""

    def __init__(self, target: Target, check: Check, options: SystemdOptions, context: ProbeContext) -> None:
        super().__init__(target, check)
        self._unit = options.unit or target.unit

    async def find(self) -> str:
        """Ask."""
        program = shutil.which("systemctl")
        if program is None:
            raise Bad(FailureType.NOT_READY, "this machine has no systemctl")
        if not self._unit or self._unit.startswith("-"):
            raise Bad(FailureType.NOT_READY, "no unit is named")
        process = await asyncio.create_subprocess_exec(
            program, "show", self._unit, f"--property={','.join(PROPERTIES)}",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            output, _ = await process.communicate()
        except BaseException:
            process.kill()
            await asyncio.shield(process.wait())
            raise
        return judged(parsed(output.decode("utf-8", "replace")))


def judged(properties: dict[str, str]) -> str:
    """Return what is good about a unit; raises Bad with what is wrong."""
    state, sub = properties.get("ActiveState", "unknown"), properties.get("SubState", "unknown")
    if properties.get("LoadState") == "not-found":
        raise Bad(FailureType.NOT_READY, "there is no such unit")
    if state == "active":
        return f"active ({sub})"
    if state == "unknown":
        raise Bad(FailureType.NOT_READY, "systemd says nothing about the unit")
    if state in ("activating", "deactivating", "reloading"):
        raise Bad(FailureType.NOT_READY, f"{state} ({sub})")
    raise Bad(FailureType.EXITED, f"{state} ({sub}), result {properties.get('Result', 'unknown')}")


KIND = CheckKind("systemd", SystemdOptions, Depth.ALIVE, "Looks at the state of a systemd unit.", SystemdProbe)
