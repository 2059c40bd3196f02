"""Circuits by key whose calls take the short way, against the chain."""

from __future__ import annotations

from typing import Any

import pytest

from scrollintel import (
    CallTimeoutError,
    CircuitBreakerConfig,
    CircuitOpenError,
    CircuitState,
    Pipeline,
    Policy,
    RetryConfig,
)
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Script

DOWN = ConnectionError("down")
CIRCUIT = CircuitBreakerConfig("service", failure_threshold=3, recovery_timeout=10.0)


def of_host(host: object, *rest: object) -> object:
    """Return the key of a call."""
    return host


def keyed(build: Build, **options: Any) -> Pipeline:
    """Return a policy with a circuit per host."""
    return build(**{"breaker": CIRCUIT, "key": of_host, **options})


def entered(monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline) -> list[object]:
    """Return a list of the calls that take the chain, which fills from now on."""
    calls: list[object] = []
    choose = pipeline.lane.parts.choose

    def counting(args: tuple[Any, ...], kwargs: Any) -> Any:
        calls.append(args)
        return choose(args, kwargs)

    monkeypatch.setattr(type(pipeline.lane.parts), "choose", lambda self, args, kwargs: counting(args, kwargs))
    return calls


@pytest.mark.parametrize("driver", ["blocking", "asynchronous"], indirect=True)
@pytest.mark.parametrize("decorated", [True, False])
def test_keyed_call_of_a_known_key_needs_no_chain(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, decorated: bool
) -> None:
    """The first call of a key makes its circuit; all others find it."""
    pipeline = Pipeline(Policy("service", breaker=CIRCUIT, key=of_host))
    operation = driver.make(lambda host: f"at {host}")
    protected = pipeline(operation) if decorated else None

    def call(host: object) -> Any:
        return driver.run(protected, host) if protected else driver.call(pipeline, operation, host)

    calls = entered(monkeypatch, pipeline)
    for host in ("a", "b", "a", "a", "b"):
        assert call(host) == f"at {host}"
    assert calls == [("a",), ("b",)]
    view = pipeline.snapshot()
    assert {circuit.key: circuit.tally.successes for circuit in view.circuits} == {"a": 3, "b": 2}
    assert all(circuit.response_times.count == circuit.tally.successes for circuit in view.circuits)


@pytest.mark.parametrize("key", [7, None, ("a", 1), ["no", "hash"], {"nor": "this"}])
def test_keyed_call_takes_keys_that_are_no_text(driver: Driver, build: Build, key: object) -> None:
    """Their text names the circuit."""
    pipeline = keyed(build)
    protected = pipeline(driver.make(lambda key: "ok"))
    for _ in range(3):
        assert driver.run(protected, key) == "ok"
    (circuit,) = pipeline.snapshot().circuits
    assert (circuit.key, circuit.tally.successes) == (str(key), 3)


def test_keyed_call_whose_key_raises_ends_with_that(driver: Driver, build: Build) -> None:
    """As it does on the chain."""

    def broken(host: str) -> str:
        raise LookupError("no host")

    pipeline = keyed(build, key=broken)
    with pytest.raises(LookupError, match="no host"):
        driver.run(pipeline(driver.make(lambda host: "ok")), "a")


def test_keyed_failures_open_the_circuit_of_their_key(driver: Driver, build: Build) -> None:
    """Counted on the short way, refused by the circuit of the key, which is told."""
    pipeline = keyed(build)
    good = pipeline(driver.make(lambda host: "ok"))
    bad = pipeline(driver.make(Script(DOWN)))
    for host in ("a", "b"):
        driver.run(good, host)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            driver.run(bad, "a")
    with pytest.raises(CircuitOpenError) as refused:
        driver.run(good, "a")
    assert refused.value.key == "a"
    assert driver.run(good, "b") == "ok"
    assert pipeline.circuit("a").state is CircuitState.OPEN
    assert pipeline.circuit("b").state is CircuitState.CLOSED


def test_keyed_circuit_probes_and_closes(driver: Driver, build: Build, clock: ManualClock) -> None:
    """An open circuit sends its calls to the chain, and a closed one to the short way again."""
    pipeline = keyed(build)
    bad, good = pipeline(driver.make(Script(DOWN))), pipeline(driver.make(lambda host: "ok"))
    for _ in range(3):
        with pytest.raises(ConnectionError):
            driver.run(bad, "a")
    clock.advance(10.0)
    for _ in range(10):
        assert driver.run(good, "a") == "ok"
    assert pipeline.circuit("a").state is CircuitState.CLOSED


def test_keyed_retries_stay_with_the_circuit_of_their_key(driver: Driver, build: Build) -> None:
    """Attempts and fallback count where the call began."""
    pipeline = keyed(build, retry=RetryConfig(max_attempts=3, base_delay=0.0), fallback=lambda outcome: "instead")
    protected = pipeline(driver.make(Script("ok", DOWN, "ok", DOWN, DOWN, DOWN)))
    assert [driver.run(protected, host) for host in ("a", "a", "a")] == ["ok", "ok", "instead"]
    (circuit,) = pipeline.snapshot().circuits
    assert (circuit.key, circuit.tally.successes, circuit.tally.failures) == ("a", 2, 4)


def test_keyed_call_has_its_time_limit(driver: Driver, build: Build) -> None:
    """A late answer is a failure of its key's circuit."""
    pipeline = keyed(build, breaker=CircuitBreakerConfig("service", timeout=1.0))
    protected = pipeline(driver.make(lambda host: "ok"))
    assert driver.run(protected, "a") == "ok"
    late = pipeline(driver.takes(2.0, lambda host: "late"))
    if driver.asynchronous:
        with pytest.raises(CallTimeoutError):
            driver.run(late, "a")
    else:
        assert driver.run(late, "a") == "late"
    assert pipeline.circuit("a").tally().failures == 1


def test_keyed_use_keeps_a_circuit(driver: Driver, build: Build, clock: ManualClock) -> None:
    """The short way says when a circuit was used, so another one makes room."""
    pipeline = keyed(build, max_keys=2)
    protected = pipeline(driver.make(lambda host: "ok"))
    for host in ("a", "b", "a", "c"):
        clock.advance(1.0)
        driver.run(protected, host)
    assert {circuit.key for circuit in pipeline.snapshot().circuits} == {"a", "c"}


def test_keyed_functions_follow_a_policy_that_loses_and_gets_its_key(driver: Driver, build: Build) -> None:
    """A function that was made for one kind of policy works under the other."""
    pipeline = keyed(build)
    plain = Policy("service", breaker=CIRCUIT)
    with_key = pipeline.policy
    made_with_key = pipeline(driver.make(lambda host: "ok"))
    driver.run(made_with_key, "a")
    pipeline.replace(plain)
    made_without = pipeline(driver.make(lambda host: "ok"))
    for function in (made_with_key, made_without):
        assert driver.run(function, "a") == "ok"
    assert pipeline.snapshot().circuits[0].tally.successes >= 2
    pipeline.replace(with_key)
    for function in (made_with_key, made_without):
        assert driver.run(function, "b") == "ok"
    assert pipeline.circuit("b").tally().successes == 2


def test_keyed_first_call_is_told(driver: Driver, build: Build) -> None:
    """Also when the circuit of its key is there already."""
    pipeline = keyed(build)
    protected = pipeline(driver.make(lambda host: "ok"))
    driver.run(protected, "a")
    told: list[str] = []
    pipeline.lane.await_first_call(lambda: told.append("begun"))
    for _ in range(3):
        assert driver.run(protected, "a") == "ok"
    assert told == ["begun"]
