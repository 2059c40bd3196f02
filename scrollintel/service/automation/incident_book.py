"""Incidents as the desk reads and writes them: every reason is written once, every moment is in UTC."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from ...control.incidents import CANCELLED_BY_A_PERSON, INCIDENTS, IncidentRecord, IncidentState
from ...control.records import RECOVERIES, RecoveryOperationRecord
from ...control.recovery_notes import Note
from ...core.clock import Clock
from ...recovery.symptom import ConditionChange
from ...recovery.target import Target
from ...storage.engine import Database
from ...storage.errors import StoreUnavailableError
from ...storage.incident_history import IncidentFilter, incidents
from . import incident_notes
from .next_step import Remedies
from .record_keeper import RecordKeeper

RECENT = 1000
"""Incidents of the life before that are looked through for those that a person has cancelled."""


class IncidentBook:
    """Used in the thread of the desk; raises StoreUnavailableError where neither database nor journal takes a note.

    Arguments:
        keeper: Where notes go.
        database: Knows the incidents that are over.
        clock: Source of time.
    """

    def __init__(self, keeper: RecordKeeper, database: Database, clock: Clock) -> None:
        self._keeper = keeper
        self._database = database
        self._clock = clock
        self._told: dict[str, str] = {}  # incident → why nothing was done when it was written last

    def find(self, name: str) -> IncidentRecord | None:
        """Return an incident as it stands, or None."""
        found: IncidentRecord | None = self._keeper.find(INCIDENTS.name, name)
        return found

    def again(self, incident: IncidentRecord) -> IncidentRecord:
        """Return an incident as it stands now."""
        return self.find(incident.id) or incident

    def of_target(self, target: str) -> IncidentRecord | None:
        """Return the incident of a target that is not over, or None."""
        return next((incident for incident in self.all() if incident.target == target), None)

    def all(self, *states: IncidentState) -> list[IncidentRecord]:
        """Return the incidents that are not over; only those in these states, where some are named."""
        records: list[IncidentRecord] = self._keeper.records(INCIDENTS.name)
        return [record for record in records if not states or record.state in states]

    def given_up(self) -> set[str]:
        """Return the targets whose last incident a person has cancelled; none while the database is away."""
        newest: dict[str, IncidentRecord] = {}
        with suppress(StoreUnavailableError):
            for incident in incidents(self._database, IncidentFilter(), RECENT):
                newest.setdefault(incident.target, incident)
        return {
            target
            for target, incident in newest.items()
            if incident.state is IncidentState.CANCELLED and incident.detail.startswith(CANCELLED_BY_A_PERSON)
        }

    def recoveries(self) -> list[RecoveryOperationRecord]:
        """Return the recoveries that are not over."""
        records: list[RecoveryOperationRecord] = self._keeper.records(RECOVERIES.name)
        return records

    def declare(
        self,
        target: Target,
        change: ConditionChange,
        impact: Mapping[str, Any],  # Any: JSON values
        detail: str,
    ) -> IncidentRecord:
        """Write that a target has failed, and return the incident."""
        incident = IncidentRecord(
            id=f"inc_{secrets.token_hex(8)}",
            target=target.name,
            service=target.service,
            group=target.group,
            failure_type=change.failure_type or "unknown",
            state=IncidentState.OPEN,
            severity=impact["severity"],
            root=None,
            attempts=0,
            relapses=0,
            recovery=None,
            detected_at=self.moment(change.first_at),
            declared_at=self.moment(change.at),
            impact=impact,
            detail=detail,
        )
        self.save(incident_notes.opened(incident, detail, {} if change.look is None else dict(change.look.facts)))
        return incident

    def begin(
        self,
        incident: IncidentRecord,
        target: Target,
        chain: Remedies,
        detail: str,
        decision: Mapping[str, Any],  # Any: JSON values
    ) -> RecoveryOperationRecord:
        """Write that a recovery of an incident's target begins, what it tries and what that rests on; return it."""
        record = RecoveryOperationRecord(
            id=f"rec_{secrets.token_hex(8)}",
            service=target.service,
            failure_type=incident.failure_type,
            status="pending",
            outcome=None,
            strategy=None,
            requested_by="system",
            reason=incident.detail or None,
            started_at=self.now(),
            finished_at=None,
            duration=None,
            incident=incident.id,
            target=target.name,
            remedies=tuple(chain),
            detected_at=incident.detected_at,
        )
        self.save(incident_notes.started(incident, record, detail, decision))
        return record

    def save(self, note: Note) -> None:
        """Write a note."""
        self._keeper.save(note)

    def stay(
        self,
        incident: IncidentRecord,
        state: IncidentState,
        detail: str,
        *,
        root: str | None = None,
        audited: bool = False,
        data: Mapping[str, Any] | None = None,  # Any: JSON values
    ) -> None:
        """Write that nothing is done now, why, and what that rests on; once for each guard, or for each sentence."""
        reason = str((data or {}).get("guard") or detail)
        if incident.state is state and self._told.get(incident.id) == reason:
            return
        note = incident_notes.moved(
            incident, state, self.now(), detail, changes={"root": root}, data=data, audited=audited
        )
        self.save(note)
        self._told[incident.id] = reason

    def end(
        self,
        incident: IncidentRecord,
        state: IncidentState,
        at: datetime,
        detail: str,
        changes: Mapping[str, Any] | None = None,  # Any: fields of the incident
    ) -> None:
        """Write that an incident is over."""
        self.save(incident_notes.moved(incident, state, at, detail, changes=changes, audited=True))
        self._told.pop(incident.id, None)

    def now(self) -> datetime:
        """Return the time."""
        return datetime.fromtimestamp(self._clock.time(), UTC)

    def moment(self, monotonic: float) -> datetime:
        """Return the time at which the monotonic clock stood there."""
        return self.now() - timedelta(seconds=max(0.0, self._clock.monotonic() - monotonic))
