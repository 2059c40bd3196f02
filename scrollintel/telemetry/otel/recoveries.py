"""Spans of recoveries, written from the record when one is over, whichever processes have performed its steps."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, StatusCode, Tracer, get_tracer, set_span_in_context

from ...control.incidents import IncidentRecord
from ...control.records import RecoveryOperationRecord
from . import attributes as names
from .instrumentation import SCOPE

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

_HELPED = ("recovered", "not_needed")

logger = logging.getLogger("scrollintel.telemetry")


class RecoverySpans:
    """Makes one trace of each recovery: from detection to its end, with its steps as children.

    A recovery may outlive the process that began it, and its span could not. Its record can, so the spans are made from
    that in the end, with the times that stand in it. They are of one trace, and no step of it is missing, whoever has
    performed it.

    Arguments:
        tracer_provider: Gives the tracer; the global provider by default.

    Attributes:
        failures: How often a trace could not be made; recoveries do not notice it.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        from ... import __version__

        self._tracer: Tracer = get_tracer(SCOPE, __version__, tracer_provider)
        self.failures = 0

    def ended(self, record: RecoveryOperationRecord, incident: IncidentRecord | None) -> None:
        """Make the trace of a recovery that is over."""
        try:
            self._make(record, incident)
        except Exception as error:  # the tracer's error is its own
            self.failures += 1
            logger.warning("recovery %s has no trace: %s", record.id, type(error).__name__)

    def _make(self, record: RecoveryOperationRecord, incident: IncidentRecord | None) -> None:
        detected = record.detected_at or (record.started_at if incident is None else incident.detected_at)
        end = record.finished_at or record.validated_at or record.started_at
        given = {
            names.RECOVERY: record.id,
            names.INCIDENT: record.incident,
            names.SERVICE: record.service,
            names.TARGET: record.target,
            names.FAILURE_TYPE: record.failure_type,
            names.STRATEGY: record.strategy,
            names.OUTCOME: record.outcome or record.status,
        }
        values = {name: value for name, value in given.items() if value is not None}
        # A context of its own: a request or another recovery that happens to be handled now is not the cause.
        root = self._tracer.start_span(
            names.RECOVERY_SPAN, Context(), attributes=values, start_time=_nanoseconds(min(detected, end))
        )
        moments = {
            "incident.declared": None if incident is None else incident.declared_at,
            "recovery.started": record.started_at,
            "recovery.acted": record.acted_at,
            "recovery.validated": record.validated_at,
        }
        for name, at in moments.items():
            if at is not None:
                root.add_event(name, timestamp=_nanoseconds(at))
        for step in record.steps:
            self._step(root, record, step, end)
        if record.outcome not in _HELPED:
            root.set_status(StatusCode.ERROR, record.outcome or record.status)
        root.end(_nanoseconds(end))

    def _step(
        self, root: Span, record: RecoveryOperationRecord, step: Mapping[str, Any], end: datetime
    ) -> None:  # Any: JSON values
        begun = datetime.fromisoformat(step["started_at"])
        succeeded, duration = step["succeeded"], step["duration"]
        # Of a step that was cut off nobody knows when it ended; no later than the recovery.
        ended = max(begun, end) if duration is None else begun + timedelta(seconds=duration)
        outcome = "unknown" if succeeded is None else "success" if succeeded else "failure"
        values = {
            names.RECOVERY: record.id,
            names.STEP: str(step["step"]),
            names.STRATEGY: str(step["strategy"]),
            names.OUTCOME: outcome,
        }
        start = _nanoseconds(begun)
        span = self._tracer.start_span(names.STEP_SPAN, set_span_in_context(root), attributes=values, start_time=start)
        if outcome != "success":
            span.set_status(StatusCode.ERROR, outcome)
        span.end(_nanoseconds(ended))


def _nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000) * 1_000
