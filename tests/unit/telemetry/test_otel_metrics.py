"""Metrics through OpenTelemetry say what Prometheus is told, read when a reader collects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from scrollintel import (
    BulkheadConfig,
    CircuitBreakerConfig,
    ConfigError,
    FaultToleranceManager,
    Policy,
    Registry,
    RetryConfig,
)
from scrollintel.telemetry import manager_metrics
from scrollintel.telemetry.exposition import Kind
from scrollintel.telemetry.families import LIBRARY
from scrollintel.telemetry.otel import instrument_metrics
from scrollintel.telemetry.otel.metrics import instrument_name

Numbers = dict[tuple[str, tuple[tuple[str, Any], ...]], Any]


class Metering:
    """A real SDK whose reader collects when it is told to."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader])

    def collect(self) -> Numbers:
        """Return all numbers by name and attributes."""
        data = self.reader.get_metrics_data()
        found: Numbers = {}
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        attributes = {key.removeprefix("resilience."): value for key, value in point.attributes.items()}
                        found[metric.name, tuple(sorted(attributes.items()))] = getattr(point, "value", None)
        return found


@pytest.fixture
def metering() -> Iterator[Metering]:
    """Return an SDK of the test's own."""
    found = Metering()
    yield found
    found.provider.shutdown()


@pytest.fixture
def manager(registry: Registry) -> FaultToleranceManager:
    """Return a manager whose one policy has had two successes and a failure that was retried."""
    manager = FaultToleranceManager(registry=registry)
    policy = Policy(
        "shop",
        breaker=CircuitBreakerConfig("db", failure_threshold=9),
        retry=RetryConfig(max_attempts=2, base_delay=0),
        bulkhead=BulkheadConfig(7),
    )
    pipeline = registry.pipeline(policy)
    results: list[Exception | str] = [OSError(), "a", "b"]

    def operation() -> str:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    pipeline.call(operation)
    pipeline.call(operation)
    return manager


def of(numbers: Numbers, name: str, **attributes: str) -> Any:
    """Return one number."""
    return numbers[f"resilience.{name}", tuple(sorted(attributes.items()))]


def test_metrics_tell_circuits_policies_and_response_times(manager: FaultToleranceManager, metering: Metering) -> None:
    """Counters, gauges, states and the parts of histograms arrive under their names, with their attributes."""
    instrument_metrics(manager, meter_provider=metering.provider)
    seen = metering.collect()
    assert of(seen, "circuit_state", circuit="db", state="closed") == 1
    assert of(seen, "circuit_state", circuit="db", state="open") == 0
    assert of(seen, "circuit_attempts", circuit="db", outcome="success") == 2
    assert of(seen, "circuit_attempts", circuit="db", outcome="failure") == 1
    assert of(seen, "retries", policy="shop") == 1
    assert of(seen, "bulkhead_limit", policy="shop") == 7
    assert of(seen, "circuit_response_time.count", circuit="db") == 3
    assert of(seen, "circuit_response_time.bucket", circuit="db", le="+Inf") == 3
    assert of(seen, "circuit_response_time.sum", circuit="db") == pytest.approx(0.0, abs=1e-3)


def test_metrics_are_read_anew_once_for_each_collection(
    manager: FaultToleranceManager, metering: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All instruments of a collection tell one reading, and the next collection tells what happened since."""
    from scrollintel.telemetry import otel

    readings = 0

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal readings
        readings += 1
        return manager_metrics.of_manager(*args, **options)

    monkeypatch.setattr(otel, "of_manager", counted)
    instrument_metrics(manager, meter_provider=metering.provider)
    metering.collect()
    manager.policy("shop").call(lambda: "c")
    assert of(metering.collect(), "circuit_attempts", circuit="db", outcome="success") == 3
    assert readings == 2


def test_metrics_every_family_of_a_process_has_an_instrument() -> None:
    """The names follow from those of Prometheus, and no two families share one."""
    names = [instrument_name(definition) for definition in LIBRARY]
    assert len(set(names)) == len(names)
    assert all(name.startswith("resilience.") for name in names)
    assert not [name for name in names if name.endswith(("_total", "_seconds", "_bytes", "_info"))]
    assert {definition.kind for definition in LIBRARY} == set(Kind)


def test_metrics_end_with_remove(manager: FaultToleranceManager, metering: Metering) -> None:
    """Afterwards a collection finds nothing, however often one removes."""
    instrumentation = instrument_metrics(manager, meter_provider=metering.provider)
    assert metering.collect()
    instrumentation.remove()
    instrumentation.remove()
    assert metering.collect() == {}


def test_metrics_of_many_circuits_are_bounded(registry: Registry, metering: Metering) -> None:
    """Beyond the maximum, circuits are counted and not told one by one."""
    manager = FaultToleranceManager(registry=registry)
    for number in range(5):
        registry.circuit(CircuitBreakerConfig(f"c{number}"))
    instrument_metrics(manager, max_circuits=2, meter_provider=metering.provider)
    seen = metering.collect()
    assert len({dict(key[1])["circuit"] for key in seen if key[0] == "resilience.circuit_state"}) == 2
    assert of(seen, "metrics_omitted", kind="circuits") == 3


@pytest.mark.parametrize("wrong", [0, True, 1.5, "many"])
def test_metrics_a_maximum_that_is_none_is_refused(wrong: Any) -> None:
    """The error names what was given and what may be given."""
    with pytest.raises(ConfigError, match="at least 1 circuits"):
        instrument_metrics(max_circuits=wrong)


def test_metrics_of_something_else_are_refused() -> None:
    """Only a manager has metrics."""
    wrong: Any = Registry()
    with pytest.raises(ConfigError, match="a FaultToleranceManager"):
        instrument_metrics(wrong)
