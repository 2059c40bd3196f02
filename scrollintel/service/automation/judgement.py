"""What is known of targets and of what is done about them, and what follows for the next act."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from ...control.incidents import INCIDENTS, IncidentRecord, IncidentState
from ...control.records import RECOVERIES, RecoveryOperationRecord
from ...recovery.burn import Burn
from ...recovery.guardrail import ActionRequest, SafetyState, Verdict, decide
from ...recovery.impact import assess
from ...recovery.planner import choose
from ...recovery.strategy import Traits
from ...recovery.symptom import Condition, ConditionChange
from ...recovery.target import Target
from ...recovery.topology import DOWN, ObservedEdge, Topology
from ...recovery.windows import Window, window_at
from ..plane import ControlPlane
from ..recovery_strategies import Strategies, remedy_document
from .record_keeper import RecordKeeper
from .stop_switch import StopSwitch
from .storm_brake import Engaged, StormBrake

Remedy = Mapping[str, Any]  # Any: JSON values of mixed types


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for all targets.

    Arguments:
        max_running: Recoveries at once.
        freeze: Whether nothing is repaired at all.
        windows: Times in which nothing is repaired at all.
    """

    max_running: int = 5
    freeze: bool = False
    windows: tuple[Window, ...] = ()


class Decision(NamedTuple):
    """What may be done, and the state of everything that this rests on, as JSON values."""

    verdict: Verdict
    inputs: dict[str, Any]


class Judgement:
    """From any thread; what it holds is swapped whole or changed by one operation.

    Arguments:
        plane, keeper: The control plane, and the notes of recoveries.
        strategies: What can be tried.
        switch, brake: What stops automation.
        burn: Gives how the error budget of a service burns.
        observed: Gives the edges that were seen.
    """

    def __init__(
        self,
        plane: ControlPlane,
        keeper: RecordKeeper,
        strategies: Strategies,
        switch: StopSwitch,
        brake: StormBrake,
        *,
        burn: Callable[[Target], Burn | None] = lambda target: None,
        observed: Callable[[], Iterable[ObservedEdge]] = tuple,
    ) -> None:
        self._plane = plane
        self._keeper = keeper
        self._strategies = strategies
        self._switch = switch
        self._burn = burn
        self._observed = observed
        self._topology = Topology(())
        self._lock = threading.Lock()
        self._ended: dict[str, datetime] = {}  # target → end of its last recovery
        self._used: dict[tuple[str, str], datetime] = {}  # target and strategy → end of its last use
        self.brake = brake
        self.rules = Rules()
        self.conditions: dict[str, Condition] = {}
        self.changes: dict[str, ConditionChange] = {}
        """The last change of each target."""

    # ------------------------------------------------------------------ what is known

    @property
    def topology(self) -> Topology:
        """The targets and their dependencies."""
        return self._topology

    def set_targets(self, targets: Sequence[Target]) -> None:
        """Take other targets."""
        self._topology = Topology(targets)
        for name in set(self.conditions) - set(self._topology.targets):
            self.conditions.pop(name, None)
            self.changes.pop(name, None)

    def seen(self) -> Topology:
        """Return the topology with the edges that were seen."""
        return Topology(self._topology.targets.values(), self._observed())

    def note(self, change: ConditionChange) -> None:
        """Take note of a target's condition."""
        self.conditions[change.target] = change.new
        self.changes[change.target] = change

    def forget(self) -> None:
        """Forget how targets are, because they are not watched any more."""
        self.conditions, self.changes = {}, {}

    def target(self, name: str) -> Target | None:
        """Return a target, or None when there is none of that name."""
        return self._topology.targets.get(name)

    def any_target(self, name: str) -> Target:
        """Return a target, or one that only has a name, for a service that is not watched."""
        return self.target(name) or Target(name=name, service=name)

    def impact(self, target: Target) -> dict[str, Any]:  # Any: JSON values
        """Return what its failure costs, with everything that the verdict rests on."""
        return assess(self._topology, target, self.conditions, burn=self._burn(target)).to_dict()

    def held_by(self, target: Target) -> str | None:
        """Return the target to be repaired first, or None."""
        return self._topology.held_by(target.name, self.conditions)

    def is_down(self, service: str) -> bool:
        """Tell whether nothing of a service serves."""
        return self._topology.is_down(service, self.conditions)

    def way_to_root(self, target: Target) -> list[str]:
        """Return the services that are down from the nearest dependency of a target to the one to be repaired first."""
        return self._topology.way_to_root(target.name, self.conditions)

    def dependents(self, service: str) -> list[Target]:
        """Return the targets whose services need a service."""
        return self._topology.dependents(service)

    def other_incident(self, service: str, incident: IncidentRecord) -> IncidentRecord | None:
        """Return an incident of something else that is down and that a service needs."""
        needed = {name for name in self._topology.hard_needs(service) if self.is_down(name)}
        for other in self._keeper.records(INCIDENTS.name):
            if other.id != incident.id and other.service in needed and other.state is not IncidentState.WATCHED:
                found: IncidentRecord = other
                return found
        return None

    def began(self) -> None:
        """Count a recovery that automation begins."""
        self.brake.began()

    def ended(self, record: RecoveryOperationRecord) -> None:
        """Take note of the end of a recovery."""
        if record.finished_at is None or not record.steps:
            return
        name = record.target or record.service
        with self._lock:
            self._ended[name] = max(record.finished_at, self._ended.get(name, record.finished_at))
            for step in record.steps:
                if step["step"] == "act":
                    self._used[name, step["strategy"]] = record.finished_at

    # ------------------------------------------------------------------ what follows

    def chain(self, target: Target, failure_type: str) -> tuple[list[dict[str, Any]], Mapping[str, str]]:  # Any: JSON
        """Return what is tried for a failure, as the engine keeps it, and what is left out and why."""
        found = choose(target, failure_type, lambda kind: self._strategies.known_traits(target, kind))
        return [remedy_document(remedy) for remedy in found.chain], found.left_out

    def storm(self, target: Target) -> Engaged | None:
        """Look whether the storm brake has to engage; return it when it just has."""
        group = self._topology.group(target)
        failed = sum(self.conditions.get(name) in DOWN for name in group)
        return self.brake.look(target.group or target.name, group=len(group), failed=failed)

    def may_begin(self, target: Target, incident: IncidentRecord, first: Remedy) -> Decision:
        """Tell whether a recovery may begin, and what that rests on."""
        traits = self._strategies.traits(target, first)
        request = self._request(target, first["kind"], traits, automatic=True)
        state = self._state(target, first["kind"], incident, run=None)
        return Decision(decide(replace(request, beginning=True), state), asdict(state))

    def may_step(self, run: Mapping[str, Any], number: int, *, acting: bool) -> Verdict:  # Any: JSON values
        """Tell whether a recovery that runs may go on."""
        target, remedy = self.any_target(run["target"]), run["remedies"][number]
        automatic = run["incident"] is not None
        incident = self._keeper.find(INCIDENTS.name, run["incident"]) if automatic else None
        request = self._request(target, remedy["kind"], self._strategies.traits(target, remedy), automatic=automatic)
        state = self._state(target, remedy["kind"], incident, run=run["id"])
        if automatic and (incident is None or incident.state is IncidentState.ESCALATED):
            state = replace(state, stale="the incident is over")
        return decide(replace(request, acting=acting), state)

    @staticmethod
    def _request(target: Target, kind: str, traits: Traits, *, automatic: bool) -> ActionRequest:
        return ActionRequest(
            target=target.name, group=target.group, mode=target.mode, limits=target.limits, traits=traits, kind=kind,
            automatic=automatic,
        )  # fmt: skip

    def _state(self, target: Target, kind: str, incident: IncidentRecord | None, *, run: str | None) -> SafetyState:
        others = self._others(run)
        group = set(self._topology.group(target)) - {target.name}
        with self._lock:
            used_here = {used: at for (name, used), at in self._used.items() if name == target.name}
        failover = [at for used, at in used_here.items() if self._fails_over(used)]
        stopped, braked = self._switch.stopped(), self.brake.engaged()
        return SafetyState(
            stopped=None if stopped is None else f"by {stopped.by}: {stopped.reason}",
            braked=None if braked is None else braked.why,
            window=self.window(target),
            attempts=0 if incident is None else incident.attempts,
            since_recovery=self._age(self._ended.get(target.name)),
            since_failover=self._age(max(failover, default=None)),
            since_kind=self._age(used_here.get(kind)),
            running_here=any((record.target or record.service) == target.name for record in others),
            running=len(others),
            max_running=self.rules.max_running,
            running_kind=sum(_uses(record, kind) for record in others),
            group_size=len(group) + 1,
            group_busy=sum((record.target or record.service) in group for record in others),
            group_healthy=sum(self.conditions.get(name) not in DOWN for name in group),
            healthy_here=self.conditions.get(target.name) is Condition.HEALTHY,
        )

    def _others(self, run: str | None) -> list[RecoveryOperationRecord]:
        """Return the recoveries that another one has to mind: those that came before it, so that two never wait for
        each other; all of them for one that is about to begin.
        """
        records: list[RecoveryOperationRecord] = self._keeper.records(RECOVERIES.name)
        mine = next((record for record in records if record.id == run), None)
        if mine is None:
            return [record for record in records if record.id != run]
        return [record for record in records if (record.started_at, record.id) < (mine.started_at, mine.id)]

    def stopped(self) -> str | None:
        """Return why all automation is stopped, or None."""
        found = self._switch.stopped()
        return None if found is None else f"all automation is stopped by {found.by}: {found.reason}"

    @property
    def now(self) -> datetime:
        """The present moment in UTC."""
        return self._plane.now

    def window(self, target: Target) -> str | None:
        """Return the maintenance window or freeze that holds now, or None."""
        if self.rules.freeze:
            return "all repairs are frozen by the settings file"
        found = window_at((*self.rules.windows, *target.windows), self._plane.now)
        return None if found is None else f"a maintenance window holds{'' if not found.reason else ': ' + found.reason}"

    def _fails_over(self, kind: str) -> bool:
        return self._strategies.traits(Target(name="-", service="-"), {"kind": kind}).failover

    def _age(self, moment: datetime | None) -> float | None:
        return None if moment is None else max(0.0, (self._plane.now - moment).total_seconds())


def _uses(record: RecoveryOperationRecord, kind: str) -> bool:
    return bool(record.steps) and record.steps[-1]["strategy"] == kind
