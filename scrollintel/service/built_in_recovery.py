"""The recovery strategies that need nothing from outside: what the control plane itself can steer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from ..control.records import LEVEL_ORDERS
from ..core.errors import PlanRefusedError
from ..core.states import CircuitState
from ..recovery.strategy import Observation, Plan
from ..security.access import Permission
from .caller import SYSTEM, Caller
from .circuits import Circuits
from .degradation import Degradation
from .errors import RequestError
from .plane import ControlPlane

T = TypeVar("T")


class OnLoop(Protocol):
    """Runs a function on the event loop and returns its result, from a thread that may block."""

    def __call__(self, look: Callable[[], T]) -> T:
        """Return what `look` returns."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a built-in strategy is made for.

    Arguments:
        plane, circuits, degradation: The control plane and its use cases.
        caller: Who asked for the recovery; nothing is touched that they may not touch by themselves.
        service: The service.
        on_loop: Runs a function on the event loop.
    """

    plane: ControlPlane
    circuits: Circuits
    degradation: Degradation
    caller: Caller
    service: str
    on_loop: OnLoop

    @property
    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.fromtimestamp(self.plane.clock.time(), UTC)

    @property
    def reason(self) -> str:
        """What the audit log is told of each order."""
        return f"ordered by the recovery of {self.service}, which {self.caller.identity.id} asked for"[:1000]


class ResetCircuits:
    """Resets the circuits that refuse calls on replicas of a service, and sees that they admit calls again.

    An operator's isolation is left alone: somebody wanted it. So is a circuit that other services use as well, unless
    who asked may steer it there too.
    """

    name = "reset-circuits"
    description = "resets the circuits that refuse calls, on every replica; those that are isolated stay so"
    permission = Permission.CIRCUITS_OPERATE

    def __init__(self, errand: Errand) -> None:
        self._errand = errand

    def observe(self) -> Observation:
        """Look which circuits refuse calls."""
        refusing = self._errand.on_loop(self._refusing)
        symptom = f"refuses calls to {', '.join(refusing)}" if refusing else "no circuit refuses calls"
        return Observation(
            service=self._errand.service,
            healthy=not refusing,
            symptom=symptom,
            observed_at=self._errand.now,
            facts={"circuits": refusing},
        )

    def plan(self, observation: Observation) -> Plan | None:
        """Reset each of them; nothing when none refuses.

        Raises:
            PlanRefusedError: when who asked may steer none of them.
        """
        if observation.healthy:
            return None
        allowed = self._errand.on_loop(lambda: [name for name in observation.facts["circuits"] if self._may(name)])
        if not allowed:
            raise PlanRefusedError("other services use these circuits, and who asked may not steer them there")
        return Plan(
            service=self._errand.service,
            strategy=self.name,
            actions=tuple(f"reset the circuit {name} on every replica" for name in allowed),
            reason=observation.symptom,
            planned_at=self._errand.now,
            parameters={"circuits": allowed},
        )

    def act(self, plan: Plan) -> None:
        """Order the resets; each is on disk and in the audit log before its replicas hear of it."""
        errand = self._errand
        names = plan.parameters["circuits"]
        readers = errand.on_loop(lambda: {name: errand.circuits.told_to(name) for name in names})
        for name in names:
            errand.plane.writer.change_blocking(
                lambda tx, name=name: errand.circuits.operate(  # type: ignore[misc]  # bound now
                    tx, SYSTEM, "reset", name, errand.reason, told_to=readers[name]
                )
            )

    def verify(self, plan: Plan) -> bool:
        """Tell whether none of them refuses calls any more."""
        return not set(self._errand.on_loop(self._refusing)) & set(plan.parameters["circuits"])

    def undo(self, plan: Plan) -> None:
        """Do nothing: a circuit that still fails opens again by itself."""

    def _may(self, circuit: str) -> bool:
        try:
            self._errand.circuits.may_operate(self._errand.caller, circuit)
        except RequestError:
            return False
        return True

    def _refusing(self) -> list[str]:
        fleet = self._errand.plane.fleet
        fleet.bring_up_to_date()
        found = {
            circuit
            for session in fleet.sessions()
            if session.service == self._errand.service and not fleet.is_stale(session)
            for circuit, keys in session.circuits.items()
            if any(held.report.state == CircuitState.OPEN for held in keys.values())
        }
        return sorted(found)


class RestoreLevel:
    """Ends the degradation level that an operator holds for a service, and sees that no replica is held there any more.

    A level that replicas have come to by themselves is theirs to leave. Since somebody wanted the level that is held,
    this is done only for who names it.
    """

    name = "restore-level"
    description = "ends the degradation level that an operator holds; only when it is named"
    permission = Permission.DEGRADATION_SET

    def __init__(self, errand: Errand) -> None:
        self._errand = errand

    def observe(self) -> Observation:
        """Look whether a level is held."""
        level = self._errand.on_loop(lambda: self._errand.degradation.level(self._errand.service))
        order = None if level is None else level.order
        if level is None:
            symptom = "is not degraded"
        elif order is None:
            symptom = f"is degraded to {level.level.name.lower()} by its own health, which nobody holds"
        else:
            symptom = f"is held at {level.level.name.lower()}: {order.reason}"
        return Observation(
            service=self._errand.service,
            healthy=level is None,
            symptom=symptom,
            observed_at=self._errand.now,
            facts={"held": order is not None},
        )

    def plan(self, observation: Observation) -> Plan | None:
        """End the level that is held; nothing when none is."""
        if not observation.facts["held"]:
            return None
        return Plan(
            service=self._errand.service,
            strategy=self.name,
            actions=("end the level that is held, on every replica",),
            reason=observation.symptom,
            planned_at=self._errand.now,
        )

    def act(self, plan: Plan) -> None:
        """Order the end; it is on disk and in the audit log before its replicas hear of it."""
        errand = self._errand
        errand.plane.writer.change_blocking(
            lambda tx: errand.degradation.restore(tx, SYSTEM, errand.service, errand.reason, known=True)
        )

    def verify(self, plan: Plan) -> bool:
        """Tell whether no level is held, and no replica of the service is still at one that was ordered."""
        return self._errand.on_loop(self._is_free)

    def undo(self, plan: Plan) -> None:
        """Do nothing: the replicas judge their health by themselves again."""

    def _is_free(self) -> bool:
        plane, service = self._errand.plane, self._errand.service
        plane.fleet.bring_up_to_date()
        reports = [
            session.levels.get(service) for session in plane.fleet.sessions() if not plane.fleet.is_stale(session)
        ]
        held = any(report is not None and report.level and not report.automatic for report in reports)
        return plane.records.get(LEVEL_ORDERS, service) is None and not held


BuiltIn = type[ResetCircuits] | type[RestoreLevel]
BUILT_IN: tuple[BuiltIn, ...] = (ResetCircuits, RestoreLevel)
"""All of them; the first is what a service without strategies of its own is recovered by."""
