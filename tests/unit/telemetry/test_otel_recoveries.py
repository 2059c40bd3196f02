"""Traces of recoveries, as they are made from a record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from scrollintel.control.records import RecoveryOperationRecord
from scrollintel.telemetry.otel.recoveries import RecoverySpans

BEGAN = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """Return a moment after the detection."""
    return BEGAN + timedelta(seconds=seconds)


def step(name: str, begun: float, duration: float | None, succeeded: bool | None = True) -> dict[str, Any]:
    """Return a step as records keep it."""
    return {
        "strategy": "restart", "step": name, "succeeded": succeeded, "started_at": at(begun).isoformat(),
        "duration": duration, "detail": "a detail with a password", "verify_rounds": 0, "key": f"rec_1:{name}",
    }  # fmt: skip


RECORD = RecoveryOperationRecord(
    id="rec_1",
    service="orders",
    failure_type="unresponsive",
    status="finished",
    outcome="recovered",
    strategy="restart",
    requested_by="automation",
    reason=None,
    started_at=at(1),
    finished_at=at(9),
    duration=8.0,
    steps=(step("observe", 1, 0.5), step("act", 2, 2.0), step("verify", 4, 4.25)),
    incident="inc_1",
    target="orders-web",
    detected_at=BEGAN,
    acted_at=at(4),
    validated_at=at(8.25),
)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """Return where spans of the test go."""
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> Iterator[TracerProvider]:
    """Return an SDK of the test's own."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


def seconds(nanoseconds: int | None) -> float:
    """Return a time of a span in seconds since the detection."""
    assert nanoseconds is not None
    return round(nanoseconds / 1e9 - BEGAN.timestamp(), 3)


def split(exporter: InMemorySpanExporter) -> tuple[ReadableSpan, list[ReadableSpan]]:
    """Return the recovery's span and those of its steps, in order."""
    spans = exporter.get_finished_spans()
    (root,) = (span for span in spans if span.name == "resilience.recovery")
    return root, [span for span in spans if span.name == "resilience.recovery.step"]


def test_recovery_trace_reaches_from_detection_to_the_end(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    """The span begins with the first failed look, ends with the recovery, and holds its moments as events."""
    RecoverySpans(provider).ended(RECORD, None)
    root, _ = split(exporter)
    assert (seconds(root.start_time), seconds(root.end_time)) == (0.0, 9.0)
    assert {event.name: seconds(event.timestamp) for event in root.events} == {
        "recovery.started": 1.0,
        "recovery.acted": 4.0,
        "recovery.validated": 8.25,
    }
    assert dict(root.attributes or {}) == {
        "resilience.recovery": "rec_1",
        "resilience.incident": "inc_1",
        "resilience.service": "orders",
        "resilience.target": "orders-web",
        "resilience.failure_type": "unresponsive",
        "resilience.strategy": "restart",
        "resilience.outcome": "recovered",
    }
    assert root.status.status_code is StatusCode.UNSET


def test_recovery_trace_has_its_steps_as_children(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    """Each step is a span of the same trace with the times that were measured."""
    RecoverySpans(provider).ended(RECORD, None)
    root, steps = split(exporter)
    assert root.context is not None
    assert [span.parent.span_id for span in steps if span.parent] == [root.context.span_id] * 3
    timed = [(span.attributes, seconds(span.start_time), seconds(span.end_time)) for span in steps]
    assert [((attributes or {})["resilience.step"], begun, ended) for attributes, begun, ended in timed] == [
        ("observe", 1.0, 1.5),
        ("act", 2.0, 4.0),
        ("verify", 4.0, 8.25),
    ]
    assert "password" not in "".join(span.to_json() for span in (root, *steps))


def test_recovery_trace_of_a_failure_names_the_steps_that_failed(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    """A step that failed and one that was cut off are told apart, and the recovery is in error."""
    steps = (step("observe", 1, 0.5), step("act", 2, 2.0, False), step("undo", 5, None, None))
    RecoverySpans(provider).ended(replace(RECORD, outcome="failed", strategy=None, steps=steps), None)
    root, spans = split(exporter)
    assert [(span.attributes or {})["resilience.outcome"] for span in spans] == ["success", "failure", "unknown"]
    assert seconds(spans[2].end_time) == 9.0
    assert root.status.status_code is StatusCode.ERROR
    assert "resilience.strategy" not in (root.attributes or {})


def test_recovery_trace_is_nobodys_child(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    """A request that is handled while a recovery ends is not its cause."""
    with provider.get_tracer("test").start_as_current_span("request"):
        RecoverySpans(provider).ended(RECORD, None)
    root, _ = split(exporter)
    assert root.parent is None


def test_recovery_trace_that_cannot_be_made_is_counted(
    provider: TracerProvider, exporter: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """A record that makes no sense spoils its trace and nothing else."""
    spans = RecoverySpans(provider)
    spans.ended(replace(RECORD, steps=({"step": "act"},)), None)
    assert spans.failures == 1
    assert "recovery rec_1 has no trace: KeyError" in caplog.text
