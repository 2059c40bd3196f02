"""Automated recovery as one object: the watcher, the incident desk, the engine, and who looks after them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...actions.kinds import StrategyContext
from ...actions.supervised import ProcessError, SupervisedProcess
from ...control.incidents import INCIDENTS, ApprovalRecord, IncidentRecord, IncidentState
from ...control.records import RecoveryOperationRecord
from ...durable.local import LocalEngine
from ...durable.performing import Engine, Halted
from ...recovery.burn import Burn, all_burning
from ...recovery.runner import RecoveryConfig, RecoveryRunner
from ...recovery.symptom import Condition, ConditionChange, Depth, Look
from ...recovery.target import Target
from ...recovery.topology import ObservedEdge
from ...replica.protocol import CircuitReport
from ...security.access import Permission
from ...storage.errors import StoreUnavailableError
from ...storage.recovery_history import RecoveryFilter, recoveries
from ...storage.writer import WriterState
from ...telemetry.notify.notifier import Notifier
from ...watch.heartbeat_socket import HeartbeatSocket
from ...watch.kinds import ProbeContext
from ...watch.watcher import TargetView, Watcher
from ..built_in_recovery import Errand
from ..caller import Caller
from ..circuits import Circuits
from ..degradation import Degradation
from ..endpoints import Endpoints
from ..plane import ControlPlane
from ..recovery_strategies import Strategies
from .aftermath import Consequences
from .answers import Answers
from .configured import AutomationConfig
from .dependents import Dependents
from .desk import Desk
from .error_budgets import error_budgets, names_of_calls
from .incident_book import IncidentBook
from .judgement import Judgement
from .orders import PlaneOrders
from .overseer import RunOverseer
from .passive import PassiveSignals
from .performer import Performer, Run
from .questions import Questions
from .record_keeper import RecordKeeper
from .stop_switch import StopSwitch
from .storm_brake import StormBrake

RECALLED = 1000
"""Recoveries of the life before that are looked through for when each target was recovered last."""
BUDGETS_FOR = 5.0
"""Seconds for which error budgets count as known."""
LOOK_TIMEOUT = 10.0
"""Seconds that a strategy waits for the event loop."""

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
        self._circuits = circuits
        self._degradation = degradation
        self._directory = directory / "recovery"
        self.config = config
        self.endpoints = Endpoints(plane)
        self.keeper = RecordKeeper(plane, directory)
        self.switch = StopSwitch(directory)
        self.brake = StormBrake(plane, config.brake)
        self.notifier = Notifier(config.channels, config.outbound)
        self.strategies = Strategies(runner, targets=self._targets, context=self._context, errand=self._errand)
        self.judgement = Judgement(
            plane, self.keeper, self.strategies, self.switch, self.brake, burn=self._burn, observed=self._edges
        )
        self.judgement.rules = config.rules
        dependents = Dependents(plane, degradation, self._dependents, self._other_incident)
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
        self.watcher = Watcher(on_change=self._changed, context=ProbeContext(config.outbound, self._pid_of))
        self.desk = Desk(
            IncidentBook(self.keeper, plane.database, plane.clock), self.judgement, self.watcher, plane.clock,
            submit=self.engine.submit, cancel=self.cancel, aftermath=self._consequences,
        )  # fmt: skip
        self._passive = PassiveSignals(self._names, self.watcher.report, plane.clock.monotonic)
        self._budgets: list[dict[str, Any]] = []  # Any: JSON values
        self._budgets_until = float("-inf")
        self._heartbeats: HeartbeatSocket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
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
        self._loop = asyncio.get_running_loop()
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
        started = await asyncio.to_thread(self._start_processes, self.config.targets)
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
        started = await asyncio.to_thread(self._start_processes, self.config.targets)
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
                await asyncio.to_thread(_move_pidfiles, former.targets, config.targets, self._directory)
                started = await asyncio.to_thread(self._start_processes, fresh)
                await asyncio.to_thread(self._observe, config.targets, started)
            except BaseException:
                self._obey(former)
                raise
            self.desk.look_again()
        await asyncio.to_thread(self.notifier.change, config.channels, config.outbound)

    def _obey(self, config: AutomationConfig) -> None:
        self.config = config
        self.judgement.rules = config.rules
        self.brake.limits = config.brake
        if self._is_watching:
            self.judgement.set_targets(config.targets)

    def _observe(self, targets: tuple[Target, ...], started: Iterable[str]) -> None:
        """Watch these targets; those that have just been started may take their time."""
        self.watcher.apply(targets, ProbeContext(self.config.outbound, self._pid_of))
        for name in started:
            self.watcher.started(name)

    def _start_processes(self, targets: Iterable[Target]) -> list[str]:
        """Start what is to be started with the control plane and does not run; return the names of those.

        Nothing is started while automation is stopped.
        """
        started = []
        stopped = self.switch.stopped()
        for target in targets:
            if target.process is None or not target.process.autostart:
                continue
            process = SupervisedProcess(target, self._directory)
            if process.running() is None and stopped is not None:
                logger.warning("%s is not started: automation is stopped by %s", target.name, stopped.by)
            elif process.running() is None:
                try:
                    running = process.start("autostart")
                    started.append(target.name)
                    logger.info("%s is started: process %d", target.name, running.pid)
                except (ProcessError, OSError, ValueError) as error:
                    logger.warning("%s cannot be started: %s", target.name, error)
        return started

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

    def error_budgets(self, caller: Caller) -> list[dict[str, Any]]:  # Any: JSON values
        """Return how much of their error budgets the services have left that the caller may see, worst first.

        They are those of `BUDGETS_FOR` seconds ago at most: three days of counts are summed up for each.
        """
        now = self._plane.clock.monotonic()
        if now >= self._budgets_until:
            self._budgets_until = now + BUDGETS_FOR
            self._budgets = error_budgets(self.judgement.topology, self._passive.calls)
        return [item for item in self._budgets if caller.sees(Permission.RECOVERY_READ, item["service"])]

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

    def _pid_of(self, target: Target) -> tuple[int, float] | None:
        if target.process is None:
            return None
        running = SupervisedProcess(target, self._directory).running()
        if running is None:
            return None
        import psutil

        try:
            return running.pid, psutil.Process(running.pid).create_time()
        except psutil.NoSuchProcess:
            return None

    def orders(self, service: str) -> PlaneOrders:
        """Return what recoveries of a service order with."""
        return PlaneOrders(
            self._plane, self._circuits, self._degradation, self.endpoints, service, self._consequences.told
        )

    def _context(self, target: Target) -> StrategyContext:
        return StrategyContext(
            target=target, directory=self._directory, outbound=self.config.outbound,
            probe=lambda depths: self._probe(target, depths), orders=self.orders(target.service),
            clock=self._plane.clock, runbooks=self.config.runbooks,
        )  # fmt: skip

    def _probe(self, target: Target, depths: Collection[Depth]) -> list[Look]:
        if not self._is_watching:
            return []
        try:
            return self.watcher.probe(target.name, depths)
        except Exception:
            if self._is_stopped:  # a step that a stop has left to itself ends here: it is taken up at the next start
                raise Halted from None
            raise

    def _errand(self, service: str, caller: Caller) -> Errand:
        loop = self._loop
        assert loop is not None, "recoveries run after the start"

        def on_loop(look: Callable[[], Any]) -> Any:  # Any: what the look returns
            return asyncio.run_coroutine_threadsafe(_call(look), loop).result(LOOK_TIMEOUT)

        return Errand(self._plane, self._circuits, Degradation(self._plane), caller, service, on_loop)

    def _names(self) -> Mapping[str, Iterable[str]]:
        return self.judgement.topology.by_name

    def _targets(self) -> Mapping[str, Target]:
        return self.judgement.topology.targets

    def _dependents(self, service: str) -> list[Target]:
        return self.judgement.topology.dependents(service)

    def _other_incident(self, service: str, incident: IncidentRecord) -> IncidentRecord | None:
        """Return an incident of something else that is down and that a service needs."""
        needed = {name for name in self.judgement.topology.hard_needs(service) if self.judgement.is_down(name)}
        for other in self.keeper.records(INCIDENTS.name):
            if other.id != incident.id and other.service in needed and other.state is not IncidentState.WATCHED:
                found: IncidentRecord = other
                return found
        return None

    def _require_mine(self, run: str) -> int:
        return self.engine.require_mine(run)

    def _edges(self) -> list[ObservedEdge]:
        """Return who calls whom, as replicas report their circuits."""
        now, services = self._plane.clock.monotonic(), {t.service for t in self.judgement.topology.targets.values()}
        return [
            ObservedEdge(session.service, circuit, now)
            for session in self._plane.fleet.sessions()
            for circuit in session.circuits
            if circuit in services and circuit != session.service
        ]

    def _burn(self, target: Target) -> Burn | None:
        return next(self.burns(target), None)

    def burns(self, target: Target) -> Iterator[Burn]:
        """Yield every pair of windows over which the error budget of a target burns, the fastest first."""
        if target.objective is None:
            return
        names = names_of_calls(self.judgement.topology, target)
        yield from all_burning(self._passive.calls(names), target.objective)


def _move_pidfiles(former: Iterable[Target], targets: Iterable[Target], directory: Path) -> None:
    """Keep sight of processes whose pidfile is to lie elsewhere from now on, so that none is started twice."""
    before = {target.name: target for target in former if target.process is not None}
    for target in targets:
        known = before.get(target.name)
        if known is not None and target.process is not None:
            SupervisedProcess(known, directory).move(SupervisedProcess(target, directory))


def _tell(plane: ControlPlane, data: dict[str, Any], service: str | None) -> None:  # Any: JSON values
    plane.facts.tell("target.condition", data, service=service)


async def _call(look: Callable[[], Any]) -> Any:  # Any: what the look returns
    return look()
