"""What recovery strategies order of the control plane; each order is on disk before it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...control.records import CIRCUIT_ORDERS, LEVEL_ORDERS, CircuitOrder, LevelOrder
from ...core.config.degradation import DegradationLevel
from ...storage.transaction import Transaction
from ..caller import SYSTEM
from ..circuits import Circuits
from ..degradation import Degradation
from ..endpoints import Endpoints
from ..plane import ControlPlane

LOOK_TIMEOUT = 10.0
"""Seconds that an order waits for the event loop to tell who uses a circuit."""


class PlaneOrders:
    """Orders in the name of automation; from any thread but the event loop's.

    What a person holds, a circuit or a level, automation neither replaces nor lets go.

    Arguments:
        plane, circuits, degradation, endpoints: The control plane and its use cases.
        service: The one that is recovered.
        notify: Tells people.
    """

    def __init__(
        self,
        plane: ControlPlane,
        circuits: Circuits,
        degradation: Degradation,
        endpoints: Endpoints,
        service: str,
        notify: Callable[[str], None],
    ) -> None:
        self._plane = plane
        self._circuits = circuits
        self._degradation = degradation
        self._endpoints = endpoints
        self._service = service
        self._notify = notify

    def reset_circuit(self, circuit: str, reason: str) -> None:
        """Reset a circuit on every replica."""
        told_to = self._told_to(circuit)
        self._change(lambda tx: self._circuits.operate(tx, SYSTEM, "reset", circuit, reason, told_to=told_to))

    def isolate_circuit(self, circuit: str, reason: str) -> None:
        """Hold a circuit open on every replica."""
        self._operate("isolate", circuit, reason)

    def release_circuit(self, circuit: str, reason: str) -> None:
        """End the isolation of a circuit."""
        self._operate("close", circuit, reason)

    def degrade(self, service: str, level: int, reason: str) -> None:
        """Hold a service at a degradation level, 1 to 4; 0 restores it."""

        def decide(tx: Transaction) -> None:
            if _is_persons(tx.get(LEVEL_ORDERS, service)):
                return
            if level == 0:
                self._degradation.restore(tx, SYSTEM, service, reason, known=True)
            else:
                self._degradation.set_level(tx, SYSTEM, service, DegradationLevel(level), reason, None)

        self._change(decide)

    def point(self, endpoint: str, address: str, reason: str) -> None:
        """Have the callers of an endpoint use another address from now on."""
        self._change(lambda tx: self._endpoints.point(tx, SYSTEM, endpoint, address, reason, service=self._service))

    def address_of(self, endpoint: str) -> str | None:
        """Return the address that callers of an endpoint use now, or None."""
        return self._endpoints.address_of(endpoint)

    def notify(self, text: str) -> None:
        """Tell people."""
        self._notify(text)

    def _operate(self, verb: str, circuit: str, reason: str) -> None:
        told_to = self._told_to(circuit)

        def decide(tx: Transaction) -> None:
            if not _is_persons(tx.get(CIRCUIT_ORDERS, circuit)):
                self._circuits.operate(tx, SYSTEM, verb, circuit, reason, told_to=told_to)

        self._change(decide)

    def _told_to(self, circuit: str) -> Sequence[str | None]:
        try:
            return self._plane.ask_loop(lambda: self._circuits.told_to(circuit), LOOK_TIMEOUT)
        except ConnectionError:
            return (self._service,)

    def _change(self, decide: Callable[[Transaction], object]) -> None:
        self._plane.writer.change_blocking(decide)


def _is_persons(order: CircuitOrder | LevelOrder | None) -> bool:
    return order is not None and order.changed_by != SYSTEM.identity.id
