"""A circuit for each key: independent, bounded in number, the idle ones dropped."""

from __future__ import annotations

from typing import Any

import pytest

from scrollintel import (
    CircuitBreakerConfig,
    CircuitOpenError,
    CircuitState,
    Pipeline,
    Policy,
    StateChanged,
)
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger, Script

DOWN = ConnectionError("down")
CIRCUIT = CircuitBreakerConfig("service", failure_threshold=3, recovery_timeout=10.0)


def keyed(build: Build, **options: Any) -> Pipeline:
    """Return a policy with a circuit per host."""
    return build(breaker=CIRCUIT, key=lambda host: host, **options)


def open_circuit(driver: Driver, pipeline: Pipeline, host: str) -> None:
    """Let a host fail until its circuit is open."""
    for _ in range(3):
        with pytest.raises(ConnectionError):
            driver.call(pipeline, driver.make(Script(DOWN)), host)


def test_keyed_circuits_are_independent(driver: Driver, build: Build, ledger: Ledger) -> None:
    """One bad host does not close the way to the others, and events tell which one it is."""
    pipeline = keyed(build)
    open_circuit(driver, pipeline, "a")
    with pytest.raises(CircuitOpenError):
        driver.call(pipeline, driver.make(Script("ok")), "a")
    assert driver.call(pipeline, driver.make(Script("ok")), "b") == "ok"
    assert pipeline.circuit("a").state is CircuitState.OPEN
    assert pipeline.circuit("b").state is CircuitState.CLOSED
    assert [event.key for event in ledger.of(StateChanged)] == ["a"]
    view = pipeline.snapshot()
    assert {circuit.key: circuit.state.value for circuit in view.circuits} == {"a": "open", "b": "closed"}
    assert (view.tally.failures, view.tally.successes, view.tally.rejections) == (3, 1, 1)
    with pytest.raises(KeyError):
        pipeline.circuit("c")


def test_keyed_circuits_are_bounded_and_idle_ones_go_first(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A new key takes the place of the closed circuit that was idle longest; an open one is never dropped."""
    pipeline = keyed(build, max_keys=3)
    open_circuit(driver, pipeline, "bad")
    for host in ("a", "b"):
        clock.advance(1)
        driver.call(pipeline, driver.make(Script("ok")), host)
    clock.advance(1)
    driver.call(pipeline, driver.make(Script("ok")), "a")
    driver.call(pipeline, driver.make(Script("ok")), "c")
    keys = {circuit.key for circuit in pipeline.snapshot().circuits}
    assert keys == {"bad", "a", "c"}


def test_keyed_circuits_idle_ones_are_dropped_together(driver: Driver, build: Build, clock: ManualClock) -> None:
    """When room is needed all circuits that were idle too long go."""
    pipeline = keyed(build, max_keys=3, key_idle=60)
    for host in ("a", "b", "c"):
        driver.call(pipeline, driver.make(Script("ok")), host)
    clock.advance(61)
    driver.call(pipeline, driver.make(Script("ok")), "d")
    assert {circuit.key for circuit in pipeline.snapshot().circuits} == {"d"}


def test_keyed_circuits_overflow_into_one(driver: Driver, build: Build) -> None:
    """When every place is taken by a circuit that must stay, all further keys share one."""
    pipeline = keyed(build, max_keys=2)
    for host in ("a", "b"):
        open_circuit(driver, pipeline, host)
    for number in range(100):
        driver.call(pipeline, driver.make(Script("ok")), f"host {number}")
    keys = {circuit.key for circuit in pipeline.snapshot().circuits}
    assert keys == {"a", "b", "(others)"}


def test_keyed_circuits_of_many_keys_stay_bounded(driver: Driver, build: Build) -> None:
    """Ten times as many keys as places leave as many circuits as there are places."""
    pipeline = keyed(build, max_keys=20)
    for number in range(200):
        driver.call(pipeline, driver.make(Script("ok")), f"host {number}")
    assert len(pipeline.snapshot().circuits) == 20


def test_keyed_circuits_follow_a_replaced_policy(driver: Driver, build: Build) -> None:
    """Every circuit of a key goes on under the new configuration with the state it has."""
    pipeline = keyed(build)
    open_circuit(driver, pipeline, "a")
    key = pipeline.policy.key
    pipeline.replace(
        Policy("service", breaker=CircuitBreakerConfig("service", failure_threshold=1, recovery_timeout=10.0), key=key)
    )
    assert pipeline.circuit("a").state is CircuitState.OPEN
    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.make(Script(DOWN)), "b")
    assert pipeline.circuit("b").state is CircuitState.OPEN
