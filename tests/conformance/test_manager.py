"""Calls that bring their configuration along, on both drivers."""

from __future__ import annotations

import gc
import weakref

import pytest

from scrollintel import (
    CircuitBreakerConfig,
    CircuitState,
    EventHub,
    FaultToleranceManager,
    Policy,
    RetryConfig,
    Value,
)
from scrollintel.core.registry import Registry
from scrollintel.testing import ManualClock
from tests.conformance.driver import Driver, Ledger, Script

DOWN = ConnectionError("down")
SHOP = CircuitBreakerConfig("shop", failure_threshold=1)


def test_manager_configs_per_call_share_the_circuit_only(driver: Driver, clock: ManualClock, ledger: Ledger) -> None:
    """Retry and fallback are those of the call, whoever called before under the same name."""
    manager = FaultToleranceManager(clock=clock, hub=ledger)
    config = CircuitBreakerConfig("db", failure_threshold=100)
    script = Script(DOWN)
    for attempts, answer in ((1, "a"), (3, "b"), (1, "c"), (3, "a")):
        got = driver.execute(
            manager,
            driver.make(script),
            circuit_breaker_config=config,
            retry_config=RetryConfig(max_attempts=attempts),
            fallback=Value(answer),
        )
        assert got == answer
    assert script.calls == 8
    assert manager.circuit_breaker("db").snapshot().tally.failures == 8


def test_manager_keeps_neither_operation_nor_fallback(driver: Driver, clock: ManualClock, ledger: Ledger) -> None:
    """After the call the manager holds no reference to what the call brought along."""
    manager = FaultToleranceManager(clock=clock, hub=ledger)
    config = CircuitBreakerConfig("db", failure_threshold=100)
    references = []
    for _ in range(3):
        operation, fallback = driver.make(Script(ConnectionError("down"))), Script("answer")
        driver.execute(manager, operation, circuit_breaker_config=config, fallback=fallback)
        references += [weakref.ref(operation), weakref.ref(fallback)]
        del operation, fallback
    gc.collect()
    assert [reference() for reference in references] == [None] * 6
    assert len(manager._names["db"].variants) == 1


def test_manager_snapshot_adds_up_all_calls_under_a_name(driver: Driver, clock: ManualClock, ledger: Ledger) -> None:
    """Retries and fallbacks of every combination under a name are in its snapshot."""
    manager = FaultToleranceManager(clock=clock, hub=ledger)
    for attempts in (2, 3, 4):
        driver.execute(
            manager,
            driver.make(Script(DOWN)),
            circuit_breaker_config=CircuitBreakerConfig("db", failure_threshold=100),
            retry_config=RetryConfig(max_attempts=attempts),
            fallback=Value(None),
        )
    tally = manager.snapshot()["db"].tally
    assert (tally.retries, tally.fallbacks, tally.failures) == (6, 3, 9)


def test_manager_refused_arguments_register_nothing(driver: Driver, clock: ManualClock, hub: EventHub) -> None:
    """A call with a bad time limit leaves no circuit behind and does not change a known one."""
    manager = FaultToleranceManager(clock=clock, hub=hub)
    with pytest.raises(ValueError, match="timeout"):
        driver.execute(
            manager, driver.make(Script("ok")), circuit_breaker_config=CircuitBreakerConfig("db"), timeout=-1
        )
    assert manager.circuit_breakers() == {}


def test_manager_alternating_configurations_warn_once(driver: Driver, clock: ManualClock, hub: EventHub) -> None:
    """Two configurations that take turns under one name are told once, and the circuit keeps its state."""
    manager = FaultToleranceManager(clock=clock, hub=hub)
    configs = [CircuitBreakerConfig("db", failure_threshold=number) for number in (3, 4)]
    with pytest.warns(RuntimeWarning, match="alternate") as warned:
        for number in range(10):
            driver.execute(manager, driver.make(Script("ok")), circuit_breaker_config=configs[number % 2])
    assert len(warned) == 1
    assert manager.circuit_breaker("db").snapshot().tally.successes == 10


def test_manager_changed_configuration_reconfigures_the_circuit(
    driver: Driver, clock: ManualClock, hub: EventHub
) -> None:
    """Under a changed configuration the circuit goes on with its failures so far."""
    manager = FaultToleranceManager(clock=clock, hub=hub)
    for threshold in (5, 5, 3):
        with pytest.raises(ConnectionError):
            driver.execute(
                manager,
                driver.make(Script(DOWN)),
                circuit_breaker_config=CircuitBreakerConfig("db", failure_threshold=threshold),
            )
    assert manager.circuit_breaker("db").state is CircuitState.OPEN


def test_registry_names_share_one_pipeline(driver: Driver, registry: Registry) -> None:
    """`protect` under a known name gives the pipeline that is there."""
    from scrollintel import protect

    first = protect("shop", breaker=SHOP, registry=registry)
    assert protect("shop", registry=registry) is first
    assert protect(Policy("shop", breaker=SHOP), registry=registry) is first
    with pytest.raises(ConnectionError):
        driver.call(first, driver.make(Script(DOWN)))
    assert registry.snapshot()["shop"].state is CircuitState.OPEN
