"""Restart a local process: ours, or one that a pidfile names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..core.config.base import Config, number
from ..core.errors import PlanRefusedError
from ..recovery.strategy import Idempotency, Observation, Plan, Traits
from ..recovery.symptom import Depth
from .base import TargetStrategy
from .kinds import StrategyContext, StrategyKind
from .supervised import Instance, ProcessError, SupervisedProcess

RESTARTS = Traits(restarts=True, idempotency=Idempotency.GUARDED)


@dataclass(frozen=True, slots=True)
class RestartOptions(Config):
    """What restarting a process takes.

    Arguments:
        wait_for_children: Seconds that children of the old instance may take to end before the new one is started;
            default 30. Nobody kills them: a database's children still write.
    """

    wait_for_children: float = field(default=30.0, metadata=number(maximum=3600.0, unit="seconds"))


class RestartProcess(TargetStrategy):
    """Ends what is left of the process and starts it anew; one that answers is left alone.

    The plan names the instance that failed. When another one runs by the time of the action, the effect has happened.
    """

    name = "restart-process"
    traits = RESTARTS

    def __init__(self, context: StrategyContext, options: RestartOptions) -> None:
        super().__init__(context)
        self._options = options
        if context.target.process is None:
            raise PlanRefusedError(f"{context.target.name} declares no process to be started")
        self._process = SupervisedProcess(context.target, context.directory)

    def observe(self) -> Observation:
        """Look at the process, and at what it answers when asked whether it is alive."""
        running = self._process.running()
        if running is None:
            known = self._process.known()
            return self.observation(False, "the process does not run", _facts(None if known is None else known[0]))
        bad = [look for look in self.context.probe([Depth.ALIVE]) if not look.good]
        symptom = bad[0].detail if bad else f"process {running.pid} runs and answers"
        return self.observation(not bad, symptom, _facts(running))

    def plan(self, observation: Observation) -> Plan | None:
        """Restart what does not run or does not answer."""
        if observation.healthy:
            return None
        pid = observation.facts["pid"]
        actions = ("start the process",) if pid is None else (f"end process {pid} if it runs", "start the process")
        return self.planned(actions, observation, pid=pid, ticks=observation.facts["ticks"])

    def act(self, plan: Plan) -> None:
        """End the instance that failed and start another, unless that has happened."""
        failed = _failed(plan)
        running = self._process.running()
        if running is not None and running != failed:
            return
        if running is not None:
            self.end(running)
        self._process.await_unlocked(self._options.wait_for_children)
        self._process.start(plan.key or "")

    def end(self, running: Instance) -> None:
        """End an instance that does not answer: no word would reach it."""
        self._process.kill_now(running)

    def verify(self, plan: Plan) -> bool:
        """Tell whether another instance runs than the one that failed; raises ProcessError when none does any more."""
        running = self._process.running()
        if running is None:
            raise ProcessError(f"the process that was started has gone again; what it said is in {self._process.log}")
        return running != _failed(plan)


class StopThenStart(RestartProcess):
    """Asks the process to stop, sees that it and its children have gone, and only then starts it.

    For what has one data directory or one device: two at once would harm it.
    """

    name = "stop-then-start"

    def end(self, running: Instance) -> None:
        """Ask it to stop; it is killed after its time to stop."""
        self._process.end(running)


def _facts(instance: Instance | None) -> dict[str, Any]:  # Any: JSON values
    return {"pid": None, "ticks": None} if instance is None else {"pid": instance.pid, "ticks": instance.ticks}


def _failed(plan: Plan) -> Instance | None:
    pid = plan.parameters["pid"]
    return None if pid is None else Instance(pid, plan.parameters["ticks"])


KINDS = (
    StrategyKind(
        RestartProcess.name, RestartOptions, RESTARTS,
        "Kills what is left of the process and starts it again.", RestartProcess,
    ),
    StrategyKind(
        StopThenStart.name, RestartOptions, RESTARTS,
        "Asks the process to stop, sees that it has gone with its children, and starts it.", StopThenStart,
    ),
)  # fmt: skip
