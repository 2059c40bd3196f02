"""Health of services and of the control plane itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..control.capacity_sentences import brief_of
from ..control.health import Evidence, Judgement, ServiceHealth, judge
from ..control.incidents import IncidentRecord
from ..control.records import RECOVERIES, SERVICES
from ..core.config.degradation import DegradationLevel
from ..core.states import CircuitState
from ..security.access import Permission
from ..security.errors import KeyUnavailableError
from ..storage.errors import StoreFullError
from ..storage.transaction import Transaction
from ..storage.writer import WriterState
from .caller import SYSTEM, Caller
from .errors import MissingError
from .recovery_times import RecoveryTimes

if TYPE_CHECKING:
    from .use_cases import UseCases

REFUSING = frozenset({CircuitState.OPEN, CircuitState.ISOLATED})


class Health:
    """The use cases around health; everything on the event loop."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases
        self._plane = use_cases.plane
        self._known: dict[str, ServiceHealth] = {}
        self.recovery_times = RecoveryTimes(use_cases.plane)

    def names(self, caller: Caller) -> list[str]:
        """Return all services that the caller may see: registered ones, and those whose replicas have joined.

        Replicas that joined before the control plane was started count until they are forgotten.
        """
        names = set(self._plane.records.table(SERVICES))
        names.update(session.service for session in self._plane.fleet.sessions())
        names.update(self._use_cases.circuits.remembered.services())
        return sorted(name for name in names if caller.sees(Permission.HEALTH_READ, name))

    def of_service(self, caller: Caller, name: str) -> Judgement:
        """Return how a service stands; raises MissingError when there is none that the caller may see."""
        if name not in self.names(caller):
            raise MissingError("service", name)
        return self.judge(name)

    def judge(self, name: str) -> Judgement:
        """Return how a service stands."""
        fleet = self._plane.fleet
        sessions = [session for session in fleet.sessions() if session.service == name]
        states: dict[str, CircuitState] = {}
        for session in sessions:
            for circuit, keys in session.circuits.items():
                for held in keys.values():
                    _worsen(states, circuit, held.report.state)
        before = self._use_cases.circuits.remembered.of_service(name)
        live = set(states)
        for record in before:
            if record.circuit not in live:
                _worsen(states, record.circuit, record.state)
        level = self._use_cases.degradation.level(name)
        return judge(
            Evidence(
                circuits=list(states.items()),
                level=DegradationLevel.NONE if level is None else level.level,
                replicas=len(sessions),
                stale=sum(fleet.is_stale(session) for session in sessions),
                remembered=len({record.replica for record in before} - {session.instance for session in sessions}),
                targets=self._use_cases.automation.conditions_of(name),
            )
        )

    def platform(self) -> dict[str, Any]:  # Any: JSON values
        """Return how the control plane itself stands."""
        use_cases, plane = self._use_cases, self._plane
        fleet, writer = plane.fleet, plane.writer
        sessions = fleet.sessions()
        errors = dict(use_cases.loops.last_errors)
        checkpoints = use_cases.checkpoints
        full = str(StoreFullError()) if plane.database.full else None
        found = (plane.distrust, full, checkpoints.broken, checkpoints.last_error)
        problems = [text for text in found if text is not None]
        ok = plane.serving and not errors and not problems
        return {
            "status": "healthy" if ok else "degraded",
            "version": __version__,
            "started_at": plane.started_at,
            "uptime": round((plane.now - plane.started_at).total_seconds(), 3),
            "storage": {
                "state": writer.state.value,
                "for": round(plane.clock.monotonic() - writer.since, 3),
                "dialect": plane.database.dialect,
                "leads": plane.database.is_leader,
                "waiting": writer.waiting,
                "commits": writer.commits,
                "changes": writer.changes,
                "problem": writer.last_error,
            },
            "problems": problems,
            "audit": {
                "records": plane.ledger.log.head.sequence,
                "log_id": plane.ledger.log.log_id,
                "intact": checkpoints.broken is None,
                "checkpoint": {
                    "records": checkpoints.signed_up_to,
                    "at": checkpoints.newest_at,
                    "problem": checkpoints.broken or checkpoints.last_error,
                },
            },
            "keys": self._keys(),
            "recoveries": len(plane.records.table(RECOVERIES)),
            "replicas": {
                "joined": len(sessions),
                "stale": sum(fleet.is_stale(session) for session in sessions),
                "facts_dropped": sum(session.dropped for session in sessions),
            },
            "access": "enforced" if use_cases.access.enforced else "off",
            "journal_waiting": use_cases.break_glass.waiting,
            "background_errors": errors,
            "stale": not plane.serving,
        }

    def _keys(self) -> dict[str, Any]:  # Any: JSON values
        """Return whether there are keys to seal with, and whether values are still under former ones; no key ids."""
        keys = self._plane.keys
        try:
            ready = bool(keys.ring.records()) and not keys.incomplete
        except KeyUnavailableError:
            ready = False
        return {"state": "ready" if ready else "missing", "rotating": ready and self._use_cases.key_rotation.pending}

    def summary(
        self, caller: Caller, circuits: Mapping[str, CircuitState] | None = None
    ) -> dict[str, Any]:  # Any: JSON values
        """Return everything on one screen.

        Arguments:
            caller: Who looks.
            circuits: The states of all circuits that the caller may see, if they are at hand.
        """
        use_cases, plane = self._use_cases, self._plane
        if circuits is None:
            plane.fleet.bring_up_to_date()
            circuits = {whole.name: whole.state for whole in use_cases.circuits.visible(caller)}
        states = Counter(state.value for state in circuits.values())
        services = {name: self.judge(name) for name in self.names(caller)}
        degraded = use_cases.degradation.degraded(caller)
        refusing = sorted(name for name, state in circuits.items() if state in REFUSING)
        recoveries = [
            {"id": record.id, "service": record.service, "status": record.status, "started_at": record.started_at}
            for record in plane.records.values(RECOVERIES)
            if caller.sees(Permission.RECOVERY_READ, record.service)
        ]
        incidents = use_cases.incidents.open_ones(caller)
        targets = Counter(view.condition.value for view in use_cases.automation.seen_by(caller))
        sessions = [s for s in plane.fleet.sessions() if caller.sees(Permission.REPLICAS_READ, s.service)]
        second, measured = int(plane.clock.time()), _seen(caller, Permission.METRICS_READ)
        calls, failures = use_cases.ingest.minute.calls(second, measured)
        capacity = use_cases.capacity.acting(measured)
        away = None if plane.serving else _away(plane.writer.state, plane.database.name)
        return {
            "sentence": away
            or _sentence(
                incidents=len(incidents),
                refusing=len(refusing),
                degraded=len(degraded),
                recovering=len(recoveries),
                acting=len(capacity),
                known=len(sessions) + targets.total(),
            ),
            "circuits": dict(states),
            "services": dict(Counter(judgement.status.value for judgement in services.values())),
            "refusing": refusing[:50],
            "degraded": [level.service for level in degraded[:50]],
            "capacity": [brief_of(part) for part in capacity[:50]],
            "targets": dict(targets),
            "incidents": [_brief(record) for record in incidents[:50]],
            "automation": use_cases.automation.standing,
            "recoveries": recoveries[:50],
            "calls_per_second": round(calls / 60.0, 3),
            "success_rate": None if not calls else round(1.0 - failures / calls, 6),
            "response_times": use_cases.ingest.minute.response_times(second, measured),
            "mean_time_to_recovery": self.recovery_times.mean(_seen(caller, Permission.RECOVERY_READ)),
            "error_budgets": use_cases.automation.budgets.seen_by(caller)[:50],
            "replicas": len(sessions),
            "stale_replicas": sum(plane.fleet.is_stale(session) for session in sessions),
            "storage": plane.writer.state.value,
            "access": "enforced" if use_cases.access.enforced else "off",
            "stale": not plane.serving,
        }

    async def note_changes(self) -> None:
        """Keep a row of history for each service whose status has changed."""
        now = {name: self.judge(name) for name in self.names(SYSTEM)}
        changed = {name: found for name, found in now.items() if self._known.get(name) is not found.status}
        if not changed or not self._plane.serving:
            return

        def decide(tx: Transaction) -> None:
            for name, found in changed.items():
                tx.append(
                    "health_checks",
                    at=tx.now,
                    service=name,
                    status=found.status.value,
                    detail="; ".join(found.reasons)[:1000],
                    latency=None,
                    source="control plane",
                )
                self._plane.tell(
                    tx, "service.health_changed", {"name": name, "status": found.status.value}, service=name
                )

        await self._plane.change(decide)
        self._known = {name: found.status for name, found in now.items()}


def _seen(caller: Caller, permission: Permission) -> Callable[[str], bool]:
    return lambda service: caller.sees(permission, service)


def _worsen(states: dict[str, CircuitState], circuit: str, reported: str) -> None:
    state = CircuitState(reported)
    if circuit not in states or _RANK[state] > _RANK[states[circuit]]:
        states[circuit] = state


_RANK = {
    CircuitState.DISABLED: 0,
    CircuitState.METRICS_ONLY: 1,
    CircuitState.CLOSED: 2,
    CircuitState.HALF_OPEN: 3,
    CircuitState.OPEN: 4,
    CircuitState.ISOLATED: 5,
}


def _away(state: WriterState, database: str) -> str:
    if state is WriterState.STANDBY:
        held = f"the database {database!r}" if database else "the database"
        return (
            f"This host stands by: another control plane holds {held} and serves; this one takes over when it lets go."
        )
    return "The database is away: everything shown is as of then, and changes wait."


def _brief(record: IncidentRecord) -> dict[str, Any]:  # Any: JSON values
    return {
        "id": record.id,
        "target": record.target,
        "failure_type": record.failure_type,
        "state": record.state.value,
        "severity": record.severity,
        "detail": record.detail,
    }


def _sentence(*, incidents: int, refusing: int, degraded: int, recovering: int, acting: int, known: int) -> str:
    if not any((incidents, refusing, degraded, recovering, acting)):
        return "Everything is in order." if known else "No application has joined yet."
    parts = []
    if incidents:
        parts.append(f"{incidents} incident{'s are' if incidents > 1 else ' is'} open")
    if refusing:
        parts.append(f"{refusing} circuit{'s' if refusing > 1 else ''} refuse{'' if refusing > 1 else 's'} calls")
    if degraded:
        parts.append(f"{degraded} service{'s are' if degraded > 1 else ' is'} degraded")
    if recovering:
        parts.append(f"{recovering} {'recoveries run' if recovering > 1 else 'recovery runs'}")
    if acting:
        parts.append(f"{acting} part{'s' if acting > 1 else ''} of the capacity need{'' if acting > 1 else 's'} a look")
    listed = [", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts
    return f"{' and '.join(listed)}.".capitalize()
