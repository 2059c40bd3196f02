"""Configurations from outside the code: they hold, keep its callables, and give way without a trace."""

from __future__ import annotations

import json
import warnings

import pytest

from scrollintel import (
    CircuitBreakerConfig,
    CircuitOpenError,
    CircuitState,
    ConfigError,
    FaultToleranceManager,
    Policy,
    RetryConfig,
    StateChanged,
    Value,
    levels,
)
from scrollintel.core.hub import EventHub
from scrollintel.core.registry import Registry
from scrollintel.core.strategies.breaker import Circuit
from scrollintel.testing import ManualClock

THRESHOLD = {"breaker": {"name": "shop", "failure_threshold": 2}}


def fails() -> None:
    """Fail."""
    raise ConnectionError("down")


def is_bad(value: object) -> bool:
    """Tell that nothing is bad."""
    return False


def test_override_of_a_registered_policy_keeps_callables_and_is_taken_back(registry: Registry) -> None:
    """The pushed numbers hold, predicates and fallbacks stay, and the code's policy comes back."""
    breaker = CircuitBreakerConfig("shop", result_predicate=is_bad)
    own = Policy("shop", breaker=breaker, retry=RetryConfig(), fallback=Value(1))
    pipeline = registry.pipeline(own)
    content = Policy("shop", breaker=CircuitBreakerConfig("shop", failure_threshold=2)).to_dict()
    registry.override("shop", content)
    assert pipeline.policy.retry is None
    assert pipeline.policy.fallback == own.fallback
    assert registry.find_circuit("shop").config.failure_threshold == 2
    assert registry.find_circuit("shop").config.result_predicate is is_bad
    assert registry.pipeline(own) is pipeline
    assert pipeline.policy.retry is None
    assert registry.remove_override("shop")
    assert pipeline.policy == own
    assert registry.find_circuit("shop").config == breaker


def test_override_of_ramp_levels_and_health_probe_keeps_the_code_of_each(registry: Registry) -> None:
    """What is data comes from outside and goes back the same way; the key of levels and the probe stay the code's."""
    key = levels(shard=lambda shard: shard)
    breaker = CircuitBreakerConfig("orders", ramp_kind="success", ramp_limit=16, health_probe=bool, probe_interval=2)
    own = Policy("orders", breaker=breaker, key=key)
    pipeline = registry.pipeline(own)
    content = json.loads(json.dumps(own.to_dict()))
    assert Policy.from_dict(content).to_dict() == own.to_dict()
    content["breaker"].update(ramp_limit=8, probe_timeout=1.5)
    registry.override("orders", content)
    held = pipeline.policy.breaker
    assert held is not None
    assert (held.ramp_kind, held.ramp_limit, held.probe_interval, held.probe_timeout) == ("success", 8, 2.0, 1.5)
    assert held.health_probe is bool
    assert pipeline.policy.key is key
    assert pipeline.call(str, "shard") == "shard"
    assert {circuit.key for circuit in pipeline.snapshot().circuits} == {None, "shard=shard"}


def test_override_before_the_code_registers_holds_from_its_first_call(registry: Registry) -> None:
    """What the control plane says of a name that nobody has used yet waits for it."""
    registry.override("shop", THRESHOLD)
    pipeline = registry.pipeline(Policy("shop", breaker=CircuitBreakerConfig("shop"), retry=RetryConfig()))
    assert pipeline.policy.breaker == CircuitBreakerConfig("shop", failure_threshold=2)
    assert pipeline.policy.retry == RetryConfig()


def test_override_of_a_circuit_holds_in_policies_of_other_names(registry: Registry) -> None:
    """A policy that uses the circuit of another name runs it under the pushed configuration."""
    pipeline = registry.pipeline(Policy("orders", breaker=CircuitBreakerConfig("shop")))
    registry.override("shop", THRESHOLD)
    assert pipeline.policy.breaker is not None
    assert pipeline.policy.breaker.failure_threshold == 2


def test_override_of_calls_with_configurations_outlasts_them_without_a_warning(
    clock: ManualClock, hub: EventHub
) -> None:
    """Later calls bring the code's configuration again, and neither revert the revision nor warn."""
    manager = FaultToleranceManager(clock=clock, hub=hub)
    first, second = (CircuitBreakerConfig("shop", failure_threshold=number) for number in (5, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        manager.execute_blocking(lambda: 1, circuit_breaker_config=first)
        manager.registry.override("shop", THRESHOLD)
        for config in (first, second, first, second):
            manager.execute_blocking(lambda: 1, circuit_breaker_config=config)
            assert manager.circuit_breaker("shop").config.failure_threshold == 2
    manager.registry.remove_override("shop")
    assert manager.circuit_breaker("shop").config == second


def test_override_that_does_not_fit_leaves_the_old_one_running(registry: Registry) -> None:
    """A keyed policy cannot lose its breaker; the former revision goes on."""
    pipeline = registry.pipeline(Policy("shop", breaker=CircuitBreakerConfig("shop"), key=str))
    registry.override("shop", THRESHOLD)
    with pytest.raises(ConfigError, match="key"):
        registry.override("shop", {"breaker": None})
    with pytest.raises(ConfigError, match="failure_threshold"):
        registry.override("shop", {"breaker": {"name": "shop", "failure_threshold": 0}})
    assert pipeline.policy.breaker is not None
    assert pipeline.policy.breaker.failure_threshold == 2


def test_circuit_restored_open_refuses_for_the_remaining_time(registry: Registry, clock: ManualClock) -> None:
    """An open period goes on with what is left of it, and no longer than the configuration allows."""
    pipeline = registry.pipeline(Policy("shop", breaker=CircuitBreakerConfig("shop", recovery_timeout=10)))
    assert pipeline.circuit().restore_open(4.0, "restored after a restart: 5 failures in a row")
    with pytest.raises(CircuitOpenError) as refusal:
        pipeline.call(fails)
    assert refusal.value.retry_after == 4.0
    assert pipeline.snapshot().circuits[0].reason == "restored after a restart: 5 failures in a row"
    assert not pipeline.circuit().restore_open(4.0, "again")
    clock.advance(4.0)
    assert pipeline.circuit().state is CircuitState.HALF_OPEN
    pipeline.circuit().close()
    assert pipeline.circuit().restore_open(1e9, "a clock that jumped")
    assert pipeline.circuit().refuses_for() == 10.0


def test_registry_tells_of_circuits_by_name_and_by_key(registry: Registry) -> None:
    """Each new circuit is told once."""
    seen: list[tuple[str, str | None]] = []
    registry.on_arrived = lambda circuit: seen.append((circuit.name, circuit.key))
    pipeline = registry.pipeline(Policy("hosts", breaker=CircuitBreakerConfig("hosts"), key=str))
    for key in ("a", "b", "a"):
        pipeline.call(lambda key: key, key)
    assert seen == [("hosts", None), ("hosts", "a"), ("hosts", "b")]
    assert {circuit.key for circuit in registry.all_circuits()} == {None, "a", "b"}
    assert {circuit.key for circuit in registry.keyed_circuits("hosts")} == {"a", "b"}


@pytest.mark.parametrize("way", ["call", "decorated", "guard", "attempts"])
def test_registry_first_call_is_told_once_and_not_at_registration(registry: Registry, way: str) -> None:
    """Building policies tells nothing; the first call of any kind does, and later ones do not."""
    seen: list[str] = []
    early = registry.pipeline(Policy("early", breaker=CircuitBreakerConfig("early")))
    registry.await_first_call(lambda: seen.append("began"))
    late = registry.pipeline(Policy("late", bulkhead=3))
    assert seen == []
    for pipeline in (late, early, late):
        if way == "call":
            assert pipeline.call(lambda: 1) == 1
        elif way == "decorated":
            assert pipeline(lambda: 1)() == 1
        elif way == "guard":
            with pipeline.guard():
                pass
        else:
            for attempt in pipeline.attempts():
                with attempt:
                    pass
        assert seen == ["began"]


def test_hub_buffer_keeps_changes_wakes_once_and_leaves_calls_alone(registry: Registry, hub: EventHub) -> None:
    """Changes wait for their reader; facts about calls are not even made."""
    wakes: list[int] = []
    buffer = hub.buffer(size=2, wake=lambda: wakes.append(1))
    assert hub.watched
    assert not hub.active
    circuit = registry.circuit(CircuitBreakerConfig("shop"))
    for _ in range(2):
        circuit.isolate("maintenance")
        circuit.close("done")
    assert wakes == [1]
    assert buffer.dropped == 2
    first, _ = buffer.take()
    assert isinstance(first, StateChanged)
    assert first.new is CircuitState.ISOLATED
    assert buffer.take() == []
    buffer.cancel()
    assert not hub.watched


def test_circuit_report_is_none_until_something_changes(registry: Registry) -> None:
    """Unchanged figures cost nothing more; changed ones come with all counts."""
    circuit: Circuit = registry.circuit(CircuitBreakerConfig("shop", failure_threshold=1))
    reading = circuit.report()
    assert reading is not None
    assert circuit.report(reading.mark) is None
    pipeline = registry.pipeline(Policy("shop", breaker=circuit.config))
    pipeline.call(lambda: 1)
    with pytest.raises(ConnectionError):
        pipeline.call(fails)
    with pytest.raises(CircuitOpenError):
        pipeline.call(fails)
    after = circuit.report(reading.mark)
    assert after is not None
    assert after.state is CircuitState.OPEN
    assert after.mark.tally == (1, 1, 0, 1, 0, 0, 0, 0)
    assert after.response_times.count == 2
