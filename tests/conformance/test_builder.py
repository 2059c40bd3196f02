"""Pipelines built layer by layer: what order they run in, and which orders are refused and why."""

from __future__ import annotations

import itertools

import pytest

from scrollintel import (
    CircuitState,
    ConfigError,
    Pipeline,
    PipelineBuilder,
    Policy,
    RetryConfig,
    Value,
)
from scrollintel.core.config.order import DEFAULT_ORDER, order_problem
from scrollintel.testing import ManualClock
from tests.conformance.driver import Driver, Ledger, Script

LAYERS = {
    "fallback": lambda builder: builder.fallback(Value("answer")),
    "retry": lambda builder: builder.retry(base_delay=0),
    "hedge": lambda builder: builder.hedge(delay=1000),
    "breaker": lambda builder: builder.breaker(failure_threshold=2),
    "rate_limit": lambda builder: builder.rate_limit(1000),
    "throttle": lambda builder: builder.throttle(multiplier=3),
    "bulkhead": lambda builder: builder.bulkhead(10),
    "limit": lambda builder: builder.limit(initial_limit=10),
    "timeout": lambda builder: builder.timeout(5.0),
}


def builder(*layers: str) -> PipelineBuilder:
    """Return a builder with these layers, outermost first."""
    found = Pipeline.builder("built")
    for layer in layers:
        LAYERS[layer](found)
    return found


def test_builder_makes_a_working_pipeline(driver: Driver, clock: ManualClock, ledger: Ledger) -> None:
    """The documented chain builds and protects."""
    pipeline = Pipeline.builder("payments").retry(base_delay=0).breaker(failure_threshold=3).timeout(1.0)
    built = pipeline.build(clock=clock, hub=ledger)
    assert driver.call(built, driver.make(Script(ConnectionError("1"), "ok"))) == "ok"
    assert built.policy.layers == DEFAULT_ORDER
    assert built.policy.limits.attempt == 1.0
    assert built.snapshot().tally.failures == 1


def test_builder_order_decides_what_the_breaker_counts(driver: Driver, clock: ManualClock, ledger: Ledger) -> None:
    """Retry outside counts attempts, breaker outside counts calls."""
    for layers, state in ((("retry", "breaker"), CircuitState.OPEN), (("breaker", "retry"), CircuitState.CLOSED)):
        pipeline = builder(*layers).build(clock=clock, hub=ledger)
        assert driver.error(pipeline, driver.make(Script(ConnectionError("down")))) is not None
        assert pipeline.circuit().state is state


def test_builder_order_decides_whether_a_refused_call_spends_a_permit(
    driver: Driver, clock: ManualClock, ledger: Ledger
) -> None:
    """A rate limit outside the breaker is asked for calls that the circuit refuses, one inside is not."""
    for layers, left in ((("rate_limit", "breaker"), 999), (("breaker", "rate_limit"), 1000)):
        pipeline = builder(*layers).build(clock=clock, hub=ledger)
        pipeline.circuit().isolate()
        assert driver.error(pipeline, driver.make(Script("ok"))) is not None
        assert pipeline.snapshot().permits == left


@pytest.mark.parametrize("layers", list(itertools.permutations(LAYERS, 2)), ids="-".join)
def test_builder_accepts_or_refuses_each_pair_with_a_reason(
    driver: Driver, clock: ManualClock, ledger: Ledger, layers: tuple[str, str]
) -> None:
    """Every pair of layers either works in the given order or is refused as soon as it is put together."""
    problem = order_problem(layers)
    if problem is None:
        pipeline = builder(*layers).build(clock=clock, hub=ledger)
        assert driver.call(pipeline, driver.make(Script("ok"))) == "ok"
        order = [layer for layer in pipeline.policy.layers if layer in layers]
        assert tuple(order) == layers
    else:
        with pytest.raises(ConfigError, match="must stand outside") as caught:
            builder(*layers)
        assert problem in str(caught.value)


@pytest.mark.parametrize("layer", list(LAYERS))
def test_builder_refuses_a_layer_twice(layer: str) -> None:
    """Every layer stands once."""
    with pytest.raises(ConfigError, match="stands twice"):
        builder(layer, layer)


def test_builder_all_layers_in_default_order(driver: Driver, clock: ManualClock, ledger: Ledger) -> None:
    """All layers together work."""
    pipeline = builder(*DEFAULT_ORDER).build(clock=clock, hub=ledger)
    assert driver.call(pipeline, driver.make(Script("ok"))) == "ok"


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (("breaker", "fallback"), "hides every failure"),
        (("timeout", "breaker"), "never learns of hanging calls"),
        (("retry", "retry"), "twice"),
        (("cache",), "no layer"),
    ],
)
def test_policy_refuses_a_nonsensical_order_with_the_reason(order: tuple[str, ...], reason: str) -> None:
    """A policy's own order is judged like the builder's, and the reason is told."""
    with pytest.raises(ConfigError, match=reason):
        Policy("service", order=order)


@pytest.mark.parametrize("order", ["breaker", 7, [3]])
def test_policy_refuses_an_order_that_is_none(order: object) -> None:
    """An order is a list of names."""
    with pytest.raises(ConfigError, match="order"):
        Policy("service", order=order)  # type: ignore[arg-type]


def test_builder_keyed_gives_each_key_a_circuit(driver: Driver, clock: ManualClock, ledger: Ledger) -> None:
    """The builder makes keyed policies too."""
    pipeline = (
        Pipeline.builder("hosts").breaker(failure_threshold=1).keyed(lambda host: host).build(clock=clock, hub=ledger)
    )
    assert driver.error(pipeline, driver.make(Script(ConnectionError("down"))), "a") is ConnectionError
    assert driver.call(pipeline, driver.make(Script("ok")), "b") == "ok"
    assert pipeline.circuit("a").state is CircuitState.OPEN


def test_builder_takes_ready_configurations(clock: ManualClock) -> None:
    """A configuration may be given instead of keywords."""
    retry = RetryConfig(max_attempts=7)
    assert Pipeline.builder("built").retry(retry).policy().retry is retry
