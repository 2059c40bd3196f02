"""Strategies that steer what the control plane steers: circuits, degradation levels, endpoints."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.config.base import Config, integer, name, number
from ..core.errors import PlanRefusedError
from ..recovery.strategy import Observation, Plan, Traits
from .base import TargetStrategy
from .kinds import StrategyContext, StrategyKind

REASON = "ordered by the recovery of {target}"


@dataclass(frozen=True, slots=True)
class CircuitOptions(Config):
    """What steering a circuit takes.

    Arguments:
        circuit: Name of the circuit; by default that of the target's service, which is how callers name it.
    """

    circuit: str | None = field(default=None, metadata=name(optional=True))


class _CircuitStrategy(TargetStrategy):
    def __init__(self, context: StrategyContext, options: CircuitOptions) -> None:
        super().__init__(context)
        self.circuit = options.circuit or context.target.service

    @property
    def reason(self) -> str:
        return REASON.format(target=self.target)


class ResetCircuit(_CircuitStrategy):
    """Resets the circuit in front of the target, once the target itself is healthy."""

    name = "reset-circuit"
    traits = Traits(acts_on_healthy=True)

    def plan(self, observation: Observation) -> Plan | None:
        """Reset it, also when the looks are good: callers may be kept away by an old failure.

        Raises:
            PlanRefusedError: when the target itself still fails.
        """
        if not observation.healthy:
            raise PlanRefusedError(f"the target itself fails: {observation.symptom}")
        return self.planned((f"reset the circuit {self.circuit} on every replica",), observation)

    def act(self, plan: Plan) -> None:
        """Order it."""
        self.context.orders.reset_circuit(self.circuit, self.reason)


class IsolateCircuit(_CircuitStrategy):
    """Holds the circuit in front of the target open, so that callers fail fast until a person ends that."""

    name = "isolate-circuit"
    traits = Traits(affects="group")

    def plan(self, observation: Observation) -> Plan | None:
        """Hold it open while the target fails."""
        if observation.healthy:
            return None
        return self.planned((f"hold the circuit {self.circuit} open on every replica",), observation)

    def act(self, plan: Plan) -> None:
        """Order it."""
        self.context.orders.isolate_circuit(self.circuit, self.reason)

    def undo(self, plan: Plan) -> None:
        """End it."""
        self.context.orders.release_circuit(self.circuit, self.reason)


@dataclass(frozen=True, slots=True)
class DegradeOptions(Config):
    """What degrading takes.

    Arguments:
        level: Degradation level, 1 (least) to 4; default 2.
        service: The service; by default that of the target.
    """

    level: int = field(default=2, metadata=integer(minimum=1, maximum=4))
    service: str | None = field(default=None, metadata=name(optional=True))


class Degrade(TargetStrategy):
    """Holds a service at a degradation level, and restores it when that does not help."""

    name = "degrade"
    traits = Traits(affects="group")

    def __init__(self, context: StrategyContext, options: DegradeOptions) -> None:
        super().__init__(context)
        self._level = options.level
        self._service = options.service or context.target.service

    def plan(self, observation: Observation) -> Plan | None:
        """Degrade while the target fails."""
        if observation.healthy:
            return None
        return self.planned((f"hold {self._service} at degradation level {self._level}",), observation)

    def act(self, plan: Plan) -> None:
        """Order it."""
        self.context.orders.degrade(self._service, self._level, REASON.format(target=self.target))

    def undo(self, plan: Plan) -> None:
        """Restore it."""
        self.context.orders.degrade(self._service, 0, REASON.format(target=self.target))


@dataclass(frozen=True, slots=True)
class DrainOptions(Config):
    """What draining takes.

    Arguments:
        seconds: How long calls that are under way may take to end; default 10.
        circuit: Name of the circuit; by default that of the target's service.
    """

    seconds: float = field(default=10.0, metadata=number(maximum=3600.0, unit="seconds"))
    circuit: str | None = field(default=None, metadata=name(optional=True))


class Drain(_CircuitStrategy):
    """Keeps new calls away from the target and gives those under way time to end."""

    name = "drain"
    traits = Traits(affects="group")

    def __init__(self, context: StrategyContext, options: DrainOptions) -> None:
        super().__init__(context, CircuitOptions(circuit=options.circuit))
        self._seconds = options.seconds

    def plan(self, observation: Observation) -> Plan | None:
        """Drain while the target fails."""
        if observation.healthy:
            return None
        actions = (f"hold the circuit {self.circuit} open", f"wait {self._seconds:g} s for calls under way")
        return self.planned(actions, observation)

    def act(self, plan: Plan) -> None:
        """Keep calls away, then wait."""
        self.context.orders.isolate_circuit(self.circuit, self.reason)
        self.context.clock.sleep(self._seconds)

    def undo(self, plan: Plan) -> None:
        """Let calls through again."""
        self.context.orders.release_circuit(self.circuit, self.reason)


KINDS = (
    StrategyKind(
        ResetCircuit.name, CircuitOptions, ResetCircuit.traits,
        "Resets the circuit in front of a target that is healthy itself.", ResetCircuit,
    ),
    StrategyKind(
        IsolateCircuit.name, CircuitOptions, IsolateCircuit.traits,
        "Holds the circuit in front of the target open.", IsolateCircuit,
    ),
    StrategyKind(Degrade.name, DegradeOptions, Degrade.traits, "Holds a service at a degradation level.", Degrade),
    StrategyKind(
        Drain.name, DrainOptions, Drain.traits, "Keeps new calls away and waits for those under way.", Drain
    ),
)  # fmt: skip
