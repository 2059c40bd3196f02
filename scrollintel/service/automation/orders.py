"""What recovery strategies order of the control plane; each order is on disk before it returns."""

from __future__ import annotations

from collections.abc import Callable

from ...core.config.degradation import DegradationLevel
from ...storage.transaction import Transaction
from ..caller import SYSTEM
from ..circuits import Circuits
from ..degradation import Degradation
from ..endpoints import Endpoints
from ..plane import ControlPlane


class PlaneOrders:
    """Orders in the name of automation; from any thread but the event loop's.

    Arguments:
        plane, circuits, degradation, endpoints: The control plane and its use cases.
        notify: Tells people.
    """

    def __init__(
        self,
        plane: ControlPlane,
        circuits: Circuits,
        degradation: Degradation,
        endpoints: Endpoints,
        notify: Callable[[str], None],
    ) -> None:
        self._plane = plane
        self._circuits = circuits
        self._degradation = degradation
        self._endpoints = endpoints
        self._notify = notify

    def reset_circuit(self, circuit: str, reason: str) -> None:
        """Reset a circuit on every replica."""
        self._change(lambda tx: self._circuits.operate(tx, SYSTEM, "reset", circuit, reason))

    def isolate_circuit(self, circuit: str, reason: str) -> None:
        """Hold a circuit open on every replica."""
        self._change(lambda tx: self._circuits.operate(tx, SYSTEM, "isolate", circuit, reason))

    def release_circuit(self, circuit: str, reason: str) -> None:
        """End the isolation of a circuit."""
        self._change(lambda tx: self._circuits.operate(tx, SYSTEM, "close", circuit, reason))

    def degrade(self, service: str, level: int, reason: str) -> None:
        """Hold a service at a degradation level, 1 to 4; 0 restores it."""
        if level == 0:
            self._change(lambda tx: self._degradation.restore(tx, SYSTEM, service, reason, known=True))
        else:
            held = DegradationLevel(level)
            self._change(lambda tx: self._degradation.set_level(tx, SYSTEM, service, held, reason, None))

    def point(self, endpoint: str, address: str, reason: str) -> None:
        """Have the callers of an endpoint use another address from now on."""
        self._change(lambda tx: self._endpoints.point(tx, SYSTEM, endpoint, address, reason))

    def address_of(self, endpoint: str) -> str | None:
        """Return the address that callers of an endpoint use now, or None."""
        return self._endpoints.address_of(endpoint)

    def notify(self, text: str) -> None:
        """Tell people."""
        self._notify(text)

    def _change(self, decide: Callable[[Transaction], object]) -> None:
        self._plane.writer.change_blocking(decide)
