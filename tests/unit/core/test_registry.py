"""The registry: policies and circuits by name."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import pytest

from scrollintel import (
    BulkheadConfig,
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitOpenError,
    CircuitState,
    ConfigError,
    EventHub,
    FaultToleranceManager,
    NotFoundError,
    Policy,
    PolicyReplaced,
    RetryConfig,
    TimeoutConfig,
    protect,
)
from scrollintel.core import registry as registry_module
from scrollintel.core.registry import Registry
from scrollintel.testing import ManualClock


def fails() -> None:
    """Fail."""
    raise ConnectionError("down")


def trip(registry: Registry, name: str) -> None:
    """Open a circuit by one failure."""
    with pytest.raises(ConnectionError):
        registry.pipeline(Policy(name, breaker=CircuitBreakerConfig(name, failure_threshold=1))).call(fails)


def test_registry_gives_one_pipeline_per_name(registry: Registry) -> None:
    """The same name and policy give the same pipeline."""
    policy = Policy("shop", retry=RetryConfig())
    first = registry.pipeline(policy)
    assert registry.pipeline(Policy("shop", retry=RetryConfig())) is first
    assert registry.get("shop") is first
    assert registry.names() == ["shop"]


def test_registry_unknown_names_are_told(registry: Registry) -> None:
    """What is not there is an error that names it."""
    for ask in (registry.get, registry.find_circuit, registry.remove):
        with pytest.raises(NotFoundError, match="'nothing'"):
            ask("nothing")
    with pytest.raises(NotFoundError):
        registry.replace(Policy("nothing"))


def test_registry_circuits_are_shared_by_name(registry: Registry) -> None:
    """Two policies whose breakers carry one name share the circuit."""
    config = CircuitBreakerConfig("database", failure_threshold=1)
    reads = registry.pipeline(Policy("reads", breaker=config))
    writes = registry.pipeline(Policy("writes", breaker=config, retry=RetryConfig(max_attempts=1)))
    with pytest.raises(ConnectionError):
        reads.call(fails)
    assert writes.circuit().state is CircuitState.OPEN
    assert writes.circuit() is reads.circuit() is registry.find_circuit("database")
    assert registry.circuits() == [reads.circuit()]


def test_registry_removed_policy_goes_on_for_those_who_hold_it(registry: Registry) -> None:
    """After removal the name is free, and functions decorated before stay protected."""
    pipeline = protect("shop", breaker=CircuitBreakerConfig("shop"), registry=registry)
    protected = pipeline(lambda: "ok")
    registry.remove("shop")
    assert registry.names() == []
    assert registry.circuits() == []
    assert protected() == "ok"
    assert protect("shop", breaker=CircuitBreakerConfig("shop"), registry=registry) is not pipeline


def test_registry_clear_forgets_everything(registry: Registry) -> None:
    """After clearing nothing is known."""
    registry.pipeline(Policy("shop", breaker=CircuitBreakerConfig("shop")))
    registry.clear()
    assert (registry.names(), registry.circuits(), registry.snapshot()) == ([], [], {})


def test_registry_snapshot_shows_all_policies(registry: Registry) -> None:
    """Each registered policy is in the snapshot by name."""
    trip(registry, "a")
    registry.pipeline(Policy("b", bulkhead=BulkheadConfig(3)))
    view = registry.snapshot()
    assert (view["a"].state, view["b"].state) == (CircuitState.OPEN, None)
    assert view["b"].running == 0
    assert view["a"].to_dict()["circuits"][0]["state"] == "open"


def test_registry_bad_policy_registers_nothing(registry: Registry) -> None:
    """A configuration that breaks its rules leaves the registry as it was, and a known policy in force."""
    parts: list[dict[str, Any]] = [{"timeout": -1.0}, {"bulkhead": 0}, {"unknown": 1}, {"key": 3}]
    for bad in parts:
        with pytest.raises(ConfigError):
            protect("shop", registry=registry, **bad)
    assert registry.names() == []
    pipeline = protect("shop", timeout=1.0, registry=registry)
    with pytest.raises(ConfigError):
        protect("shop", timeout=0.0, registry=registry)
    assert pipeline.policy.limits.attempt == 1.0


def test_protect_name_alone_gives_a_default_breaker(registry: Registry) -> None:
    """A name without anything else is protected by a circuit with the default configuration."""
    assert protect("shop", registry=registry).policy.breaker == CircuitBreakerConfig("shop")


def test_protect_whole_policy_takes_no_parts(registry: Registry) -> None:
    """A whole policy together with parts of another is refused."""
    with pytest.raises(TypeError, match="retry"):
        protect(Policy("shop"), retry=RetryConfig(), registry=registry)


def test_registry_alternating_policies_warn_once(registry: Registry) -> None:
    """Two places that protect one name differently are told once."""
    with pytest.warns(RuntimeWarning, match="'shop' alternate") as warned:
        for _ in range(5):
            protect("shop", timeout=1.0, registry=registry)
            protect("shop", timeout=2.0, registry=registry)
    assert len(warned) == 1


def test_registry_series_of_new_configurations_does_not_warn(registry: Registry) -> None:
    """Ever new configurations are changes, not an alternation."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seconds in range(1, 30):
            protect("shop", timeout=float(seconds), registry=registry)
    assert registry.get("shop").snapshot().revision == 29


def test_registry_replacement_is_told(registry: Registry, hub: EventHub) -> None:
    """A replaced policy is an event with the parts that changed."""
    seen: list[Any] = []
    hub.subscribe(seen.append, kinds=[PolicyReplaced])
    registry.pipeline(Policy("shop", timeout=1.0))
    registry.replace(Policy("shop", timeout=2.0, retry=RetryConfig()))
    assert hub.flush()
    assert [(event.changed, event.revision) for event in seen] == [(("retry", "timeout"), 2)]


def test_registry_circuits_are_bounded(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound closed circuits that no policy uses give way, open and registered ones stay."""
    monkeypatch.setattr(registry_module, "MAX_CIRCUITS", 5)
    trip(registry, "open")
    registry.pipeline(Policy("kept", breaker=CircuitBreakerConfig("kept")))
    for number in range(50):
        registry.circuit(CircuitBreakerConfig(f"call {number}"))
    names = {circuit.name for circuit in registry.circuits()}
    assert len(names) <= 6
    assert {"open", "kept", "call 49"} <= names


def test_registry_many_threads_build_one_pipeline(registry: Registry) -> None:
    """Threads that ask for a new name at the same time get the same pipeline."""
    start = threading.Barrier(8)
    found: list[object] = []

    def ask() -> None:
        start.wait()
        found.append(registry.pipeline(Policy("shop", breaker=CircuitBreakerConfig("shop"))))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(pipeline) for pipeline in found}) == 1


# -------------------------------------------------------------------------------------------------------- manager


def test_manager_shares_circuits_with_protect(clock: ManualClock, hub: EventHub) -> None:
    """A decorated function and a manager call under one name meet in one circuit."""
    manager = FaultToleranceManager(clock=clock, hub=hub)
    config = CircuitBreakerConfig("db", failure_threshold=1)
    protected = protect("db", breaker=config, registry=manager.registry)(fails)
    with pytest.raises(ConnectionError):
        protected()
    assert manager.circuit_breaker("db").state is CircuitState.OPEN
    with pytest.raises(CircuitOpenError):
        manager.execute_blocking(lambda: "ok", circuit_breaker_config=config)


def test_manager_circuit_breakers_operate_on_the_shared_circuit(clock: ManualClock, hub: EventHub) -> None:
    """Looking at a circuit by name, isolating and closing it work on the one that calls use."""
    manager = FaultToleranceManager(clock=clock, hub=hub)
    config = CircuitBreakerConfig("db")
    manager.execute_blocking(lambda: "ok", circuit_breaker_config=config)
    circuit = manager.circuit_breaker("db")
    assert isinstance(circuit, CircuitBreaker)
    circuit.isolate()
    with pytest.raises(CircuitOpenError):
        manager.execute_blocking(lambda: "ok", circuit_breaker_config=config)
    manager.circuit_breakers()["db"].close()
    assert manager.execute_blocking(lambda: "ok", circuit_breaker_config=config) == "ok"
    with pytest.raises(NotFoundError):
        manager.circuit_breaker("other")


def test_manager_cleared_starts_anew(clock: ManualClock, hub: EventHub) -> None:
    """After clearing the same configuration object meets a new circuit, which can be found by name."""
    manager = FaultToleranceManager(clock=clock, hub=hub)
    config = CircuitBreakerConfig("db", failure_threshold=1)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            manager.execute_blocking(fails, circuit_breaker_config=config)
        assert manager.circuit_breaker("db").state is CircuitState.OPEN
        manager.clear()
        assert manager.snapshot() == {}


def test_manager_removed_name_starts_anew(clock: ManualClock, hub: EventHub) -> None:
    """A name that was removed from the registry is a new one for the next call, with the same configuration too."""
    manager = FaultToleranceManager(clock=clock, hub=hub)
    config = CircuitBreakerConfig("db", failure_threshold=1)
    with pytest.raises(ConnectionError):
        manager.execute_blocking(fails, circuit_breaker_config=config)
    manager.registry.remove("db")
    assert manager.execute_blocking(lambda: "ok", circuit_breaker_config=config) == "ok"
    assert manager.circuit_breaker("db").state is CircuitState.CLOSED


def test_manager_configurations_made_anew_for_each_call_share_all(clock: ManualClock, hub: EventHub) -> None:
    """Equal configurations in new objects are the same combination: nothing grows and nothing warns."""
    manager = FaultToleranceManager(clock=clock, hub=hub)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(100):
            manager.execute_blocking(
                lambda: "ok",
                circuit_breaker_config=CircuitBreakerConfig("db"),
                retry_config=RetryConfig(max_attempts=2),
                fallback=lambda: None,
            )
    assert manager.circuit_breaker("db").snapshot().tally.successes == 100
    assert len(manager._names["db"].variants) == 1


def test_manager_combinations_are_bounded(clock: ManualClock, hub: EventHub) -> None:
    """Ever new hooks under one name do not pile up, and no call is lost from the counts."""
    manager = FaultToleranceManager(clock=clock, hub=hub)
    for number in range(200):
        manager.execute_blocking(
            lambda: "ok",
            circuit_breaker_config=CircuitBreakerConfig("db"),
            retry_config=RetryConfig(result_predicate=lambda value, n=number: value == n),  # type: ignore[misc]
        )
    assert len(manager._names["db"].variants) <= 32
    assert manager.snapshot()["db"].tally.successes == 200


def test_manager_calls_without_a_circuit_are_seen_too(clock: ManualClock, hub: EventHub) -> None:
    """A call that brings a retry or a time limit alone works and is counted."""
    manager = FaultToleranceManager(clock=clock, hub=hub)
    manager.execute_blocking(lambda: "ok", retry_config=RetryConfig())
    manager.execute_blocking(lambda: "ok", timeout=TimeoutConfig(total=5))
    (view,) = manager.snapshot().values()
    assert view.tally.successes >= 1
