"""How long calls took since the last report."""

from __future__ import annotations

import pytest

from scrollintel import CircuitBreakerConfig, FaultToleranceManager, Policy
from scrollintel.core.machines.sketch import LatencySketch
from scrollintel.core.registry import Registry
from scrollintel.replica.figures import Figures
from scrollintel.testing import ManualClock

POLICY = Policy("payments", breaker=CircuitBreakerConfig("payments"))
OTHER = Policy("stock", breaker=CircuitBreakerConfig("stock"))


def call(manager: FaultToleranceManager, clock: ManualClock, policy: Policy, *durations: float) -> None:
    """Make calls that take so long."""
    pipeline = manager.registry.pipeline(policy)
    for seconds in durations:
        pipeline.call(clock.advance, seconds)


def told(figures: Figures) -> list[tuple[float, int]]:
    """Report, and return how long calls took and how many."""
    figures.circuits()
    return [(LatencySketch.of([(bucket, 1)]).quantiles(0.5)[0], number) for bucket, number in figures.durations()]


def test_durations_are_those_since_the_last_report_over_all_circuits(registry: Registry, clock: ManualClock) -> None:
    """What came before the first report is of no known age and is left out; a circuit that is new then counts whole."""
    manager = FaultToleranceManager(registry=registry)
    call(manager, clock, POLICY, 0.5)
    figures = Figures(manager)
    assert told(figures) == []
    call(manager, clock, POLICY, 0.010, 0.010, 1.0)
    call(manager, clock, OTHER, 0.010)
    assert told(figures) == [(pytest.approx(0.010, rel=0.032), 3), (pytest.approx(1.0, rel=0.032), 1)]
    assert told(figures) == []
    call(manager, clock, POLICY, 0.010)
    figures.circuits(full=True)
    assert figures.durations() == []


def test_durations_after_a_reset_are_those_since(registry: Registry, clock: ManualClock) -> None:
    """Counts that have begun anew are no difference to what was told before."""
    manager = FaultToleranceManager(registry=registry)
    figures = Figures(manager)
    call(manager, clock, POLICY, 0.5)
    told(figures)
    call(manager, clock, POLICY, 0.5, 0.5, 0.5)
    told(figures)
    for circuit in registry.all_circuits():
        circuit.reset()
    call(manager, clock, POLICY, 0.5)
    assert told(figures) == [(pytest.approx(0.5, rel=0.032), 1)]
