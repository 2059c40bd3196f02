"""What a recovery has done so far: written to the database as each step begins and ends."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from ..control.records import RECOVERIES, RecoveryOperationRecord
from ..core.errors import RecoveryError
from ..recovery.strategy import Step, StepResult
from ..storage.errors import StoreUnavailableError
from ..storage.transaction import Transaction
from .plane import ControlPlane

MAX_DETAIL = 1000
"""Characters of a sentence that is kept with a recovery or a step."""
PATIENCE = 10.0
"""Seconds that a step waits for a database that is away; then the recovery ends where it is."""
RETRY_INTERVAL = 0.2
CUT_OFF = "cut off; it may or may not have taken effect"
"""Said of a step that began and of whose end nothing is known."""


class CutShortError(RecoveryError):
    """A recovery goes no further, because somebody has ended it; the text says who or what."""

    code = "recovery_cut_short"


class Progress:
    """The witness of one recovery, used in its thread: a step that is not on disk as begun does not begin.

    Arguments:
        plane: The control plane.
        record: The recovery.

    Attributes:
        record: The recovery with the steps taken so far; swapped whole, so that any thread may read it.
    """

    def __init__(self, plane: ControlPlane, record: RecoveryOperationRecord) -> None:
        self._plane = plane
        self._over = threading.Event()
        self._why = ""
        self.record = record

    def end(self, why: str) -> None:
        """Have the recovery end after the step that it is in; from any thread, the first one is heard."""
        if not self._over.is_set():
            self._why = why
            self._over.set()

    def start(self) -> None:
        """Write that the recovery runs; raises CutShortError when it has been ended before."""
        self._go_on()
        self.record = replace(self.record, status="running")
        self._write(None)

    def began(self, strategy: str, step: Step, started_at: datetime) -> None:
        """Write that a step begins."""
        self._go_on()
        begun = {
            "strategy": strategy,
            "step": step.value,
            "succeeded": None,
            "started_at": started_at.isoformat(),
            "duration": None,
            "detail": "",
            "verify_rounds": 0,
        }
        before = self.record
        self._replace((*before.steps, begun))
        try:
            self._write(begun)
        except BaseException:
            self.record = before  # what is not on disk as begun does not begin
            raise

    def ended(self, result: StepResult) -> None:
        """Write how the step ended that began last."""
        ended = {
            "strategy": result.strategy,
            "step": result.step.value,
            "succeeded": result.succeeded,
            "started_at": result.started_at.isoformat(),
            "duration": result.duration,
            "detail": sentence(result.detail),
            "verify_rounds": result.verify_rounds,
        }
        self._replace((*self.record.steps[:-1], ended))
        self._write(ended)

    def wait(self, seconds: float) -> None:
        """Wait between two looks; raises CutShortError as soon as the recovery is ended."""
        self._plane.clock.wait(self._over, seconds)
        self._go_on()

    def _go_on(self) -> None:
        if self._over.is_set():
            raise CutShortError(self._why)

    def _replace(self, steps: tuple[Mapping[str, Any], ...]) -> None:  # Any: JSON values
        self.record = replace(self.record, steps=steps)

    def _write(self, step: dict[str, Any] | None) -> None:  # Any: JSON values
        """Write the record, waiting for a database that is away for a while."""
        record, plane = self.record, self._plane

        def decide(tx: Transaction) -> None:
            known = tx.get(RECOVERIES, record.id)
            if known is None or known.finished_at is not None:
                raise CutShortError("somebody else has ended it")
            tx.put(RECOVERIES, record)
            if step is not None:
                number = len(record.steps)
                plane.tell(tx, "recovery.step", {"id": record.id, "number": number, **step}, service=record.service)

        deadline = plane.clock.monotonic() + PATIENCE
        while True:
            try:
                if plane.distrust is not None:
                    raise StoreUnavailableError(plane.distrust)
                plane.writer.change_blocking(decide)
            except StoreUnavailableError:
                if plane.clock.monotonic() >= deadline or plane.clock.wait(self._over, RETRY_INTERVAL):
                    raise
            else:
                return


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
