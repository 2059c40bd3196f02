"""The metrics of one process: what a manager's circuits, policies and services have counted, read when asked for."""

from __future__ import annotations

import platform
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ..control.circuit_view import WORST_FIRST
from ..core.context import Criticality
from ..core.manager import FaultToleranceManager
from ..core.states import CircuitState
from ..core.strategies.breaker import Circuit
from ..core.strategies.readings import CircuitFigures
from . import families as f
from .exposition import Definition, Family, Number

if TYPE_CHECKING:
    from ..core.strategies.admission import AdmissionFigures
    from ..core.strategies.outliers import PoolFigures

ONE_HOT = {state: tuple(int(state is each) for each in CircuitState) for state in CircuitState}
"""The row of a circuit in a state: 1 for that state and 0 for the others."""
RANK = {state: rank for rank, state in enumerate(WORST_FIRST)}
"""States of a circuit, the worst one first."""


_POLICY_LIMITS: tuple[tuple[Definition, str, Callable[[list[float]], float]], ...] = (
    (f.BUDGET_TOKENS, "budget", min),
    (f.BUDGET_RESERVE, "reserve", max),
    (f.BULKHEAD_RUNNING, "running", sum),
    (f.BULKHEAD_WAITING, "waiting", sum),
    (f.BULKHEAD_LIMIT, "slots", sum),
    (f.RATE_PERMITS, "permits", sum),
    (f.RATE_CAPACITY, "capacity", sum),
    (f.ADAPTIVE_LIMIT, "limit", sum),
    (f.ADAPTIVE_RUNNING, "limit_running", sum),
    (f.ADAPTIVE_WAITING, "limit_waiting", sum),
    (f.THROTTLED, "throttled", max),
)
_POLICY_COUNTERS = (
    f.RETRIES, f.RETRIES_GIVEN_UP, f.HEDGES, f.FALLBACKS, f.LIMIT_REJECTIONS, f.ADAPTIVE_REJECTIONS,
    f.THROTTLE_REJECTIONS,
)  # fmt: skip


class Families:
    """Families by their definition, in the order in which they are written.

    Arguments:
        definitions: All that there may be.
    """

    def __init__(self, definitions: Iterable[Definition]) -> None:
        self._by_name = {definition.name: Family(definition) for definition in definitions}

    def add(self, definition: Definition, labels: tuple[str, ...], *numbers: Number) -> None:
        """Add a row to the family that has the name of the definition."""
        self._by_name[definition.name].rows.append((labels, numbers))

    def of(self, definition: Definition) -> Family:
        """Return the family that has the name of the definition."""
        return self._by_name[definition.name]

    def all(self) -> list[Family]:
        """Return all families."""
        return list(self._by_name.values())


METASTABLE = ("suspected", "shedding", "releasing")
"""Phases of a detector in which an overload seems to keep itself alive."""


def outcomes(tally: tuple[int, ...]) -> tuple[int, ...]:
    """Return a tally's counts in the order of `OUTCOMES`."""
    successes, failures, _, rejections, _, late, ignored, abandoned = tally
    return successes, failures, ignored, abandoned, late, rejections


def add_counts(
    found: Families, labels: tuple[str, ...], *, changes: int, tally: tuple[int, ...], times: tuple[Number, ...]
) -> None:
    """Add what one circuit has counted.

    Arguments:
        tally: Counts in the order of `ReportMark`.
        times: Response times in each bucket, and their sum.
    """
    found.add(f.CIRCUIT_CHANGES, labels, changes)
    found.add(f.CIRCUIT_ATTEMPTS, labels, *outcomes(tally))
    found.add(f.CIRCUIT_TIMEOUTS, labels, tally[4])
    found.add(f.CIRCUIT_SLOW, labels, tally[2])
    found.add(f.CIRCUIT_RESPONSES, labels, *times)


def add_policy_counts(found: Families, labels: tuple[str, ...], counts: tuple[int, ...]) -> None:
    """Add what one policy has counted: retries, calls given up, hedges, fallbacks, and refusals by its limits."""
    for definition, count in zip(_POLICY_COUNTERS, counts, strict=True):
        found.add(definition, labels, count)


def add_policy_limits(found: Families, labels: tuple[str, ...], replicas: Sequence[object]) -> None:
    """Add how full the limits of one policy are, together over the replicas that have them.

    Arguments:
        replicas: What each replica tells, with the fields that `_POLICY_LIMITS` names; None where it has no such limit.
    """
    for definition, field, together in _POLICY_LIMITS:
        values = [value for one in replicas if (value := getattr(one, field)) is not None]
        if values:
            found.add(definition, labels, together(values))


def add_build(found: Families) -> None:
    """Add the versions that run."""
    version = getattr(sys.modules.get("scrollintel"), "__version__", "")
    found.add(f.BUILD_INFO, (version, platform.python_version()), 1)


def of_manager(manager: FaultToleranceManager, *, max_circuits: int = f.MAX_CIRCUITS) -> list[Family]:
    """Return the families of a process.

    Arguments:
        manager: Whose circuits, policies and services are told of.
        max_circuits: Circuits, policies and services that are written one by one, of each so many at most.
    """
    found = Families(f.LIBRARY)
    _add_circuits(found, manager, max_circuits)
    _add_policies(found, manager, max_circuits)
    _add_levels(found, manager, max_circuits)
    _add_admissions(found, max_circuits)
    _add_pools(found, max_circuits)
    found.add(f.EVENT_LISTENERS, (), manager.events.listeners)
    found.add(f.DROPPED, ("events",), manager.events.dropped)
    add_build(found)
    return found.all()


def _add_circuits(found: Families, manager: FaultToleranceManager, maximum: int) -> None:
    by_name: dict[str, list[Circuit]] = {}
    for circuit in manager.registry.all_circuits():
        by_name.setdefault(circuit.name, []).append(circuit)
    retired = manager.registry.retired_figures()
    states: Counter[CircuitState] = Counter()
    for place, (name, circuits) in enumerate(by_name.items()):
        keyed = [circuit for circuit in circuits if circuit.key is not None]
        if place >= maximum:
            states[min((circuit.state for circuit in keyed or circuits), key=RANK.__getitem__)] += 1
            continue
        figures = [circuit.figures() for circuit in circuits]
        # The circuit without a key is there for other users of the name; the keys tell how a keyed one stands.
        standing = [one for one, circuit in zip(figures, circuits, strict=True) if circuit.key is not None] or figures
        decisive = min(standing, key=_worst_and_latest)
        states[decisive.state] += 1
        labels = (name,)
        found.add(f.CIRCUIT_STATE, labels, *ONE_HOT[decisive.state])
        if keyed:
            instances = Counter(one.state for one in standing)
            found.add(f.CIRCUIT_INSTANCES, labels, *(instances[state] for state in CircuitState))
        found.add(f.CIRCUIT_SINCE, labels, round(decisive.since, 3))
        total = figures[0] if len(figures) == 1 else _sum(figures)
        if name in retired:
            total = total.plus(retired[name])
        times = (*total.buckets, total.seconds)
        add_counts(found, labels, changes=total.changes, tally=total.tally, times=times)
    found.add(f.CIRCUITS, (), *(states[state] for state in CircuitState))
    found.add(f.OMITTED, ("circuits",), max(0, len(by_name) - maximum))


def _worst_and_latest(figures: CircuitFigures) -> tuple[int, float]:
    return RANK[figures.state], -figures.since


def _sum(figures: list[CircuitFigures]) -> CircuitFigures:
    total = figures[0]
    for one in figures[1:]:
        total = total.plus(one)
    return total


def _add_policies(found: Families, manager: FaultToleranceManager, maximum: int) -> None:
    figures = manager.figures()
    for one in figures[:maximum]:
        labels = (one.name,)
        counts = (
            one.retries, one.given_up, one.hedges, one.fallbacks, one.rejections, one.limit_rejections,
            one.throttle_rejections,
        )  # fmt: skip
        add_policy_counts(found, labels, counts)
        found.add(f.ABANDONED_THREADS, labels, one.abandoned_threads)
        add_policy_limits(found, labels, (one,))
    found.add(f.OMITTED, ("policies",), max(0, len(figures) - maximum))
    for pipeline in manager.registry.pipelines()[:maximum]:
        detector = pipeline.lane.parts.metastability
        labels = (pipeline.name,)
        shadows = pipeline.lane.parts.fallback.shadows
        if shadows is not None:
            views = shadows.snapshots()
            found.add(f.FALLBACKS_COLD, labels, sum(view.cold for view in views))
            ended = [(view.worked, view.failed, view.late) for view in views]
            found.add(f.FALLBACK_SHADOWS, labels, *map(sum, zip(*ended, strict=True)))
        if detector is not None:
            found.add(f.METASTABLE, labels, int(detector.phase in METASTABLE))
            found.add(f.METASTABLE_SHARE, labels, detector.share)
            found.add(f.METASTABLE_SHED, labels, detector.rejections)


def _add_levels(found: Families, manager: FaultToleranceManager, maximum: int) -> None:
    degradation = manager.levels_in_use
    standings = [] if degradation is None else degradation.standings()
    for standing in standings[:maximum]:
        found.add(f.DEGRADATION_LEVEL, (standing.service,), int(standing.level))
    found.add(f.OMITTED, ("services",), max(0, len(standings) - maximum))


def _add_admissions(found: Families, maximum: int) -> None:
    """Add the servers of this process; those of one name count together, with the strictest threshold."""
    if "scrollintel.core.strategies.admission" not in sys.modules:
        return  # nobody serves anything
    from ..core.strategies.admission import admissions

    by_name: dict[str, list[AdmissionFigures]] = {}
    for admission in admissions():
        by_name.setdefault(admission.config.name, []).append(admission.figures())
    for name, figures in list(by_name.items())[:maximum]:
        for criticality in Criticality:
            rank = criticality.rank
            served = sum(one.served[rank] for one in figures)
            shed = sum(one.shed[rank] for one in figures)
            found.add(f.ADMISSION_REQUESTS, (name, criticality.value), served, shed)
        labels = (name,)
        found.add(f.ADMISSION_EXPIRED, labels, sum(one.expired for one in figures))
        found.add(f.ADMISSION_THRESHOLD, labels, max(one.threshold for one in figures))
        found.add(f.ADMISSION_LIMIT, labels, sum(one.limit for one in figures))
        found.add(f.ADMISSION_RUNNING, labels, sum(one.running for one in figures))
        found.add(f.ADMISSION_WAITING, labels, sum(one.waiting for one in figures))


def _add_pools(found: Families, maximum: int) -> None:
    """Add the pools of hosts of this process; those of one name count together."""
    if "scrollintel.core.strategies.outliers" not in sys.modules:
        return  # nobody has a pool
    from ..core.strategies.outliers import pools

    by_name: dict[str, list[PoolFigures]] = {}
    for pool in pools():
        by_name.setdefault(pool.name, []).append(pool.figures())
    for name, figures in list(by_name.items())[:maximum]:
        labels = (name,)
        found.add(f.POOL_HOSTS, labels, sum(one.admitted for one in figures), sum(one.ejected for one in figures))
        found.add(f.POOL_EJECTIONS, labels, sum(one.ejections for one in figures))
        found.add(f.POOL_PANICS, labels, int(any(one.panics for one in figures)))
