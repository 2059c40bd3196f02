"""What one recovery has done so far: every step is durable as begun before it does anything, and as ended after it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ...control.incidents import INCIDENTS
from ...control.records import RecoveryOperationRecord
from ...control.recovery_notes import Act, IncidentEvent, Note
from ...core.errors import RecoveryError
from ..plane import ControlPlane
from .record_keeper import RecordKeeper

MAX_DETAIL = 1000
"""Characters of a sentence that is kept with a recovery or a step."""
CUT_OFF = "cut off; it may or may not have taken effect"
"""Said of a step that began and of whose end nothing is known."""


class CutShortError(RecoveryError):
    """A recovery goes no further, because somebody has ended it; the text says who or what."""

    code = "recovery_cut_short"


class RunNotes:
    """The notes of one recovery, written in the thread that performs its steps.

    Arguments:
        plane: Source of time.
        keeper: Where notes go.
        record: The recovery as it stands.

    Attributes:
        record: The recovery with the steps taken so far; swapped whole, so that any thread may read it.
    """

    def __init__(self, plane: ControlPlane, keeper: RecordKeeper, record: RecoveryOperationRecord) -> None:
        self._plane = plane
        self._keeper = keeper
        self._over = threading.Event()
        self._why = ""
        self.record = record

    # ------------------------------------------------------------------ ending it from outside

    def end(self, why: str) -> None:
        """Have the recovery end after the step that it is in; from any thread, the first one is heard."""
        if not self._over.is_set():
            self._why = why
            self._over.set()

    def go_on(self) -> None:
        """Do nothing, or raise CutShortError when the recovery has been ended."""
        if self._over.is_set():
            raise CutShortError(self._why)

    def wait(self, seconds: float) -> None:
        """Wait between two looks; raises CutShortError as soon as the recovery is ended."""
        self._plane.clock.wait(self._over, seconds)
        self.go_on()

    # ------------------------------------------------------------------ steps

    def began(self, strategy: str, step: str, key: str) -> None:
        """Write that a step begins, before it does anything.

        A step of the same key that began in a life before is taken up again.

        Raises:
            StoreUnavailableError: when that cannot be written; the step must not begin then.
        """
        now = self._now()
        begun = {
            "strategy": strategy,
            "step": step,
            "succeeded": None,
            "started_at": now.isoformat(),
            "duration": None,
            "detail": "",
            "verify_rounds": 0,
            "key": key,
        }
        steps = self.record.steps
        if steps and steps[-1]["succeeded"] is None and steps[-1].get("key") == key:
            steps = steps[:-1]
        first = self.record.initiated_at is None
        initiated = now if first else self.record.initiated_at
        record = replace(self.record, status="running", steps=(*steps, begun), initiated_at=initiated)
        note = self._of_step(record, begun)
        if first and record.incident is not None:
            note += Note(changes=((INCIDENTS.name, record.incident, {"recovering_at": now}),))
        self._keeper.save(note)
        self.record = record

    def ended(self, succeeded: bool, detail: str, *, rounds: int = 0) -> None:
        """Write how the step ended that began last."""
        now = self._now()
        begun = self.record.steps[-1]
        ended = {
            **begun,
            "succeeded": succeeded,
            "duration": max(0.0, (now - datetime.fromisoformat(begun["started_at"])).total_seconds()),
            "detail": sentence(detail),
            "verify_rounds": rounds,
        }
        record = replace(self.record, steps=(*self.record.steps[:-1], ended))
        moments: dict[str, Any] = {}  # Any: fields of the incident
        if begun["step"] == "act" and succeeded:
            record, moments["acted_at"] = replace(record, acted_at=now), now
        if begun["step"] == "verify" and succeeded:
            record, moments["validated_at"] = replace(record, validated_at=now), now
        note = self._of_step(record, ended)
        if record.incident is not None:
            event = IncidentEvent(
                incident=record.incident,
                at=now,
                kind="step",
                detail=f"{ended['strategy']}: {ended['step']} {'done' if succeeded else 'failed'}"
                + (f": {ended['detail']}" if ended["detail"] else ""),
                data={"recovery": record.id, "number": len(record.steps), **ended},
            )
            note += Note(events=(event,))
            if moments:
                note += Note(changes=((INCIDENTS.name, record.incident, moments),))
        self.record = record  # first: a step that has ended has ended, whether or not that can be written
        self._keeper.save(note)

    def _of_step(self, record: RecoveryOperationRecord, step: Mapping[str, Any]) -> Note:  # Any: JSON values
        if self._over.is_set():  # so that the next life ends it too
            record = replace(record, detail=sentence(self._why))
        told = {"id": record.id, "number": len(record.steps), **step}
        return Note(puts=(record,), facts=(("recovery.step", told, record.service),))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._plane.clock.time(), UTC)


def ended_before(record: RecoveryOperationRecord) -> str | None:
    """Return why a recovery that is taken up again was to end, or None."""
    return record.detail if record.finished_at is None else None


def end_note(record: RecoveryOperationRecord) -> Note:
    """Return what is written of a recovery that has ended."""
    act = Act(
        action="recovery.finish",
        target_kind="recovery",
        target=record.id,
        service=record.service,
        outcome="allowed" if record.outcome in ("recovered", "not_needed") else "failed",
        after={"outcome": record.outcome, "status": record.status, "strategy": record.strategy},
    )
    told = {"id": record.id, "outcome": record.outcome, "status": record.status}
    return Note(puts=(record,), acts=(act,), facts=(("recovery.finished", told, record.service),))


def sentence(text: str) -> str:
    """Return what a strategy said as every database holds it: short, without NUL, and without half characters."""
    return text[:MAX_DETAIL].replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def interrupted(record: RecoveryOperationRecord, at: datetime, why: str) -> RecoveryOperationRecord:
    """Return how a recovery is kept that did not come to its end: with its steps, of which the last is left open."""
    steps = tuple({**step, "detail": CUT_OFF} if step["succeeded"] is None else step for step in record.steps)
    return over(replace(record, steps=steps, status="interrupted", outcome="failed", detail=sentence(why)), at)


def over(record: RecoveryOperationRecord, at: datetime) -> RecoveryOperationRecord:
    """Return a recovery with the moment of its end."""
    return replace(record, finished_at=at, duration=max(0.0, (at - record.started_at).total_seconds()))
