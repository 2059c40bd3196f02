"""What replicas report about the things they call: an open circuit, failing calls, answers that have become slow.

None of it proves anything about the thing that is called. Each is a reason to look at it at once. Together they tell
how fast the error budget of the thing burns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ...core.states import CircuitState
from ...recovery.burn import Bucket
from ...recovery.call_counts import CallCounts
from ...recovery.symptom import Depth, FailureType, Look
from ...recovery.topology import ObservedEdge, Topology
from ...replica.protocol import CircuitReport
from ..plane import ControlPlane

MIN_CALLS = 20
"""Calls between two reports from which their failures say something."""
ERROR_RATE = 0.5
"""Share of failed calls from which the thing that is called is looked at."""
SLOWDOWN = 4.0
"""Times the usual 95th percentile from which answers count as slow."""
SLOW_FROM = 0.1
"""Seconds below which nothing counts as slow."""
MEMORY = 0.02
"""Weight of a new report in the usual 95th percentile: about the last 50 of them count."""
OPEN = frozenset({CircuitState.OPEN.value})


@dataclass(slots=True)
class _Usual:
    successes: int = 0
    failures: int = 0
    p95: float | None = None


class PassiveSignals:
    """Turns reports about a circuit into looks at the target that is named like the circuit. On the event loop.

    Arguments:
        names: The targets by the name that callers give their circuits: the service's, or the group's.
        report: Takes looks; never blocks.
        now: The monotonic clock.
    """

    def __init__(
        self,
        names: Callable[[], Mapping[str, Iterable[str]]],
        report: Callable[[Look], object],
        now: Callable[[], float],
    ) -> None:
        self._names = names
        self._report = report
        self._now = now
        self._usual: dict[tuple[str, str, str], _Usual] = {}
        self._counts: dict[str, CallCounts] = {}  # by the name of the circuit

    def take(self, instance: str, circuit: CircuitReport) -> None:
        """Take what one replica reports about one circuit."""
        targets = self._names().get(circuit.name)
        if not targets:
            return
        place = (instance, circuit.name, circuit.key or "")
        usual = self._usual.get(place)
        if usual is None:
            usual = self._usual[place] = _Usual()
        else:  # what a process counted before its first report is of no known age
            self._count(usual, circuit)
        found = self._found(usual, circuit)
        usual.successes, usual.failures = circuit.successes, circuit.failures
        if found is None:
            return
        failure_type, detail = found
        for target in targets:
            self._report(
                Look(
                    target=target,
                    check="circuit",
                    depth=Depth.READY,
                    good=False,
                    failure_type=failure_type,
                    detail=f"{instance}: {detail}",
                    at=self._now(),
                )
            )

    @staticmethod
    def _found(usual: _Usual, circuit: CircuitReport) -> tuple[str, str] | None:
        if circuit.state in OPEN:
            return FailureType.CIRCUIT_OPEN, f"the circuit is open: {circuit.reason}"
        succeeded, failed = circuit.successes - usual.successes, circuit.failures - usual.failures
        calls = succeeded + failed
        if failed > 0 and succeeded >= 0 and calls >= MIN_CALLS and failed / calls >= ERROR_RATE:
            return FailureType.ERROR_RATE, f"{failed} of {calls} calls failed"
        if circuit.p95 is None:
            return None
        before, usual.p95 = usual.p95, circuit.p95 if usual.p95 is None else _mixed(usual.p95, circuit.p95)
        if before is not None and circuit.p95 >= SLOW_FROM and circuit.p95 > SLOWDOWN * before:
            return (
                FailureType.SLOW,
                f"the 95th percentile is {circuit.p95:.3f} s, {circuit.p95 / before:.0f} times the usual",
            )
        return None

    def _count(self, usual: _Usual, circuit: CircuitReport) -> None:
        succeeded, failed = circuit.successes - usual.successes, circuit.failures - usual.failures
        if succeeded >= 0 and failed >= 0 and succeeded + failed:
            counts = self._counts.setdefault(circuit.name, CallCounts())
            counts.add(self._now(), succeeded + failed, failed)

    def calls(self, names: Iterable[str]) -> list[Bucket]:
        """Return the calls to the things of these names, of the last three days."""
        now = self._now()
        found = [self._counts[name] for name in names if name in self._counts]
        return [bucket for counts in found for bucket in counts.buckets(now)]

    def forget(self, instance: str) -> None:
        """Forget a replica that has gone; the calls that it has counted stay."""
        for place in [place for place in self._usual if place[0] == instance]:
            del self._usual[place]


def _mixed(usual: float, new: float) -> float:
    return usual + MEMORY * (new - usual)


def observed_edges(plane: ControlPlane, topology: Topology) -> list[ObservedEdge]:
    """Return who calls whom among the targets' services, as replicas report their circuits."""
    now, services = plane.clock.monotonic(), {target.service for target in topology.targets.values()}
    return [
        ObservedEdge(session.service, circuit, now)
        for session in plane.fleet.sessions()
        for circuit in session.circuits
        if circuit in services and circuit != session.service
    ]
