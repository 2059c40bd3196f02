"""What follows for others as incidents come and go: dependents are held and restored, people are told."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime

from ...control.incidents import ApprovalRecord, IncidentRecord
from ...core.clock import Clock
from ...telemetry.notify.notice import Notice, NoticeKind
from .dependents import Dependents

KINDS = {
    "opened": NoticeKind.OPENED,
    "acknowledged": NoticeKind.ACKNOWLEDGED,
    "escalated": NoticeKind.ESCALATED,
    "resolved": NoticeKind.RESOLVED,
    "repaired": NoticeKind.RESOLVED,
    "brake": NoticeKind.BRAKE_ENGAGED,
}

Send = Callable[[Notice], object]


class Consequences:
    """Used in the thread of the incident desk.

    Arguments:
        dependents: Holds and restores levels.
        send: Takes notices; never blocks.
        clock: Source of time.
    """

    def __init__(self, dependents: Dependents, send: Send, clock: Clock) -> None:
        self._dependents = dependents
        self._send = send
        self._clock = clock

    def began(self, incident: IncidentRecord) -> None:
        """Hold the dependents of a target."""
        self._dependents.hold(incident)

    def over(self, incident: IncidentRecord) -> None:
        """Begin to restore them."""
        self._dependents.restore(incident)

    def resume(self, open_incidents: Collection[str]) -> None:
        """Go on restoring what the life before has held for incidents that are over."""
        self._dependents.resume(open_incidents)

    def tick(self) -> None:
        """Take the steps that are due."""
        self._dependents.tick()

    def tell(self, kind: str, incident: IncidentRecord, text: str) -> None:
        """Tell people."""
        notice = KINDS[kind]
        is_brake = notice is NoticeKind.BRAKE_ENGAGED
        self._send(
            Notice(
                kind=notice,
                subject=incident.group or incident.target if is_brake else incident.id,
                summary=f"{incident.target}: {text}"[:500],
                at=self._now(),
                target=incident.target,
                service=incident.service,
                severity=incident.severity,
            )
        )

    def released(self, subject: str, by: str) -> None:
        """Tell people that the storm brake has been released."""
        said = f"{by} has released the storm brake that {subject} had engaged"
        self._send(Notice(kind=NoticeKind.BRAKE_RELEASED, subject=subject, summary=said[:500], at=self._now()))

    def asked(self, question: ApprovalRecord) -> None:
        """Tell people that somebody has to agree; from the thread of a recovery."""
        self._send(
            Notice(
                kind=NoticeKind.APPROVAL_WANTED,
                subject=question.incident or question.recovery,
                summary=f"{question.target}: a person has to agree, because {question.why}"[:500],
                at=question.requested_at,
                target=question.target,
                service=question.service,
                severity=2,
                occasion=question.id,
            )
        )

    def told(self, text: str) -> None:
        """Tell people what a strategy says; from the thread of a recovery."""
        self._send(Notice(kind=NoticeKind.TOLD, subject="recovery", summary=text[:500], at=self._now()))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time(), UTC)
