"""Circuits as their replicas reported them before the control plane was started anew, until they report again."""

from __future__ import annotations

from collections.abc import Container

from ..control.circuit_view import ReplicaCircuit
from ..control.records import CIRCUIT_STATES, CircuitStateRecord
from ..core.states import CircuitState
from ..replica.protocol import CircuitReport
from ..storage.transaction import Transaction
from .plane import ControlPlane


class Remembered:
    """What is known of replicas that have not joined again. Everything on the event loop.

    Arguments:
        plane: The control plane.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._by_circuit: dict[str, list[CircuitStateRecord]] = {}
        self._by_service: dict[str, list[CircuitStateRecord]] | None = None  # made when it is asked for
        self._loaded_at: float | None = None

    def load(self) -> None:
        """Take over the records of the life before, once."""
        if self._loaded_at is not None or not self._plane.serving:
            return
        self._loaded_at = self._plane.clock.monotonic()
        self._by_service = None
        for record in self._plane.records.values(CIRCUIT_STATES):
            self._by_circuit.setdefault(record.circuit, []).append(record)

    def names(self) -> list[str]:
        """Return the names of the circuits."""
        return list(self._by_circuit)

    def services(self) -> list[str]:
        """Return the services of the replicas."""
        return list(self._indexed())

    def of_service(self, service: str) -> list[CircuitStateRecord]:
        """Return all circuits of a service as its silent replicas had them."""
        return self._indexed().get(service, [])

    def _indexed(self) -> dict[str, list[CircuitStateRecord]]:
        if self._by_service is None:
            self._by_service = {}
            for records in self._by_circuit.values():
                for record in records:
                    self._by_service.setdefault(record.service, []).append(record)
        return self._by_service

    def forget(self, instance: str, *, but: Container[tuple[str, str]] = ()) -> None:
        """Let go of what a replica reported that speaks for itself now.

        Arguments:
            instance: The replica.
            but: Names and keys of circuits of which it does not speak yet, because nothing has used them.
        """
        self._by_service = None
        for name, records in list(self._by_circuit.items()):
            kept = [r for r in records if r.replica != instance or (r.circuit, r.key) in but]
            if kept:
                self._by_circuit[name] = kept
            else:
                del self._by_circuit[name]

    def parts(self, name: str) -> list[ReplicaCircuit]:
        """Return a circuit as its silent replicas had it; an open one with the time that it has left."""
        return [self._part(record) for record in self._by_circuit.get(name, ())]

    def _part(self, record: CircuitStateRecord) -> ReplicaCircuit:
        age = max(0.0, (self._plane.now - record.reported_at).total_seconds())
        left = None
        if record.state == CircuitState.OPEN and record.open_until is not None:
            left = max(0.0, (record.open_until - record.reported_at).total_seconds())
        report = CircuitReport(
            name=record.circuit,
            key=record.key or None,
            state=record.state,
            reason=record.reason,
            since=record.since.timestamp(),
            retry_after=left,
            successes=record.successes,
            failures=record.failures,
            slow=0,
            rejections=0,
            timeouts=0,
            late=0,
            ignored=0,
            abandoned=0,
            consecutive_failures=record.consecutive_failures,
            openings=0,
            p50=None,
            p95=None,
            p99=None,
            mean=None,
            maximum=None,
            last_failure_type=record.last_failure_type,
            last_failure_at=None if record.last_failure_at is None else record.last_failure_at.timestamp(),
            probes_in_flight=0,
        )
        return ReplicaCircuit(record.replica, record.service, None, age, True, report)

    async def sweep(self) -> None:
        """Take over what was loaded, and let go of replicas that have not come back for too long."""
        self.load()
        if self._plane.serving:
            await self._plane.transitions.load()
        fleet = self._plane.fleet
        if self._loaded_at is None or not self._by_circuit:
            return
        if self._plane.clock.monotonic() - self._loaded_at < fleet.dropped_after:
            return
        gone = [record for records in self._by_circuit.values() for record in records]

        def decide(tx: Transaction) -> None:
            for record in gone:
                tx.delete(CIRCUIT_STATES, (record.circuit, record.key, record.replica))

        await self._plane.change(decide)
        self._by_circuit.clear()
        self._by_service = None
