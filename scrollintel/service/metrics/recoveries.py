"""Targets, incidents and recoveries as metrics, and what is counted of them since the start."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from ...control.incidents import APPROVALS, INCIDENTS, ApprovalRecord, IncidentRecord
from ...control.records import RECOVERIES, RecoveryOperationRecord
from ...security.access import Scope
from ...telemetry import families as f
from ...telemetry import platform_families as p
from ...telemetry.manager_metrics import Families
from ..facts import Fact

if TYPE_CHECKING:
    from ..use_cases import UseCases

MAX_SERVICES = 5_000
"""Services of which incidents and recoveries are counted; those of further ones are not."""


class Durations:
    """How often something took how long.

    Attributes:
        buckets: How many ended within each bound, those beyond last.
        seconds: Sum of all.
    """

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(p.RECOVERY_BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.buckets[bisect_left(p.RECOVERY_BOUNDS, seconds)] += 1
        self.seconds += seconds


class RecoveryCounts:
    """Incidents and recoveries since the control plane was started. Everything happens on the event loop.

    Attributes:
        incidents: Incidents that were opened, by service and severity.
        outcomes: Recoveries that have ended, by service and outcome.
        phases: How long each phase took, by service and phase.
        whole: How long it took from detection to proven health, by service.
    """

    def __init__(self) -> None:
        self.incidents: dict[str, Counter[str]] = {}
        self.outcomes: dict[str, Counter[str]] = {}
        self.phases: dict[tuple[str, str], Durations] = {}
        self.whole: dict[str, Durations] = {}

    def hear(self, fact: Fact) -> None:
        """Count an event of the control plane itself; what a replica calls by the same name is none."""
        if fact.service is None or "replica" in fact.data:
            return
        if fact.event == "incident.opened":
            self._count(self.incidents, fact.service, str(fact.data.get("severity")))
        elif fact.event == "recovery.finished":
            outcome = fact.data.get("outcome")
            self._count(self.outcomes, fact.service, outcome if outcome in p.OUTCOMES else "failed")

    @staticmethod
    def _count(counts: dict[str, Counter[str]], service: str, what: str) -> None:
        if service in counts or len(counts) < MAX_SERVICES:
            counts.setdefault(service, Counter())[what] += 1

    def ended(self, record: RecoveryOperationRecord, incident: IncidentRecord | None) -> None:
        """Take the times of a recovery that is over, and of the incident that it is about."""
        service = record.service
        if service not in self.whole and len(self.whole) >= MAX_SERVICES:
            return
        detected = record.detected_at or (None if incident is None else incident.detected_at)
        declared = None if incident is None else incident.declared_at
        moments = (detected, declared, record.initiated_at, record.acted_at, record.validated_at)
        for phase, begin, end in zip(p.PHASES, moments, moments[1:], strict=False):
            seconds = _between(begin, end)
            if seconds is not None:
                self.phases.setdefault((service, phase), Durations()).add(seconds)
        seconds = _between(detected, record.validated_at)
        if seconds is not None:
            self.whole.setdefault(service, Durations()).add(seconds)


def _between(begin: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds of a phase; None for one that was not, such as a second detection after a relapse."""
    if begin is None or end is None or end < begin:
        return None
    return (end - begin).total_seconds()


def add_targets(found: Families, use_cases: UseCases, scope: Scope, maximum: int) -> None:
    """Add the watched targets of the services in `scope`, the first `maximum` of them one by one."""
    views = [view for view in use_cases.automation.views() if view.target.service in scope]
    for view in sorted(views, key=lambda view: view.target.name)[:maximum]:
        name, service = view.target.name, view.target.service
        found.add(p.TARGET_CONDITION, (name, service), *(view.condition.value == each for each in p.CONDITIONS))
        for look in view.looks:
            place = (name, service, look.check)
            found.add(p.CHECK_GOOD, place, look.good)
            if look.latency is not None:
                found.add(p.CHECK_DURATION, place, look.latency)
    conditions = Counter(view.condition.value for view in views)
    found.add(p.TARGETS, (), *(conditions[each] for each in p.CONDITIONS))
    found.add(f.OMITTED, ("targets",), max(0, len(views) - maximum))


def add_recoveries(found: Families, use_cases: UseCases, scope: Scope, counts: RecoveryCounts, maximum: int) -> None:
    """Add incidents and recoveries of the services in `scope`, of the first `maximum` services."""
    automation = use_cases.automation
    incidents: list[IncidentRecord] = automation.keeper.records(INCIDENTS.name)
    states = Counter((str(one.severity), one.state.value) for one in incidents if one.service in scope)
    for severity in p.SEVERITIES:
        found.add(p.INCIDENTS_OPEN, (severity,), *(states[severity, state] for state in p.INCIDENT_STATES))
    recoveries: list[RecoveryOperationRecord] = automation.keeper.records(RECOVERIES.name)
    running = Counter(one.service for one in recoveries)
    services = {target.service for target in automation.config.targets}
    services.update(running, counts.incidents, counts.outcomes)
    seen = sorted(service for service in services if service in scope)
    nothing: Counter[str] = Counter()
    for service in seen[:maximum]:
        opened, ended = counts.incidents.get(service, nothing), counts.outcomes.get(service, nothing)
        found.add(p.INCIDENTS, (service,), *(opened[severity] for severity in p.SEVERITIES))
        found.add(p.RECOVERIES, (service,), *(ended[outcome] for outcome in p.OUTCOMES))
        found.add(p.RECOVERIES_RUNNING, (service,), running[service])
        for phase in p.PHASES:
            took = counts.phases.get((service, phase))
            if took is not None:
                found.add(p.RECOVERY_PHASE, (service, phase), *took.buckets, took.seconds)
        whole = counts.whole.get(service)
        if whole is not None:
            found.add(p.TIME_TO_RECOVER, (service,), *whole.buckets, whole.seconds)
    questions: list[ApprovalRecord] = automation.keeper.records(APPROVALS.name)
    found.add(p.APPROVALS_WAITING, (), sum(one.service in scope for one in questions))
    found.add(p.STOP_SWITCH, (), automation.switch.stopped() is not None)
    found.add(p.STORM_BRAKE, (), automation.brake.engaged() is not None)
