"""Questions to people: may exactly this plan be carried out?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ...control.incidents import APPROVALS, INCIDENTS, ApprovalRecord, IncidentState
from ...control.recovery_notes import Act, IncidentEvent, Note
from ...recovery.approval import Ruling, judge, plan_digest
from ...recovery.target import Target
from ...security.access import Permission
from ...storage.errors import StoreUnavailableError
from ...storage.incident_history import approval_by_id
from ...storage.transaction import Transaction
from ..caller import Caller
from ..errors import ConflictError, MissingError, RequestError
from ..plane import ControlPlane
from .record_keeper import RecordKeeper

Run = Mapping[str, Any]  # Any: JSON values of mixed types


class ConfirmationNeededError(RequestError):
    """The answer has to be confirmed explicitly, because nobody is told apart here."""

    code = "confirmation_needed"
    status = 409


class Questions:
    """Puts questions and takes answers.

    Arguments:
        plane, keeper: The control plane, and the notes of recoveries.
        is_open: Whether access control is off.
        answered: Is told of an answer once it is on disk; on the event loop.
        tell: Tells people of a question.
    """

    def __init__(
        self,
        plane: ControlPlane,
        keeper: RecordKeeper,
        *,
        is_open: bool,
        answered: Callable[[ApprovalRecord], object],
        tell: Callable[[ApprovalRecord], object],
    ) -> None:
        self._plane = plane
        self._keeper = keeper
        self._is_open = is_open
        self._answered = answered
        self._tell = tell

    # ------------------------------------------------------------------ asking; in the threads of recoveries

    def ask(self, run: Run, target: Target, plan: Mapping[str, Any], why: str, key: str) -> ApprovalRecord:  # Any: JSON
        """Put a question; the same key puts the same one once."""
        name = f"apr_{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        known: ApprovalRecord | None = self._keeper.find(APPROVALS.name, name) or self._answered_before(name)
        if known is not None:
            return known
        now = self._plane.now
        record = ApprovalRecord(
            id=name,
            incident=run["incident"],
            recovery=run["id"],
            target=run["target"],
            service=run["service"],
            plan=plan,
            digest=plan_digest(plan),
            why=why,
            requested_by=run["requested_by"],
            requested_at=now,
            expires_at=now + timedelta(seconds=target.limits.approval_timeout),
        )
        told = {"id": name, "target": record.target, "why": why, "recovery": record.recovery, "digest": record.digest}
        act = Act(
            action="approval.ask", target_kind="approval", target=name, service=record.service, reason=why[:1000],
            after={"digest": record.digest, "recovery": record.recovery},
        )  # fmt: skip
        note = Note(puts=(record,), acts=(act,), facts=(("approval.asked", told, record.service),))
        if record.incident is not None:
            detail = f"a person has to agree: {why}"
            event = IncidentEvent(incident=record.incident, at=now, kind="asked", detail=detail, data=told)
            changes = {"state": IncidentState.WAITING, "detail": detail}
            note += Note(changes=((INCIDENTS.name, record.incident, changes),), events=(event,))
        self._keeper.save(note)
        self._tell(record)
        return record

    def _answered_before(self, name: str) -> ApprovalRecord | None:
        """Return a question that a life before has put and a person has answered, before the engine knew of either."""
        with suppress(StoreUnavailableError):
            return approval_by_id(self._plane.database, name)
        return None

    def close(self, run: str, decision: str = "expired") -> Note:
        """Return what is written of the questions of a run that nobody has answered."""
        notes = Note()
        for record in self._keeper.records(APPROVALS.name):
            if record.recovery == run:
                changes = {"decision": decision, "decided_at": self._plane.now}
                told = {"id": record.id, "decision": decision}
                notes += Note(
                    changes=((APPROVALS.name, record.id, changes),), facts=(("approval.decided", told, record.service),)
                )
        return notes

    # ------------------------------------------------------------------ answering; in the writer's thread

    def answers(self, caller: Caller, record: ApprovalRecord) -> list[str]:
        """Return the answers that the caller may give now: "approve", "refuse", both or none; from any thread."""
        allowed = caller.identity.allows(Permission.RECOVERY_APPROVE, record.service)
        if not allowed or not _stands(record, self._plane.now):
            return []
        possible = {"approve": True, "refuse": False}
        return [
            answer
            for answer, approves in possible.items()
            if self._judge(caller, record, approves=approves, digest=record.digest, confirm=True).refused is None
        ]

    def decide(
        self,
        tx: Transaction,
        caller: Caller,
        name: str,
        *,
        approves: bool,
        digest: str,
        reason: str | None,
        confirm: bool,
    ) -> ApprovalRecord:
        """Take an answer.

        Raises:
            MissingError: when there is no such question that the caller may see.
            AccessDeniedError: when the caller may not answer.
            ConflictError: when it has been answered, or the answer does not count.
            ConfirmationNeededError: when the answer has to be confirmed.
        """
        record = tx.get(APPROVALS, name) or self._answered_before(name)
        if record is None or not caller.sees(Permission.RECOVERY_READ, record.service):
            raise MissingError("approval", name)
        caller.require_for_new(Permission.RECOVERY_APPROVE, record.service)
        if not _stands(record, tx.now):
            raise ConflictError(f"the question {name} does not stand any more: {record.decision or 'expired'}")
        ruling = self._judge(caller, record, approves=approves, digest=digest, confirm=confirm)
        if ruling.needs_confirmation:
            raise ConfirmationNeededError(f"{ruling.refused}: send it again with confirm = true")
        if ruling.refused is not None:
            raise ConflictError(ruling.refused)
        decided = replace(
            record,
            decision="approved" if approves else "refused",
            decided_by=caller.identity.id,
            decided_at=tx.now,
            reason=reason,
            confirmed_twice=ruling.confirmed_twice,
        )
        tx.put(APPROVALS, decided)
        tx.audit(
            caller.entry(
                f"approval.{'approve' if approves else 'refuse'}", "approval", name, at=tx.now, service=record.service,
                reason=reason,
                after={
                    "digest": record.digest, "decision": decided.decision, "confirmed_twice": decided.confirmed_twice,
                },
            )
        )  # fmt: skip
        told = {"id": name, "decision": decided.decision, "by": caller.identity.id}
        self._plane.tell(tx, "approval.decided", told, service=record.service)
        if record.incident is not None:
            incident = tx.get(INCIDENTS, record.incident)
            if incident is not None and incident.state is IncidentState.WAITING:
                tx.put(INCIDENTS, replace(incident, state=IncidentState.RECOVERING))
            tx.append(
                "incident_events", incident=record.incident, at=tx.now, kind=str(decided.decision),
                actor=caller.identity.id, detail=f"{decided.decision} by {caller.identity.id}", data=told,
            )  # fmt: skip
        tx.afterwards(lambda: self._plane.on_loop(self._answered, decided))
        return decided

    def _judge(self, caller: Caller, record: ApprovalRecord, *, approves: bool, digest: str, confirm: bool) -> Ruling:
        return judge(
            digest=record.digest, answered=digest, requested_by=record.requested_by, answered_by=caller.identity.id,
            is_open=self._is_open, confirmed=confirm, approves=approves,
        )  # fmt: skip


def _stands(record: ApprovalRecord, now: datetime) -> bool:
    return record.decision is None and now < record.expires_at
