"""Automated recovery as one object: the watcher, the incident desk, the engine, and who looks after them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...control.incidents import ApprovalRecord
from ...control.records import RecoveryOperationRecord
from ...durable.local import LocalEngine
from ...durable.performing import Engine, Halted
from ...recovery.runner import RecoveryConfig, RecoveryRunner
from ...recovery.symptom import Condition, ConditionChange, Depth, Look
from ...recovery.target import Target
from ...recovery.topology import ObservedEdge, Topology
from ...replica.protocol import CircuitReport
from ...security.access import Permission
from ...storage.errors import StoreUnavailableError
from ...storage.recovery_history import RecoveryFilter, recoveries
from ...storage.writer import WriterState
from ...telemetry.notify.notifier import Notifier
from ...watch.heartbeat_socket import HeartbeatSocket
from ...watch.kinds import ProbeContext
from ...watch.watcher import TargetView, Watcher
from ..caller import Caller
from ..circuits import Circuits
from ..degradation import Degradation
from ..plane import ControlPlane
from ..recovery_strategies import Strategies
from .aftermath import Consequences
from .answers import Answers
from .configured import AutomationConfig
from .dependents import Dependents
from .desk import Desk
from .equipment import Equipment
from .error_budgets import ErrorBudgets
from .incident_book import IncidentBook
from .judgement import Judgement
from .overseer import RunOverseer
from .passive import PassiveSignals, observed_edges
from .performer import Performer, Run
from .processes import Processes
from .questions import Questions
from .record_keeper import RecordKeeper
from .stop_switch import StopSwitch
from .storm_brake import StormBrake

RECALLED = 1000
"""Recoveries of the life before that are looked through for when each target was recovered last."""

logger = logging.getLogger("scrollintel.recovery")


class Automation:
    """Watches and repairs. On the event loop, but for what says otherwise.

    Arguments:
        plane, circuits, degradation: The control plane and its use cases.
        directory: Where its own files lie.
        config: What is watched and what may be done.
        runner: Strategies that the program has registered.
        patience: How patiently strategies are verified that have no looks.
        is_open: Whether access control is off.
        max_local: Recoveries at once in an engine without durability.
    """

    def __init__(
        self,
        plane: ControlPlane,
        circuits: Circuits,
        degradation: Degradation,
        *,
        directory: Path,
        config: AutomationConfig,
        runner: RecoveryRunner,
        patience: RecoveryConfig,
        is_open: bool,
        max_local: int,
    ) -> None:
        self._plane = plane
        self._directory = directory / "recovery"
        self.config = config
        self.keeper = RecordKeeper(plane, directory)
        self.switch = StopSwitch(directory)
        self._processes = Processes(self._directory, self.switch)
        self.brake = StormBrake(plane, config.brake)
        self.notifier = Notifier(config.channels, config.outbound)
        self.equipment = Equipment(
            plane, circuits, degradation, directory=self._directory, config=config, probe=self._probe, told=self._told
        )
        self.strategies = Strategies(
            runner, targets=self._targets, context=self.equipment.context, errand=self.equipment.errand
        )
        self.watcher = Watcher(on_change=self._changed, context=self._probing(config))
        self._passive = PassiveSignals(self._names, self.watcher.report, plane.clock.monotonic)
        self.budgets = ErrorBudgets(self._topology, self._passive.calls, plane.clock.monotonic)
        self.judgement = Judgement(
            plane, self.keeper, self.strategies, self.switch, self.brake, burn=self.budgets.burn, observed=self._edges
        )
        self.judgement.rules = config.rules
        dependents = Dependents(plane, degradation, self.judgement.dependents, self.judgement.other_incident)
        self._consequences = Consequences(dependents, self.notifier.send, plane.clock)
        self.questions = Questions(
            plane,
            self.keeper,
            is_open=is_open,
            answered=self._answered,
            tell=self._consequences.asked,
        )
        self.overseer = RunOverseer(
            self.judgement, self.strategies, self.questions, self.keeper, clock=plane.clock,
            require_mine=self._require_mine, probe=self._probe,
        )  # fmt: skip
        self.performer = Performer(plane, self.keeper, self.overseer, patience=patience)
        self.engine: Engine = self._engine(max_local)
        self.answers = Answers(self.engine, plane.database)
        self.desk = Desk(
            IncidentBook(self.keeper, plane.database, plane.clock), self.judgement, self.watcher, plane.clock,
            submit=self.engine.submit, cancel=self.cancel, aftermath=self._consequences,
        )  # fmt: skip
        self._heartbeats: HeartbeatSocket | None = None
        self._has_begun = False
        self._is_watching = False
        self._stands_back = False
        self._is_stopped = False
        self._turn = asyncio.Lock()

    def _engine(self, max_local: int) -> Engine:
        if not self.config.durable:
            return LocalEngine(self.performer, max_running=max_local)
        from ...durable.engine import DurableEngine

        return DurableEngine(self.performer, directory=self._directory.parent, url=self.config.engine_url)

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Begin as far as that is possible now; `adjust` does the rest."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.notifier.start()
        await self.adjust()

    async def adjust(self) -> None:
        """Run the engine and watch while this control plane is the one that serves; stand back while another does."""
        async with self._turn:
            await self._adjust()

    async def _adjust(self) -> None:
        if self._plane.writer.state is WriterState.SERVING and not self._has_begun:
            await asyncio.to_thread(self.engine.start)
            self._has_begun = True
        if not self._has_begun:
            return
        self.brake.keep()
        if self._plane.serving:
            await self.answers.carry()
        if self._plane.writer.state is WriterState.STANDBY:
            await self._stand_back()
        elif self._stands_back and self._plane.serving:
            await self._stand_in()
        elif not self._is_watching and self.config.targets:
            await self._watch()

    async def _watch(self) -> None:
        """Begin to watch; what fails in between is tried again by the next `adjust`."""
        self.judgement.set_targets(self.config.targets)
        started = await asyncio.to_thread(self._processes.start, self.config.targets)
        await asyncio.to_thread(self._recall)
        await asyncio.to_thread(self.watcher.start)
        if self.config.heartbeat_socket is not None and self._heartbeats is None:
            heartbeats = HeartbeatSocket(self.config.heartbeat_socket, self.watcher.beat)
            heartbeats.start()
            self._heartbeats = heartbeats
        await asyncio.to_thread(self._observe, self.config.targets, started)
        self._hear()
        self.desk.prepare()
        self.desk.start()
        self._is_watching = True

    def _hear(self) -> None:
        """Have the desk hear of every recovery."""
        self.overseer.on_entered = self.desk.entered
        heard = self.overseer.on_finished

        def finished(run: Run, record: RecoveryOperationRecord) -> None:
            heard(run, record)
            self.desk.finished(run, record)

        self.overseer.on_finished = finished

    def _recall(self) -> None:
        """Learn when recoveries of the life before have ended: cool-downs go on over a restart."""
        with suppress(StoreUnavailableError):
            for record in recoveries(self._plane.database, RecoveryFilter(), RECALLED):
                self.judgement.ended(record)

    async def _stand_back(self) -> None:
        """Watch nothing and decide nothing while another control plane serves."""
        if self._is_watching and not self._stands_back:
            logger.warning("another control plane serves: this one watches and repairs nothing until it does again")
            self._stands_back = True
            self.desk.stand_back()
            await asyncio.to_thread(self.watcher.apply, ())
            self.judgement.forget()

    async def _stand_in(self) -> None:
        """Watch and decide again."""
        logger.warning("this control plane serves again: it watches and repairs from now on")
        self._stands_back = False
        await asyncio.to_thread(self._recall)
        started = await asyncio.to_thread(self._processes.start, self.config.targets)
        await asyncio.to_thread(self._observe, self.config.targets, started)
        self.desk.stand_in()

    async def stop_deciding(self) -> None:
        """Begin nothing any more; before the engine is stopped, which is done by whoever owns the recoveries."""
        if self._is_watching:
            await asyncio.to_thread(self.desk.stop)

    async def stop(self) -> None:
        """Stop watching; after the engine, whose recoveries may be proving health until then."""
        self._is_stopped = True
        if self._heartbeats is not None:
            await asyncio.to_thread(self._heartbeats.stop)
        if self._is_watching:
            await asyncio.to_thread(self.watcher.stop)
        await asyncio.to_thread(self.notifier.stop)

    async def apply(self, config: AutomationConfig) -> None:
        """Watch and repair by another configuration from now on; raises ConfigError, and changes nothing then."""
        async with self._turn:
            await self._apply(config)

    async def _apply(self, config: AutomationConfig) -> None:
        former = self.config
        self._obey(config)
        if not self._is_watching:
            await self._adjust()
        elif not self._stands_back:
            try:
                known = {target.name for target in former.targets}
                fresh = [target for target in config.targets if target.name not in known]
                await asyncio.to_thread(self._processes.move, former.targets, config.targets)
                started = await asyncio.to_thread(self._processes.start, fresh)
                await asyncio.to_thread(self._observe, config.targets, started)
            except BaseException:
                self._obey(former)
                raise
            self.desk.look_again()
        await asyncio.to_thread(self.notifier.change, config.channels, config.outbound)

    def _obey(self, config: AutomationConfig) -> None:
        self.config = self.equipment.config = config
        self.judgement.rules = config.rules
        self.brake.limits = config.brake
        if self._is_watching:
            self.judgement.set_targets(config.targets)

    def _observe(self, targets: tuple[Target, ...], started: Collection[str]) -> None:
        """Watch these targets; those that have just been started may take their time."""
        self.watcher.apply(targets, self._probing(self.config), started=started)

    # ------------------------------------------------------------------ from outside

    def cancel(self, run: str, why: str) -> None:
        """End a recovery after the step that it is in; from any thread."""
        self.performer.end(run, why)
        self.engine.cancel(run, why)

    def waiting(self) -> set[str]:
        """Return the recoveries that the engine could not take yet."""
        return self.desk.waiting

    @property
    def is_watching(self) -> bool:
        """Whether targets are watched now."""
        return self._is_watching

    def views(self) -> list[TargetView]:
        """Return how all targets stand."""
        return self.watcher.snapshot()

    def conditions_of(self, service: str) -> list[tuple[str, Condition]]:
        """Return the targets of a service that are watched, with their conditions."""
        conditions = self.judgement.conditions
        return [
            (target.name, conditions.get(target.name, Condition.UNKNOWN))
            for target in self.config.targets
            if target.service == service
        ]

    def seen_by(self, caller: Caller) -> list[TargetView]:
        """Return how the targets stand that the caller may see."""
        return [view for view in self.views() if caller.sees(Permission.RECOVERY_READ, view.target.service)]

    @property
    def standing(self) -> str:
        """How automation stands, in a word or two: `watching`, `stopped`, `braked` or `nothing to watch`."""
        if self.switch.stopped() is not None:
            return "stopped"
        if self.brake.engaged() is not None:
            return "braked"
        return "watching" if self.config.targets and self.is_watching else "nothing to watch"

    def took(self, instance: str, circuit: CircuitReport) -> None:
        """Take what a replica reports about a circuit."""
        if self._is_watching:
            self._passive.take(instance, circuit)

    def left(self, instance: str) -> None:
        """Forget a replica that has gone."""
        self._passive.forget(instance)

    # ------------------------------------------------------------------ what the parts use; in their threads

    def _probing(self, config: AutomationConfig) -> ProbeContext:
        return ProbeContext(config.outbound, self._processes.life_of)

    def _told(self, text: str) -> None:
        self._consequences.told(text)

    def _answered(self, question: ApprovalRecord) -> None:
        self.answers.take(question)

    def _changed(self, change: ConditionChange) -> None:
        target = self.judgement.target(change.target)
        self.desk.condition(change)
        data = {
            "target": change.target, "old": change.old.value, "new": change.new.value,
            "failure_type": change.failure_type, "detail": "" if change.look is None else change.look.detail,
            "at": self._plane.now.isoformat(),
        }  # fmt: skip
        service = None if target is None else target.service
        self._plane.on_loop(_tell, self._plane, data, service)

    def _probe(self, target: Target, depths: Collection[Depth]) -> list[Look]:
        if not self._is_watching:
            return []
        try:
            return self.watcher.probe(target.name, depths)
        except Exception:
            if self._is_stopped:  # a step that a stop has left to itself ends here: it is taken up at the next start
                raise Halted from None
            raise

    def _names(self) -> Mapping[str, Iterable[str]]:
        return self.judgement.topology.by_name

    def _targets(self) -> Mapping[str, Target]:
        return self.judgement.topology.targets

    def _topology(self) -> Topology:
        return self.judgement.topology

    def _edges(self) -> list[ObservedEdge]:
        return observed_edges(self._plane, self.judgement.topology)

    def _require_mine(self, run: str) -> int:
        return self.engine.require_mine(run)


def _tell(plane: ControlPlane, data: dict[str, Any], service: str | None) -> None:  # Any: JSON values
    plane.facts.tell("target.condition", data, service=service)
