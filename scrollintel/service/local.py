"""This very process as a replica of its own control plane, without a network between them."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict

from ..control.records import CIRCUIT_STATES
from ..core.event_buffer import EventBuffer
from ..core.manager import FaultToleranceManager
from ..replica.apply import LocalReplica, OpenCircuit
from ..replica.reading import read_change, read_desired
from .fleet import Change, Session
from .reports import Report
from .use_cases import UseCases

INSTANCE = "local"
"""Name of the process among its own replicas; the same after a restart, so that its circuits go on where they were."""


class LocalSession:
    """Feeds the registry of this process into the control plane whenever somebody looks, and applies what is ordered.

    Arguments:
        use_cases: The control plane, started.
        manager: Whose circuits, policies and levels these are.
        service: What this process is called.
    """

    def __init__(self, use_cases: UseCases, manager: FaultToleranceManager, *, service: str = "local") -> None:
        self._use_cases = use_cases
        self._replica = LocalReplica(manager)
        self._buffer: EventBuffer = manager.events.buffer()
        plane = use_cases.plane
        self._session: Session = plane.fleet.join(
            instance=INSTANCE,
            service=service,
            version="",
            pid=os.getpid(),
            host=socket.gethostname()[:200],
            actor="local",
        )
        self._session.local = True
        self._waits = True  # for circuits of the life before that are open and that nothing has used yet
        self._reported: set[tuple[str, str]] = set()

    def attach(self) -> None:
        """Apply what is wanted, restore circuits that were open, and follow changes from now on."""
        plane = self._use_cases.plane
        now = plane.now
        self._replica.restore_open(
            OpenCircuit(record.circuit, record.key or None, record.open_until.timestamp(), record.reason)
            for record in plane.records.values(CIRCUIT_STATES)
            if record.replica == INSTANCE
            and record.state == "open"
            and record.open_until is not None
            and record.open_until > now
        )
        self._apply_all()
        plane.fleet.on_local.append(self._apply)
        plane.fleet.on_anew.append(self._apply_all)
        plane.fleet.refresh.append(self.refresh)
        self._use_cases.loops.begin("report this process", 0.5, self._report)
        self.refresh()

    def _apply_all(self) -> None:
        """Apply everything that is wanted, also after the database was read anew."""
        self._replica.apply_desired(read_desired(self._use_cases.replicas.desired(self._session.service)))
        self._note_applied(self._use_cases.plane.fleet.sequence)

    def _apply(self, change: Change) -> None:
        service = change.get("for_service")
        if service not in (None, self._session.service):
            return
        read = read_change(dict(change))
        if read is not None:
            self._replica.apply(read)
            self._note_applied(int(change["sequence"]))

    def _note_applied(self, sequence: int) -> None:
        self._session.applied = sequence
        self._session.policies_applied = dict(self._replica.applied()["policies"])
        for refusal in self._replica.take_refused():
            self._session.refused.append(asdict(refusal))

    async def _report(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Bring the view of this process up to date."""
        figures = self._replica.figures
        report = Report(
            circuits=figures.circuits(),
            policies=figures.policies(),
            levels=figures.levels(),
            parts=figures.parts(),
            facts=[event.to_dict() for event in self._buffer.take()],
            dropped=self._buffer.dropped,
            durations=figures.durations(),
        )
        self._forget_what_is_reported(report)
        if report.circuits or report.policies or report.levels or report.parts or report.facts:
            self._use_cases.ingest.report(self._session, report)

    def _forget_what_is_reported(self, report: Report) -> None:
        """Keep of the life before only circuits that are open and have not been used since, as those are in no report.

        Once none is left of them there is nothing to look for any more.
        """
        if not self._waits:
            return
        self._reported.update((circuit.name, circuit.key or "") for circuit in report.circuits)
        waiting = {(circuit.name, circuit.key or "") for circuit in self._replica.open_circuits()} - self._reported
        self._use_cases.circuits.remembered.forget(INSTANCE, but=waiting)
        self._waits = bool(waiting)
