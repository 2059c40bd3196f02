"""Run an allow-listed program as a repair."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..core.config.base import Config, InvalidValue, Rule, name
from ..core.errors import PlanRefusedError, StepFailedError
from ..recovery.strategy import Idempotency, Observation, Plan, Step, Traits
from .base import TargetStrategy
from .command import run_bounded
from .kinds import StrategyContext, StrategyKind

ARGUMENT = re.compile(r"[A-Za-z0-9_.:@%+=,/][A-Za-z0-9_.:@%+=,/-]{0,199}")
"""What an argument may be: nothing that begins with a dash, and no white space, quotes or control characters."""
SECRET = re.compile(
    r"(?i)((?:password|passwd|secret|token|api[_-]?key|authorization)\s*[=:]\s*)\S+|://[^/\s:@]+:[^/\s@]+@"
)
SAID = 500
"""Characters of the output's end that are kept with the step."""
KEPT = 7 * 86_400.0
"""Seconds for which a marker is kept; as long as the engine keeps recoveries."""


def _arguments() -> dict[str, Rule]:
    def convert(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or len(value) > 50:
            raise InvalidValue
        if not all(isinstance(item, str) and ARGUMENT.fullmatch(item) for item in value):
            raise InvalidValue
        return tuple(value)

    words = "a list of up to 50 arguments of letters, digits and _.:@%+=,/- that begin with no dash"
    return {"rule": Rule(convert, words, dump=list)}


@dataclass(frozen=True, slots=True)
class RunbookOptions(Config):
    """What running a runbook takes.

    Arguments:
        runbook: Its name in the table `[runbooks]`.
        arguments: Further arguments; none by default.
    """

    runbook: str = field(metadata=name())
    arguments: tuple[str, ...] = field(default=(), metadata=_arguments())


class RunRunbook(TargetStrategy):
    """Runs a program that the operator's file lists.

    What it does is its own affair, so nobody can see whether it has happened: a marker is written before and after. One
    that has finished is not run again for the same plan. One that was cut off is run again only when the file says that
    it is repeatable; otherwise people have to look.
    """

    name = "runbook"
    traits = Traits(idempotency=Idempotency.GUARDED)

    def __init__(self, context: StrategyContext, options: RunbookOptions) -> None:
        super().__init__(context)
        self._options = options
        self._runbooks = context.runbooks
        self._markers = context.directory / "runbooks"

    def plan(self, observation: Observation) -> Plan | None:
        """Run it while the target fails.

        Raises:
            PlanRefusedError: when no runbook of that name is listed.
        """
        if observation.healthy:
            return None
        if self._options.runbook not in self._runbooks:
            raise PlanRefusedError(f"no runbook {self._options.runbook!r} is listed in the settings file")
        return self.planned((f"run the runbook {self._options.runbook}",), observation, runbook=self._options.runbook)

    def act(self, plan: Plan) -> None:
        """Run it, unless that has been done for this plan."""
        runbook = self._runbooks.get(plan.parameters["runbook"])
        if runbook is None:
            raise StepFailedError(self.name, Step.ACT, "the runbook is not listed any more")
        marker = self._marker(plan.key)
        known = _read(marker)
        if known == "ended":
            return
        if known == "began" and not runbook.repeatable:
            raise StepFailedError(
                self.name, Step.ACT, "it was cut off before, and the file does not say that it repeats"
            )
        _write(marker, "began")
        target = self.context.target
        variables = {
            "SCROLLINTEL_KEY": plan.key or "",
            "SCROLLINTEL_EPOCH": str(plan.epoch),
            "SCROLLINTEL_TARGET": target.name,
            "SCROLLINTEL_SERVICE": target.service,
        }
        ran = run_bounded(runbook, self._options.arguments, variables)
        if ran.code is None:
            raise StepFailedError(self.name, Step.ACT, f"it took longer than {runbook.timeout:g} s and was ended")
        _write(marker, "ended")
        _sweep(self._markers)
        if ran.code != 0:
            raise StepFailedError(self.name, Step.ACT, f"exit code {ran.code}: {redacted(ran.output)}")

    def _marker(self, key: str | None) -> Path:
        self._markers.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._markers / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', key or 'none')}.json"


def redacted(output: str) -> str:
    """Return the end of an output without what looks like a secret."""
    return SECRET.sub(
        lambda found: (found.group(1) or "://") + "(hidden)" + ("@" if not found.group(1) else ""), output
    )[-SAID:].strip()


def _read(marker: Path) -> str | None:
    try:
        found: Mapping[str, str] = json.loads(marker.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found.get("state")


def _sweep(folder: Path) -> None:
    """Remove the markers of recoveries that nobody goes on with any more."""
    before = time.time() - KEPT
    for marker in folder.iterdir():
        with suppress(OSError):
            if marker.stat().st_mtime < before:
                marker.unlink()


def _write(marker: Path, state: str) -> None:
    fresh = marker.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, json.dumps({"state": state}).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(marker)


KIND = StrategyKind(
    RunRunbook.name, RunbookOptions, RunRunbook.traits, "Runs a program that the settings file lists.", RunRunbook
)
