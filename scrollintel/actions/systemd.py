"""Restart a systemd unit."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field

from ..core.config.base import Config, name
from ..core.errors import PlanRefusedError, StepFailedError
from ..recovery.strategy import Idempotency, Observation, Plan, Step, Traits
from ..recovery.units import PROPERTIES, parsed
from .base import TargetStrategy
from .kinds import StrategyContext, StrategyKind

TIMEOUT = 60.0
"""Seconds that systemctl may take."""


@dataclass(frozen=True, slots=True)
class UnitOptions(Config):
    """What restarting a unit takes.

    Arguments:
        unit: Name of the unit; by default that of the target.
    """

    unit: str | None = field(default=None, metadata=name(optional=True))


class RestartUnit(TargetStrategy):
    """Has systemd restart the unit; the invocation tells whether that has happened."""

    name = "restart-unit"
    traits = Traits(restarts=True, idempotency=Idempotency.GUARDED)

    def __init__(self, context: StrategyContext, options: UnitOptions) -> None:
        super().__init__(context)
        self._unit = options.unit or context.target.unit or ""

    def observe(self) -> Observation:
        """Look at the unit, and at what it answers."""
        seen = super().observe()
        return self.observation(seen.healthy, seen.symptom, {"invocation": self._show().get("InvocationID", "")})

    def plan(self, observation: Observation) -> Plan | None:
        """Restart it while it fails; raises PlanRefusedError without a unit."""
        if observation.healthy:
            return None
        if not self._unit or self._unit.startswith("-"):
            raise PlanRefusedError("no unit is named")
        invocation = observation.facts["invocation"]
        return self.planned((f"restart the unit {self._unit}",), observation, invocation=invocation)

    def act(self, plan: Plan) -> None:
        """Restart it, unless it has been started since the plan."""
        if self._show().get("InvocationID", "") == plan.parameters["invocation"]:
            self._run("restart", self._unit)

    def verify(self, plan: Plan) -> bool:
        """Tell whether another invocation is active."""
        found = self._show()
        return found.get("ActiveState") == "active" and found.get("InvocationID") != plan.parameters["invocation"]

    def _show(self) -> dict[str, str]:
        return parsed(self._run("show", self._unit, f"--property={','.join(PROPERTIES)}"))

    @staticmethod
    def _run(*arguments: str) -> str:
        program = shutil.which("systemctl")
        if program is None:
            raise StepFailedError(RestartUnit.name, Step.ACT, "this machine has no systemctl")
        try:
            done = subprocess.run(  # noqa: S603 - an argument vector
                [program, *arguments], capture_output=True, text=True, timeout=TIMEOUT, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise StepFailedError(RestartUnit.name, Step.ACT, f"systemctl took longer than {TIMEOUT:g} s") from None
        if done.returncode != 0:
            raise StepFailedError(RestartUnit.name, Step.ACT, f"systemctl says: {done.stderr.strip()[:300]}")
        return done.stdout


KIND = StrategyKind(RestartUnit.name, UnitOptions, RestartUnit.traits, "Has systemd restart the unit.", RestartUnit)
