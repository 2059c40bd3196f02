"""What is done about incidents, from the failure that opens one to its end; in one thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ...control.incidents import IncidentRecord, IncidentState
from ...control.records import RecoveryOperationRecord
from ...core.clock import Clock
from ...recovery.symptom import Condition, ConditionChange
from ...recovery.target import Target
from ..recovery_runs import run_document
from . import incident_notes
from .desk_ports import Aftermath, Watch
from .incident_book import IncidentBook
from .judgement import Judgement
from .mailbox import TICK
from .next_step import LOOK_AGAIN, Course, NextStep, next_step, rests
from .outbox import Outbox, Run

SWEEP = 1.0
"""Seconds between looks whether what people were called for is healthy."""
NOT_WATCHED = "the target is not watched any more"
ACTIVE = frozenset({IncidentState.RECOVERING, IncidentState.WAITING})

logger = logging.getLogger("scrollintel.recovery")


class Casework:
    """Used in the thread of the incident desk alone.

    Arguments:
        book: The incidents.
        judgement: What is known of targets, and what may be done.
        watch: Is told how targets are treated.
        clock: Source of time.
        outbox: Takes runs for the engine.
        cancel: Ends a run: its id, and why.
        aftermath: Dependents and people.
    """

    def __init__(
        self,
        book: IncidentBook,
        judgement: Judgement,
        watch: Watch,
        clock: Clock,
        *,
        outbox: Outbox,
        cancel: Callable[[str, str], None],
        aftermath: Aftermath,
    ) -> None:
        self._book = book
        self._judgement = judgement
        self._watch = watch
        self._clock = clock
        self._outbox = outbox
        self._cancel = cancel
        self._aftermath = aftermath
        self._due: dict[str, float] = {}  # incident → monotonic time of another look at it
        self._given_up: set[str] = set()  # targets that a person wants left alone until they are healthy
        self._next_sweep = 0.0
        self._failed_at: dict[str, float] = {}  # incident → monotonic time of the failure that it is about now
        self._lost: set[str] = set()  # incidents whose recovery was nowhere to be found at the last sweep

    # ------------------------------------------------------------------ what happens to targets

    def failed(self, change: ConditionChange) -> None:
        """Hear that a target has failed, or fails in another way."""
        target = self._judgement.target(change.target)
        if target is None:
            return
        known = self._book.of_target(change.target)
        if known is None and target.name in self._given_up:
            return
        if known is None:
            self._consider(self._open(target, change))
        elif known.state is IncidentState.WATCHED:
            at = self._book.moment(change.at)
            relapse = f"it failed again: {_said(change)}"
            changes = {"relapses": known.relapses + 1, "failure_type": change.failure_type or known.failure_type}
            self._book.save(
                incident_notes.moved(known, IncidentState.OPEN, at, relapse, kind="relapsed", changes=changes)
            )
            self._failed_at[known.id] = change.at
            self._consider(self._book.again(known))
        elif known.state in ACTIVE:
            return
        elif change.failure_type not in (None, known.failure_type) and known.attempts < target.limits.attempts:
            # It is worse than it seemed: what could not be helped may be repaired now.
            said, changes = _said(change), {"failure_type": change.failure_type}
            at = self._book.moment(change.at)
            self._book.save(incident_notes.moved(known, IncidentState.OPEN, at, said, kind="changed", changes=changes))
            self._consider(self._book.again(known))
        elif known.state in (IncidentState.OPEN, IncidentState.HELD):
            self._consider(known)

    def _open(self, target: Target, change: ConditionChange) -> IncidentRecord:
        impact = self._judgement.impact(target)
        incident = self._book.declare(target, change, impact, _said(change))
        self._failed_at[incident.id] = change.at
        logger.warning("incident %s: %s has failed: %s", incident.id, target.name, incident.detail)
        self._aftermath.tell("opened", incident, str(impact["sentence"]))
        return incident

    def healthy(self, change: ConditionChange) -> None:
        """Hear that a target is healthy."""
        self._given_up.discard(change.target)
        incident = self._book.of_target(change.target)
        if incident is None or incident.state is IncidentState.WATCHED or incident.state in ACTIVE:
            return
        at = self._book.moment(change.at)
        self._end(incident, IncidentState.RESOLVED, at, "it became healthy by itself", changes={"validated_at": at})

    # ------------------------------------------------------------------ what is done

    def _consider(self, incident: IncidentRecord) -> None:
        """Decide what is done about an incident now, and do it."""
        target = self._judgement.target(incident.target)
        if target is None:
            self._end(incident, IncidentState.CANCELLED, self._book.now(), NOT_WATCHED)
            return
        age = self._clock.monotonic() - self._failed_at.get(incident.id, 0.0)
        step = next_step(self._judgement, target, incident, age)
        if step.engaged is not None:
            self._aftermath.tell("brake", incident, step.engaged.why)
        match step.course:
            case Course.HOLD:
                holder = None if step.root is None else self._book.of_target(step.root)
                self._book.stay(incident, IncidentState.HELD, step.why, root=None if holder is None else holder.id)
            case Course.WATCH:
                self._book.stay(incident, IncidentState.OPEN, step.why)
            case Course.WAIT:
                self._due[incident.id] = self._clock.monotonic() + max(TICK, step.seconds)
                self._book.stay(incident, IncidentState.OPEN, step.why, data=step.data)
            case Course.BEGIN:
                self._begin(incident, target, step)
            case Course.LEAVE | Course.GIVE_UP:
                self._escalate(incident, step.why, given_up=step.course is Course.GIVE_UP, data=step.data)
        if step.holds_dependents and self._judgement.is_down(target.service):
            self._aftermath.began(incident)

    def _begin(self, incident: IncidentRecord, target: Target, step: NextStep) -> None:
        names = ", then ".join(remedy["kind"] for remedy in step.chain)
        record = self._book.begin(incident, target, step.chain, f"recovery {incident.attempts + 1}: {names}", step.data)
        logger.info("incident %s: %s of %s begins: %s", incident.id, record.id, target.name, names)
        self._judgement.began()
        self._watch.hold(target.name, Condition.RECOVERING)
        self._due.pop(incident.id, None)
        self._outbox.give(run_document(record, generation=incident.attempts + incident.relapses))

    def finished(self, run: Run, record: RecoveryOperationRecord) -> None:
        """Hear that a recovery is over."""
        incident = self._book.find(str(record.incident))
        target = self._judgement.target(record.target or record.service)
        if incident is None:
            self._watch.release(run["target"])
            return
        at = record.finished_at or self._book.now()
        if record.outcome in ("recovered", "not_needed"):
            self._repaired(incident, record, at)
        elif target is None or record.status == "interrupted" or rests(record.detail):
            self._watch.release(incident.target)
            self._book.stay(
                incident, IncidentState.OPEN, f"the recovery was ended: {record.detail or 'no reason given'}"
            )
            self._due[incident.id] = self._clock.monotonic() + TICK
        elif record.outcome == "refused":
            self._escalate(incident, f"refused: {record.detail or 'no strategy may act'}")
        else:
            self._watch.release(incident.target)
            self._book.stay(incident, IncidentState.OPEN, "the recovery did not bring it back")
            self._consider(self._book.again(incident))
        self._consider_held()

    def _repaired(self, incident: IncidentRecord, record: RecoveryOperationRecord, at: datetime) -> None:
        self._watch.started(incident.target)
        self._watch.release(incident.target)
        helped = "nothing was wrong any more" if record.strategy is None else f"repaired by {record.strategy}"
        changes = {"validated_at": at, "acted_at": record.acted_at}
        note = incident_notes.moved(
            incident, IncidentState.WATCHED, at, helped, kind="repaired", changes=changes, audited=True
        )
        self._book.save(note)
        logger.info("incident %s: %s is healthy: %s", incident.id, incident.target, helped)
        target = self._judgement.target(incident.target)
        if target is not None:
            self._due[incident.id] = self._clock.monotonic() + target.limits.relapse_window
        self._aftermath.over(self._book.again(incident))
        self._aftermath.tell("repaired", incident, helped)

    def _escalate(
        self,
        incident: IncidentRecord,
        why: str,
        *,
        given_up: bool = True,
        data: Mapping[str, Any] | None = None,  # Any: JSON values
    ) -> None:
        """Leave it to people, who are told once; what has been given up is left alone from now on."""
        if given_up:
            self._watch.hold(incident.target, Condition.QUARANTINED)
        if incident.state is IncidentState.ESCALATED:
            return
        logger.warning("incident %s: people have to look after %s: %s", incident.id, incident.target, why)
        self._book.stay(incident, IncidentState.ESCALATED, why, audited=True, data=data)
        self._aftermath.tell("escalated", incident, why)

    def withdraw(self, incident: IncidentRecord, by: str, reason: str) -> None:
        """Hear that a person has cancelled an incident, which is on record already."""
        if not self._watch.is_healthy(incident.target):
            self._given_up.add(incident.target)
        if incident.recovery not in {record.id for record in self._book.recoveries()}:
            self._watch.release(incident.target)
        for record in self._book.recoveries():
            if record.incident == incident.id:
                self._cancel(record.id, f"{by} has cancelled the incident: {reason}")
        self._over(incident, f"{by} has cancelled it: {reason}")

    # ------------------------------------------------------------------ again and again

    def tick(self) -> None:
        """Do what is due."""
        now = self._clock.monotonic()
        self._outbox.try_again()
        for name, due in [item for item in self._due.items() if item[1] <= now]:
            incident = self._book.find(name)
            if incident is not None and incident.state is IncidentState.WATCHED:
                self._end(incident, IncidentState.RESOLVED, self._book.now(), "it has stayed healthy")
            elif incident is not None and incident.state in (IncidentState.OPEN, IncidentState.HELD):
                self._consider(incident)
            if self._due.get(name) == due:  # only now: what could not be written down is due again
                del self._due[name]
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP
            self._sweep()
        self._aftermath.tick()

    def _sweep(self) -> None:
        """Let go of targets that people were called for and that are healthy by now, and lose sight of no incident."""
        at, now, runs = self._book.now(), self._clock.monotonic(), {run.id for run in self._book.recoveries()}
        lost, self._lost = self._lost, set()
        for incident in self._book.all():
            if self._judgement.target(incident.target) is None:
                if incident.state not in ACTIVE:
                    self._end(incident, IncidentState.CANCELLED, at, NOT_WATCHED)
            elif incident.state is IncidentState.ESCALATED and self._watch.is_healthy(incident.target):
                changes = {"validated_at": at}
                self._end(incident, IncidentState.RESOLVED, at, "it is healthy again", changes=changes)
            elif incident.state is IncidentState.WAITING and self._watch.is_healthy(incident.target):
                self._cancel(str(incident.recovery), "it became healthy by itself")
            elif incident.state in ACTIVE and incident.recovery not in runs:
                self._lost.add(incident.id)
                if incident.id in lost:  # its end was told to nobody
                    self._book.stay(incident, IncidentState.OPEN, "its recovery has ended")
                    self._due[incident.id] = now
            elif incident.state not in ACTIVE and incident.state is not IncidentState.ESCALATED:
                self._due.setdefault(incident.id, now + LOOK_AGAIN)

    def _consider_held(self) -> None:
        for incident in self._book.all(IncidentState.HELD):
            self._consider(incident)

    def consider_all(self) -> None:
        """Decide anew about all open incidents."""
        for incident in self._book.all(IncidentState.OPEN, IncidentState.HELD):
            self._consider(incident)

    def resume(self) -> None:
        """Take up what the life before has left: runs go on in the engine, repaired targets are watched on."""
        incidents = self._book.all()
        self._given_up = self._book.given_up()
        self._aftermath.resume([record.id for record in incidents if record.state is not IncidentState.WATCHED])
        runs = {record.incident: record for record in self._book.recoveries()}
        for incident in incidents:
            if incident.state in ACTIVE:
                run = runs.get(incident.id)
                if run is None:
                    self._book.stay(incident, IncidentState.OPEN, "its recovery ended while the control plane was away")
                    self._consider(self._book.again(incident))
                else:
                    self._watch.hold(incident.target, Condition.RECOVERING)
                    self._outbox.give(run_document(run, generation=incident.attempts + incident.relapses))
            elif incident.state is IncidentState.WATCHED:
                target = self._judgement.target(incident.target)
                since = incident.validated_at or incident.declared_at
                window = 0.0 if target is None else target.limits.relapse_window
                left = (since + timedelta(seconds=window) - self._book.now()).total_seconds()
                self._due[incident.id] = self._clock.monotonic() + max(0.0, left)
            elif incident.state is IncidentState.ESCALATED:
                if incident.attempts or incident.recovery is not None:  # given up: nothing else begins by itself
                    self._watch.hold(incident.target, Condition.QUARANTINED)
            else:
                self._due[incident.id] = self._clock.monotonic() + 10 * TICK
        for change in list(self._judgement.changes.values()):  # what was told while nobody listened
            if change.new is Condition.FAILED and self._book.of_target(change.target) is None:
                self.failed(change)

    def _end(
        self,
        incident: IncidentRecord,
        state: IncidentState,
        at: datetime,
        detail: str,
        changes: Mapping[str, Any] | None = None,  # Any: fields of the incident
    ) -> None:
        self._book.end(incident, state, at, detail, changes)
        self._watch.release(incident.target)
        self._over(incident, detail)
        self._consider_held()

    def _over(self, incident: IncidentRecord, detail: str) -> None:
        logger.info("incident %s: %s is over: %s", incident.id, incident.target, detail)
        self._failed_at.pop(incident.id, None)
        self._due.pop(incident.id, None)
        self._aftermath.over(incident)
        self._aftermath.tell("resolved", incident, detail)


def _said(change: ConditionChange) -> str:
    if change.look is not None and change.look.detail:
        return change.look.detail
    return f"{change.target}: {change.failure_type or 'failed'}"
