"""Circuits, policies, levels and replicas as metrics: merged over the replicas of each service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from ...control.records import LEVEL_ORDERS, POLICIES, SERVICES
from ...core.states import CircuitState
from ...replica.protocol import PolicyReport
from ...security.access import ALL, Scope
from ...telemetry import families as f
from ...telemetry import platform_families as p
from ...telemetry.manager_metrics import ONE_HOT, RANK, Families, add_counts, add_policy_counts, add_policy_limits
from ..grown import Grown, Place

if TYPE_CHECKING:
    from ..use_cases import UseCases

Standing = tuple[bool, str, float]
"""Of one instance of a circuit: whether its replica has fallen silent, its state, and since when in Unix time."""
_NONE = (0,) * len(CircuitState)
_STATES = {state.value: state for state in CircuitState}
_PLACES = {state.value: (RANK[state], index) for index, state in enumerate(CircuitState)}
"""Of each state by its text: its rank, the worst first, and its place. Texts are quicker keys than members."""


def add_circuits(found: Families, use_cases: UseCases, scope: Scope, maximum: int) -> None:
    """Add the circuits of the services in `scope`, the first `maximum` of them one by one."""
    standings = _reported(use_cases, scope)
    wholes = [
        *((place, _whole(ones)) for place, ones in standings.items()),
        *_configured(use_cases, scope, standings),
    ]
    wholes.sort(key=lambda item: item[0])
    grown = use_cases.ingest.grown.circuits
    for place, (state, since, instances) in wholes[:maximum]:
        found.add(f.CIRCUIT_STATE, place, *ONE_HOT[state])
        found.add(f.CIRCUIT_INSTANCES, place, *instances)
        if since is not None:
            found.add(f.CIRCUIT_SINCE, place, round(since, 3))
        growth = grown.get(place)
        if growth is not None:
            times = (*growth.buckets, growth.seconds)
            add_counts(found, place, changes=growth.changes, tally=growth.tally, times=times)
    states = Counter(state for _, (state, _, _) in wholes)
    found.add(f.CIRCUITS, (), *(states[each] for each in CircuitState))
    found.add(f.OMITTED, ("circuits",), max(0, len(wholes) - maximum))


Whole = tuple[CircuitState, float | None, tuple[int, ...]]
"""Of a circuit: its state, since when, and how many instances are in each state."""


def _reported(use_cases: UseCases, scope: Scope) -> dict[Place, list[Standing]]:
    """Return the instances of every circuit, by its name and the service that reports it."""
    fleet, remembered = use_cases.plane.fleet, use_cases.circuits.remembered
    standings: dict[Place, list[Standing]] = {}
    for session in fleet.sessions():
        service = session.service
        if service in scope:
            stale = fleet.is_stale(session)
            for name, keys in session.circuits.items():
                here = standings.setdefault((name, service), [])
                for held in keys.values():
                    report = held.report
                    here.append((stale, report.state, report.since))
    for name in remembered.names():
        for part in remembered.parts(name):
            if part.service in scope:
                standing = (True, part.report.state, part.report.since)
                standings.setdefault((name, part.service), []).append(standing)
    return standings


def _whole(standings: list[Standing]) -> Whole:
    """Return the worst state of the instances that are not stale, or of all when all are, and since when it holds."""
    if len(standings) == 1:
        ((_, text, at),) = standings
        state = _STATES[text]
        return state, at, ONE_HOT[state]
    counts = [0] * len(CircuitState)
    worst, lowest, since = "", len(_PLACES), 0.0
    for _, text, at in [one for one in standings if not one[0]] or standings:
        rank, index = _PLACES[text]
        counts[index] += 1
        if rank < lowest:
            worst, lowest, since = text, rank, at
        elif rank == lowest and at > since:
            since = at
    return _STATES[worst], since, tuple(counts)


def _configured(use_cases: UseCases, scope: Scope, reported: Iterable[Place]) -> list[tuple[Place, Whole]]:
    """Return the circuits that are configured or held open here and that no replica reports."""
    plane = use_cases.plane
    known = {name for name, _ in reported}
    services: dict[str, str | None] = {}
    if scope is ALL:  # one that is only held open belongs to no service, so nobody else is shown it
        services.update((order.circuit, None) for order in plane.orders.all())
    for record in plane.records.values(POLICIES):
        if record.content.get("breaker") is not None:
            services[record.name] = record.service
    found: list[tuple[Place, Whole]] = []
    for name, service in services.items():
        if name not in known and (service is None or service in scope):
            whole = use_cases.circuits.whole(name)
            # Whoever may see only some services must not learn of a circuit that others report.
            if whole is not None and not whole.parts:
                found.append(((name, service or ""), (whole.state, None, _NONE)))
    return found


def add_policies(found: Families, use_cases: UseCases, scope: Scope, maximum: int) -> None:
    """Add the policies of the services in `scope`, the first `maximum` of them one by one."""
    fleet = use_cases.plane.fleet
    reports: dict[Place, list[PolicyReport]] = {}
    for session in fleet.sessions():
        if session.service in scope:
            for name, report in session.policies.items():
                reports.setdefault((name, session.service), []).append(report)
    grown: Grown = use_cases.ingest.grown
    for place in sorted(reports)[:maximum]:
        here = reports[place]
        counts = grown.policies.get(place)
        if counts is not None:
            add_policy_counts(found, place, counts)
        found.add(f.ABANDONED_THREADS, place, sum(report.abandoned_threads for report in here))
        add_policy_limits(found, place, here)
    found.add(f.OMITTED, ("policies",), max(0, len(reports) - maximum))


def add_services(found: Families, use_cases: UseCases, scope: Scope, maximum: int) -> None:
    """Add the levels of services and their replicas, of the first `maximum` services."""
    plane = use_cases.plane
    levels = {name: 0 for name in plane.records.table(SERVICES) if name in scope}
    replicas: dict[str, list[int]] = {}
    for session in plane.fleet.sessions():
        if session.service in scope:
            replicas.setdefault(session.service, [0, 0])[plane.fleet.is_stale(session)] += 1
            levels.setdefault(session.service, 0)
        for name, report in session.levels.items():
            if name in scope:
                levels[name] = max(levels.get(name, 0), report.level)
    for order in plane.records.values(LEVEL_ORDERS):
        if order.service in scope and not order.expired(plane.now):
            levels[order.service] = max(levels.get(order.service, 0), order.level)
    for name in islice(sorted(levels), maximum):
        found.add(f.DEGRADATION_LEVEL, (name,), levels[name])
        live, stale = replicas.get(name, (0, 0))
        found.add(p.REPLICAS, (name,), live, stale)
    found.add(f.OMITTED, ("services",), max(0, len(levels) - maximum))
