"""A circuit on a clock that stands still, for the scenes about circuits; and a counter with a planted race."""

from __future__ import annotations

from typing import Any

from scrollintel.core.call import Call
from scrollintel.core.config.breaker import CircuitBreakerConfig
from scrollintel.core.errors import RejectedError
from scrollintel.core.hub import EventHub
from scrollintel.core.machines.answers import Permit
from scrollintel.core.machines.breaker import BreakerMachine
from scrollintel.core.outcome import Verdict
from scrollintel.core.snapshot import CircuitSnapshot
from scrollintel.core.states import CircuitState
from scrollintel.core.strategies.breaker import Circuit
from scrollintel.core.strategies.meter import Counter
from tests.concurrency.exploring import NoLock, StillClock


class Stage:
    """A circuit that one failure opens and one probe closes unless told otherwise, and what its callers got."""

    def __init__(
        self,
        kind: type[Circuit] = Circuit,
        machine: type[BreakerMachine] = BreakerMachine,
        *,
        locked: bool = True,
        **settings: Any,  # Any: fields of a configuration
    ) -> None:
        self.clock = StillClock()
        config = self.config(**settings)
        clock: Any = self.clock  # all that a circuit uses of one
        self.circuit = kind(config, clock, EventHub())
        self.permits: list[Permit] = []
        self.refusals: list[RejectedError] = []
        self.notes: list[Any] = []
        self.request = Call("c", print, (), {}, self.clock.now)
        if machine is not BreakerMachine:
            self.circuit.machine = machine(config, self.clock.now)
        if not locked:
            self.circuit._lock = NoLock()  # type: ignore[assignment]

    @staticmethod
    def config(**settings: Any) -> CircuitBreakerConfig:  # Any: fields of a configuration
        """Return a configuration for the circuit, to be made before threads run."""
        return CircuitBreakerConfig("c", **{"failure_threshold": 1, "success_threshold": 1, **settings})

    def enter(self) -> Permit | None:
        """Ask for a permit as a driver does."""
        try:
            permit = self.circuit.enter(self.request)
        except RejectedError as error:
            self.refusals.append(error)
            return None
        self.permits.append(permit)
        return permit

    def settle(self, permit: Permit, verdict: Verdict, message: str = "", at: float | None = None) -> None:
        """Count one result."""
        error = ValueError(message) if verdict is Verdict.FAILURE else None
        self.circuit.settle(permit, verdict, self.clock.now if at is None else at, 0.25, error)

    def open(self) -> Stage:
        """Let failures open the circuit."""
        for number in range(self.circuit.config.failure_threshold):
            self.settle(self.circuit.machine.era, Verdict.FAILURE, f"opening failure {number}")
        assert self.circuit.machine.state is CircuitState.OPEN
        return self

    def wait(self, seconds: float | None = None) -> Stage:
        """Let time pass, by default to the end of the open period."""
        self.clock.now += self.circuit.config.recovery_timeout if seconds is None else seconds
        return self

    def history_is_a_chain(self) -> CircuitSnapshot:
        """Check that each change starts where the last one ended and that none is missing; return the snapshot."""
        machine = self.circuit.machine
        state, changes = machine.state, self.circuit.story.changes
        assert machine.era == len(changes), f"{len(changes)} changes are told, {machine.era} were made"
        assert not machine.transitions, "a change was not published"
        old = CircuitState.CLOSED
        for change in changes:
            assert change.old is old, f"{change} starts where the one before did not lead"
            old = change.new
        assert old is state, "the last change did not lead to the present state"
        return self.circuit.snapshot()


class AddsInSteps(Counter):
    """Adds one in three steps: read, add, write."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.step = self.add

    def add(self) -> int:
        """Add one."""
        number = self.number
        self.number = number + 1
        return number

    def read(self) -> int:
        """Return how often `add` was called."""
        return self.number
