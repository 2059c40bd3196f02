"""The recovery strategy that needs nothing from outside: let the circuits of a service try again, everywhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from ..core.clock import Clock
from ..core.states import CircuitState
from ..recovery.strategy import Observation, Plan
from .caller import SYSTEM
from .circuits import Circuits
from .plane import ControlPlane

T = TypeVar("T")
OnLoop = Callable[[Callable[[], list[str]]], list[str]]
REASON = "reset by the recovery of {service}"


class ResetCircuits:
    """Resets the circuits that refuse calls on replicas of a service, and sees that they admit calls again.

    An operator's isolation is left alone: somebody wanted it.

    Arguments:
        plane, circuits: The control plane and its use cases.
        service: The service.
        on_loop: Runs a function on the event loop and returns its result.
        clock: Source of time.
    """

    def __init__(self, plane: ControlPlane, circuits: Circuits, service: str, on_loop: OnLoop, clock: Clock) -> None:
        self._plane = plane
        self._circuits = circuits
        self._service = service
        self._on_loop = on_loop
        self._clock = clock

    @property
    def name(self) -> str:
        """Name in records."""
        return f"reset-circuits:{self._service}"

    def observe(self) -> Observation:
        """Look which circuits refuse calls."""
        refusing = self._on_loop(self._refusing)
        symptom = f"refuses calls to {', '.join(refusing)}" if refusing else "no circuit refuses calls"
        return Observation(
            service=self._service,
            healthy=not refusing,
            symptom=symptom,
            observed_at=self._now(),
            facts={"circuits": refusing},
        )

    def plan(self, observation: Observation) -> Plan | None:
        """Reset each of them; nothing when none refuses."""
        if observation.healthy:
            return None
        circuits = list(observation.facts["circuits"])
        return Plan(
            service=self._service,
            strategy=self.name,
            actions=tuple(f"reset the circuit {name} on every replica" for name in circuits),
            reason=observation.symptom,
            planned_at=self._now(),
            parameters={"circuits": circuits},
        )

    def act(self, plan: Plan) -> None:
        """Order the resets; each is on disk and in the audit log before its replicas hear of it."""
        for name in plan.parameters["circuits"]:
            reason = REASON.format(service=self._service)
            self._plane.writer.change_blocking(
                lambda tx, name=name, reason=reason: self._circuits.operate(  # type: ignore[misc]  # bound now
                    tx, SYSTEM, "reset", name, reason
                )
            )

    def verify(self, plan: Plan) -> bool:
        """Tell whether none of them refuses calls any more."""
        refusing = self._on_loop(self._refusing)
        return not set(refusing) & set(plan.parameters["circuits"])

    def undo(self, plan: Plan) -> None:
        """Do nothing: a circuit that still fails opens again by itself."""

    def _refusing(self) -> list[str]:
        fleet = self._plane.fleet
        fleet.bring_up_to_date()
        found = {
            circuit
            for session in fleet.sessions()
            if session.service == self._service and not fleet.is_stale(session)
            for circuit, keys in session.circuits.items()
            if any(held.report.state == CircuitState.OPEN for held in keys.values())
        }
        return sorted(found)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time(), UTC)
