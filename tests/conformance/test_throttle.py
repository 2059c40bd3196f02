"""The throttle in a policy: what counts as accepted, whom it refuses, and what its refusal means to other layers."""

from __future__ import annotations

import pytest

from scrollintel import (
    BulkheadFullError,
    CallRejected,
    CircuitBreakerConfig,
    Pipeline,
    Policy,
    RateLimitConfig,
    RateLimitedError,
    RetryConfig,
    ThrottleChanged,
    ThrottleConfig,
    ThrottledError,
    request_context,
)
from scrollintel.core.chance import drawing_from
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger, Script

FAILS = ConnectionError("down")


def break_down(driver: Driver, pipeline: Pipeline, number: int = 40) -> None:
    """Let attempts fail; none of them is throttled."""
    with drawing_from(lambda: 0.9999):
        for _ in range(number):
            assert driver.error(pipeline, driver.make(Script(FAILS))) is ConnectionError


def call_as(driver: Driver, criticality: str, pipeline: Pipeline) -> object:
    """Make a call for a request of a class."""
    operation = driver.make(Script("ok"))
    if driver.asynchronous:

        async def main() -> object:
            with request_context(criticality=criticality):
                return await pipeline.acall(operation)

        return driver.run(main)
    with request_context(criticality=criticality):
        return pipeline.call(operation)


def test_throttle_refuses_what_the_dependency_would_not_accept(
    driver: Driver, build: Build, clock: ManualClock, ledger: Ledger
) -> None:
    """A share of the attempts is not sent, which is neutral for the circuit and not retried, and told."""
    breaker = CircuitBreakerConfig("service", failure_threshold=1000)
    pipeline = build(throttle=ThrottleConfig(), breaker=breaker, retry=RetryConfig(base_delay=0, max_attempts=1))
    break_down(driver, pipeline)
    assert pipeline.snapshot().throttled == 0.9
    script = Script("ok")
    with drawing_from(lambda: 0.5), pytest.raises(ThrottledError, match="accepts too little"):
        driver.call(pipeline, driver.make(script))
    assert script.calls == 0
    tally = pipeline.snapshot().tally
    assert (tally.rejections, tally.failures) == (1, 40)
    assert [event.layer for event in ledger.of(CallRejected)] == ["throttle"]
    assert pipeline.figures().throttle_rejections == pipeline.figures().rejections == 1
    clock.advance(20)
    assert pipeline.figures().throttled == 0.0
    assert driver.call(pipeline, driver.make(script)) == "ok"
    assert [event.active for event in ledger.of(ThrottleChanged)] == [True, False]


def test_throttle_refuses_the_sheddable_first(driver: Driver, build: Build) -> None:
    """With 36 of 100 accepted the most critical all pass, and more of the less critical are refused."""
    pipeline = build(throttle=ThrottleConfig())
    with drawing_from(lambda: 0.9999):
        for number in range(100):
            driver.error(pipeline, driver.make(Script("ok" if number < 36 else FAILS)))
    shares = {"critical_plus": 0.001, "critical": 0.27, "sheddable_plus": 0.36, "sheddable": 0.45}
    for criticality, share in shares.items():
        with drawing_from(lambda share=share: share):  # type: ignore[misc]
            assert call_as(driver, criticality, pipeline) == "ok"
    with drawing_from(lambda: 0.1), pytest.raises(ThrottledError):
        call_as(driver, "sheddable", pipeline)


@pytest.mark.parametrize(
    ("parts", "result", "counts"),
    [
        ({}, FAILS, True),
        ({}, "ok", False),
        ({"breaker": {"failure_exceptions": [TimeoutError]}}, FAILS, False),
        ({"breaker": {"failure_exceptions": [ConnectionError]}}, FAILS, True),
        ({"breaker": {"result_predicate": lambda value: value == 503}}, 503, True),
        ({"throttle": {"failure_predicate": lambda error: "503" in str(error)}}, FAILS, False),
        ({"throttle": {"failure_predicate": lambda error: "503" in str(error)}}, ValueError("503"), True),
        ({"throttle": {"result_predicate": lambda value: value == 503}}, 503, True),
        ({"throttle": {"result_predicate": lambda value: value.broken}}, 503, False),
        ({}, GeneratorExit(), None),
        ({}, BulkheadFullError("inner"), None),
    ],
)
def test_throttle_counts_what_the_predicates_say(
    driver: Driver, build: Build, parts: dict[str, dict[str, object]], result: object, counts: bool | None
) -> None:
    """Failures of the breaker or of its own predicates are not accepted; refusals and exits count for nothing."""
    breaker = parts.get("breaker")
    pipeline = build(
        throttle=ThrottleConfig(min_requests=2, **parts.get("throttle", {})),  # type: ignore[arg-type]
        **({} if breaker is None else {"breaker": CircuitBreakerConfig("service", 1000, **breaker)}),  # type: ignore[arg-type]
    )
    with drawing_from(lambda: 0.9999):
        driver.call(pipeline, driver.make(Script("ok")))  # the next one finds a throttle at rest
        for _ in range(4):
            try:
                driver.call(pipeline, driver.make(Script(result)))
            except BaseException as error:
                assert error is result
    throttle = pipeline.lane.parts.throttle
    assert throttle is not None
    assert (throttle.share() > 0.0) is (counts is True)
    assert throttle._machine.requests == (1 if counts is None else 5)


def test_throttle_refusal_of_the_rate_limit_inside_is_neutral(driver: Driver, build: Build) -> None:
    """What never reached the dependency was not refused by it."""
    pipeline = build(throttle=ThrottleConfig(min_requests=1), rate_limit=RateLimitConfig(0.001))
    driver.call(pipeline, driver.make(Script("ok")))
    for _ in range(50):
        assert driver.error(pipeline, driver.make(Script("ok"))) is RateLimitedError
    assert pipeline.snapshot().throttled == 0.0


def test_throttle_keeps_its_counts_when_the_policy_is_replaced(driver: Driver, build: Build) -> None:
    """A policy goes on with what it knows, and without the part when that is taken away."""
    pipeline = build(throttle=ThrottleConfig())
    break_down(driver, pipeline)
    pipeline.replace(Policy("service", throttle=ThrottleConfig(max_share=0.5)))
    assert pipeline.snapshot().throttled == 0.5
    pipeline.replace(Policy("service"))
    assert pipeline.snapshot().throttled is None


def test_throttle_serves_blocks_and_loops(driver: Driver, build: Build) -> None:
    """A block that ends well was accepted, whatever values are refused, and one that fails was not."""
    pipeline = build(throttle=ThrottleConfig(result_predicate=lambda value: True))
    for use in (driver.block, driver.loop):
        assert use(pipeline, lambda: "ok") == "ok"
    throttle = pipeline.lane.parts.throttle
    assert throttle is not None and throttle.calm

    def fail() -> None:
        raise FAILS

    for _ in range(40):
        with pytest.raises(ConnectionError):
            driver.block(pipeline, fail)
        if pipeline.snapshot().throttled:
            break
    assert pipeline.snapshot().throttled
