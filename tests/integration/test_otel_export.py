"""What a real control plane sends to a real OTLP receiver."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.integration.scripted_server import ScriptedServer
from tests.servers.program import Program

SERVICE = """
[[services]]
name = "worker"
mode = "recover"
[[services.checks]]
kind = "process"
depth = "alive"
interval = 0.2
[services.process]
autostart = true
start_timeout = 0.5
command = ["/bin/sh", "-c", "echo $$ > {marker}; exec sleep 600"]
[services.strategies]
exited = {strategies}
"""


@pytest.fixture
def collector() -> Iterator[ScriptedServer]:
    """Return a server that takes what is exported."""
    server = ScriptedServer()
    yield server
    server.stop()


def bodies(collector: ScriptedServer, path: str) -> list[bytes]:
    """Return what was sent to a path."""
    return [seen.body for seen in collector.seen if seen.path == path]


def spans(collector: ScriptedServer) -> list[Span]:
    """Return the spans that were exported, by their start."""
    requests = [ExportTraceServiceRequest.FromString(body) for body in bodies(collector, "/v1/traces")]
    found = [
        span
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    return sorted(found, key=lambda span: span.start_time_unix_nano)


def metric_names(collector: ScriptedServer) -> set[str]:
    """Return the names of the metrics that were exported."""
    requests = [ExportMetricsServiceRequest.FromString(body) for body in bodies(collector, "/v1/metrics")]
    return {
        metric.name
        for request in requests
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def values(span: Span) -> dict[str, Any]:
    """Return the attributes of a span."""
    return {item.key: item.value.string_value for item in span.attributes}


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 30.0
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@contextmanager
def worker(marker: Path) -> Iterator[None]:
    """Kill in the end whatever process has written its id, because it outlives the control plane."""
    try:
        yield
    finally:
        if marker.exists():
            with suppress(ProcessLookupError):
                os.kill(int(marker.read_text()), signal.SIGKILL)


def environment(collector: ScriptedServer) -> dict[str, str]:
    """Return the variables by which OpenTelemetry finds the collector and exports often."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_METRIC_EXPORT_INTERVAL": "300",
        "OTEL_SERVICE_NAME": "control",
    }


def test_control_plane_exports_a_recovery_that_it_carried_out(tmp_path: Path, collector: ScriptedServer) -> None:
    """A process is watched, killed, started again, and its recovery arrives as one trace with its steps."""
    marker = tmp_path / "pid"
    more = SERVICE.format(marker=marker, strategies='["restart-process"]')
    tables = {"opentelemetry": {"traces": True}}
    with worker(marker), Program(tmp_path / "server", tables, environment(collector), more):
        until(lambda: marker.exists() and marker.read_text().strip() != "", "the worker has not started")
        os.kill(int(marker.read_text()), signal.SIGKILL)
        until(lambda: len(spans(collector)) > 0, "no trace has arrived")
    found = spans(collector)
    (root,) = (span for span in found if span.name == "resilience.recovery")
    steps = [span for span in found if span.name == "resilience.recovery.step"]
    assert values(root)["resilience.outcome"] == "recovered"
    assert values(root)["resilience.target"] == "worker"
    assert [values(span)["resilience.step"] for span in steps] == ["observe", "plan", "act", "verify"]
    assert {span.parent_span_id for span in steps} == {root.span_id}
    assert "incident.declared" in [event.name for event in root.events]


def test_recovery_that_another_process_has_finished_is_one_trace(tmp_path: Path, collector: ScriptedServer) -> None:
    """The control plane is killed while a strategy acts; the next one goes on, and exports the steps of both."""
    marker = tmp_path / "pid"
    more = SERVICE.format(marker=marker, strategies='[{ kind = "wait", seconds = 2.0 }]')
    tables = {"opentelemetry": {"traces": True}}
    with worker(marker):
        with Program(tmp_path / "server", tables, environment(collector), more) as first:
            until(lambda: marker.exists() and marker.read_text().strip() != "", "the worker has not started")
            os.kill(int(marker.read_text()), signal.SIGKILL)
            until(lambda: acting(first), "no strategy acts")
            first.kill()
        assert spans(collector) == []
        with Program(tmp_path / "server", tables, environment(collector), more):
            until(lambda: len(spans(collector)) > 0, "no trace has arrived")
    found = spans(collector)
    assert [span.name for span in found].count("resilience.recovery") == 1
    assert len({span.trace_id for span in found}) == 1
    assert [values(span)["resilience.step"] for span in found[1:4]] == ["observe", "plan", "act"]


def acting(server: Program) -> bool:
    """Tell whether a recovery has begun to act."""
    with server.client() as client:
        incidents = client.get("/incidents").json()["items"]
        runs = [
            client.get(f"/recovery/{incident['recovery']}").json() for incident in incidents if incident["recovery"]
        ]
    return any(run["steps"] and run["steps"][-1]["step"] == "act" for run in runs)


def test_control_plane_exports_its_metrics(tmp_path: Path, collector: ScriptedServer) -> None:
    """What /metrics tells arrives again and again, read on the event loop, under the names of OpenTelemetry."""
    tables = {"opentelemetry": {"metrics": True}}
    with Program(tmp_path / "server", tables, environment(collector)):
        until(lambda: len(bodies(collector, "/v1/metrics")) > 1, "no metrics have arrived")
    assert {"resilience.storage_state", "resilience.audit_records", "resilience.process_start_time"} <= metric_names(
        collector
    )
    assert bodies(collector, "/v1/traces") == []


def test_control_plane_without_the_settings_exports_nothing(tmp_path: Path, collector: ScriptedServer) -> None:
    """The variables of OpenTelemetry alone switch nothing on."""
    with Program(tmp_path / "server", None, environment(collector)) as server:
        assert server.url
    assert collector.seen == []
