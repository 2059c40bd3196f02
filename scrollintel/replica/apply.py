"""What the control plane wants, done in this process, and the open periods that a restart must not end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..core.config.degradation import DegradationLevel
from ..core.errors import ConfigError
from ..core.locks import CONFIGURING
from ..core.manager import FaultToleranceManager
from ..core.states import CircuitState
from ..core.strategies.breaker import Circuit
from .figures import Figures
from .protocol import (
    MAX_TEXT,
    Change,
    Desired,
    EndpointOrder,
    LevelOrder,
    Order,
    PolicyOrder,
)

RESTORED = "restored after a restart: "
ENDED = "the control plane no longer isolates it"
REMEMBERED = 3600.0
"""Seconds for which an open period that is over still lets its circuit begin with a probe after a restart."""
OpenKey = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a change was not applied."""

    sequence: int
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class OpenCircuit:
    """An open period that outlives its process; `until` in Unix time."""

    name: str
    key: str | None
    until: float
    reason: str
    openings: int = 1


class LocalReplica:
    """The replica side of one manager, without a network: the same for a remote and for an embedded control plane.

    One thread applies and reports; circuits may arrive from any thread.

    Arguments:
        manager: Whose policies, circuits and levels these are.
        on_change: Called when something was refused later than it was applied.

    Attributes:
        figures: How the process stands, for its reports.
    """

    def __init__(self, manager: FaultToleranceManager, on_change: Callable[[], object] | None = None) -> None:
        self.manager = manager
        self.registry = manager.registry
        self.figures = Figures(manager)
        self.policies: dict[str, PolicyOrder] = {}
        self.orders: dict[OpenKey, Order] = {}
        self.levels: dict[str, tuple[LevelOrder, float | None]] = {}
        self.endpoints: dict[str, EndpointOrder] = {}
        self._refused: list[Refusal] = []
        self._pending: dict[OpenKey, OpenCircuit] = {}
        self._open: dict[int, tuple[Circuit, int, OpenCircuit]] = {}
        self._on_change = on_change
        self.registry.on_arrived = self._arrived
        self.registry.overrides.on_refused = self._refused_later

    # ------------------------------------------------------------------ applying

    def apply_desired(self, desired: Desired) -> None:
        """Bring everything to what is wanted; what is no longer wanted is taken back. Never raises."""
        for name in set(self.policies) - set(desired.policies):
            self._try(0, self._remove_policy, name)
        for order in desired.policies.values():
            if self.policies.get(order.name) != order:
                self._try(0, self._put_policy, order)
        wanted = {(order.name, order.key): order for order in desired.orders}
        for key in set(self.orders) - set(wanted):
            self._try(0, self._end_order, key)
        for isolation in desired.orders:
            self._try(isolation.sequence, self._isolate, isolation)
        for service in set(self.levels) - set(desired.levels):
            self._try(0, self._restore, service, "the control plane no longer holds a level")
        for level in desired.levels.values():
            known = self.levels.get(level.service)
            if known is None or known[0].sequence != level.sequence or not level.sequence:
                self._try(level.sequence, self._hold, level)
        for name in set(self.endpoints) - set(desired.endpoints):
            self._try(0, self._release_endpoint, name, 0)
        for endpoint in desired.endpoints.values():
            if self.endpoints.get(endpoint.name) != endpoint:
                self._try(endpoint.sequence, self._point, endpoint, True)

    def apply(self, change: Change) -> None:
        """Do what one increment says; what cannot be done is kept for `take_refused`. Never raises."""
        if change.kind == "policy" and change.policy is not None:
            self._try(change.sequence, self._put_policy, change.policy)
        elif change.kind == "policy_removed":
            self._try(change.sequence, self._remove_policy, change.name)
        elif change.kind == "isolate":
            order = Order(change.name, change.key, change.reason, change.sequence)
            self._try(change.sequence, self._isolate, order)
        elif change.kind in ("close", "reset"):
            self._try(change.sequence, self._release, change.name, change.key, change.reason, change.kind == "reset")
        elif change.kind == "level" and change.level is not None:
            self._try(change.sequence, self._hold, change.level)
        elif change.kind == "restore":
            self._try(change.sequence, self._restore, change.name, change.reason)
        elif change.kind == "endpoint" and change.endpoint is not None:
            self._try(change.sequence, self._point, change.endpoint)
        elif change.kind == "endpoint_released":
            self._try(change.sequence, self._release_endpoint, change.name, change.sequence)

    def take_refused(self) -> list[Refusal]:
        """Return what could not be applied since the last time."""
        taken, self._refused = self._refused, []
        return taken

    def restore_open(self, circuits: Iterable[OpenCircuit]) -> None:
        """Go on with open periods of an earlier process, of circuits that exist and of those that come later."""
        with CONFIGURING:
            self._pending.update(((circuit.name, circuit.key), circuit) for circuit in circuits)
            for circuit in self.registry.all_circuits():
                self._reopen(circuit)

    def _try(self, sequence: int, action: Callable[..., object], *args: object) -> None:
        try:
            with CONFIGURING:
                action(*args)
        except ConfigError as error:
            self._refused.append(Refusal(sequence, "invalid", str(error)[:MAX_TEXT]))
        except Exception as error:  # whatever goes wrong here, the process goes on as it was
            self._refused.append(Refusal(sequence, "failed", type(error).__name__))
        del self._refused[:-100]

    def _put_policy(self, order: PolicyOrder) -> None:
        self.registry.override(order.name, order.policy)
        self.policies[order.name] = order

    def _remove_policy(self, name: str) -> None:
        self.policies.pop(name, None)
        self.registry.remove_override(name)

    def _refused_later(self, name: str, error: ConfigError) -> None:
        if self.policies.pop(name, None) is not None:
            self._refused.append(Refusal(0, "invalid", f"{name}: {error}"[:MAX_TEXT]))
            if self._on_change is not None:
                self._on_change()

    def _circuits(self, name: str, key: str | None) -> list[Circuit]:
        shared = [circuit for circuit in self.registry.circuits() if circuit.name == name]
        found = [*shared, *self.registry.keyed_circuits(name)]
        return found if key is None else [circuit for circuit in found if circuit.key == key]

    def _isolate(self, order: Order) -> None:
        self.orders[order.name, order.key] = order
        for circuit in self._circuits(order.name, order.key):
            circuit.isolate(order.reason)

    def _end_order(self, at: OpenKey) -> None:
        del self.orders[at]
        for circuit in self._circuits(*at):
            if circuit.state is CircuitState.ISOLATED:
                circuit.close(ENDED)

    def _release(self, name: str, key: str | None, reason: str, forget: bool) -> None:
        for at in [at for at in self.orders if at[0] == name and key in (None, at[1])]:
            del self.orders[at]
        for at in [at for at in self._pending if at[0] == name and key in (None, at[1])]:
            del self._pending[at]
        for circuit in self._circuits(name, key):
            if forget:
                circuit.reset(reason)
            else:
                circuit.close(reason)

    def _hold(self, order: LevelOrder) -> None:
        if order.expires_in is not None and order.expires_in <= 0.0:
            return
        degradation = self.manager.degradation
        if order.service not in degradation.services():
            degradation.register_service(order.service)
        level = DegradationLevel(order.level)
        degradation.set_level(order.service, level, order.reason, expires_after=order.expires_in)
        until = None if order.expires_in is None else time.time() + order.expires_in
        self.levels[order.service] = (order, until)

    def _restore(self, service: str, reason: str) -> None:
        self.levels.pop(service, None)
        degradation = self.manager.levels_in_use
        if degradation is not None and service in degradation.services():
            degradation.restore(service, reason)

    def _point(self, order: EndpointOrder, anew: bool = False) -> None:
        known = self.endpoints.get(order.name)
        if anew or known is None or order.sequence >= known.sequence:
            # What is wanted as a whole counts whatever its number: the control plane may have been restored.
            self.registry.endpoints.get(order.name).point(order.address, 0 if anew else order.sequence)
            self.endpoints[order.name] = order

    def _release_endpoint(self, name: str, sequence: int) -> None:
        known = self.endpoints.get(name)
        if known is not None and (sequence == 0 or sequence >= known.sequence):
            del self.endpoints[name]
            self.registry.endpoints.get(name).release()

    def _arrived(self, circuit: Circuit) -> None:
        if not self.orders and not self._pending:
            return
        with CONFIGURING:
            self._reopen(circuit)
            order = self.orders.get((circuit.name, circuit.key)) or self.orders.get((circuit.name, None))
            if order is not None:
                circuit.isolate(order.reason)

    def _reopen(self, circuit: Circuit) -> None:
        found = self._pending.pop((circuit.name, circuit.key), None)
        if found is not None:
            reason = RESTORED + found.reason.removeprefix(RESTORED)
            circuit.restore_open(found.until - time.time(), reason, found.openings)

    # ------------------------------------------------------------------ looking

    def open_circuits(self) -> list[OpenCircuit]:
        """Return the open periods that a restart must not end, those still waiting for their circuit included.

        A half-open circuit is open with no time left, so that it begins with a probe again.
        """
        oldest = time.time() - REMEMBERED
        with CONFIGURING:
            found = [item for item in self._pending.values() if item.until > oldest]
        present: dict[int, tuple[Circuit, int, OpenCircuit]] = {}
        for circuit in self.registry.all_circuits():
            machine = circuit.machine
            if machine.state is not CircuitState.OPEN and machine.state is not CircuitState.HALF_OPEN:
                continue
            known = self._open.get(id(circuit))
            if known is None or known[0] is not circuit or known[1] != machine.era:
                known = _opened(circuit)
            if known is not None:
                present[id(circuit)] = known
                found.append(known[2])
        self._open = present
        return found

    def applied(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return which revisions this process runs."""
        return {"policies": {name: order.revision for name, order in self.policies.items()}}


def _opened(circuit: Circuit) -> tuple[Circuit, int, OpenCircuit] | None:
    """Return the open period of a circuit with the era that it is read in, or None when it is over."""
    reading = circuit.report()
    if reading is None or reading.state not in (CircuitState.OPEN, CircuitState.HALF_OPEN):
        return None
    until = time.time() + (reading.retry_after or 0.0)
    mark = reading.mark
    return circuit, mark.era, OpenCircuit(circuit.name, circuit.key, until, reading.reason, mark.openings)
