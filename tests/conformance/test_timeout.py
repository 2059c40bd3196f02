"""Time limits of attempts and calls, and how they pass on to nested calls."""

from __future__ import annotations

from typing import Any

import pytest

from scrollintel import (
    CallTimedOut,
    CallTimeoutError,
    CircuitBreakerConfig,
    CircuitState,
    DeadlineExceededError,
    Pipeline,
    Policy,
    RetryConfig,
    TimeoutConfig,
    remaining,
)
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger, Script

ONE_FAILURE = CircuitBreakerConfig("service", failure_threshold=1, timeout=None)


def ends(driver: Driver, pipeline: Any, operation: Any) -> object:
    """Return the value or the error's class of a call: a late plain function returns, a coroutine is interrupted."""
    try:
        return driver.call(pipeline, operation)
    except Exception as error:
        return type(error)


def test_attempt_timeout_is_counted_and_told(driver: Driver, build: Build, ledger: Ledger, clock: ManualClock) -> None:
    """An attempt over its limit is a failure, a timeout and an event, and opens the circuit."""
    pipeline = build(breaker=CircuitBreakerConfig("service", failure_threshold=1, timeout=5))
    outcome = ends(driver, pipeline, driver.takes(8, lambda: "late"))
    assert outcome == (CallTimeoutError if driver.asynchronous else "late")
    assert clock.monotonic() == pytest.approx(1005 if driver.asynchronous else 1008)
    assert pipeline.circuit().state is CircuitState.OPEN
    tally = pipeline.snapshot().tally
    assert (tally.failures, tally.timeouts, tally.successes) == (1, 1, 0)
    (event,) = ledger.of(CallTimedOut)
    assert (event.timeout, event.attempt) == (pytest.approx(5), 1)


def test_attempt_within_its_limit_is_a_success(driver: Driver, build: Build) -> None:
    """An attempt that ends in time is untouched."""
    pipeline = build(breaker=CircuitBreakerConfig("service", failure_threshold=1, timeout=5))
    assert driver.call(pipeline, driver.takes(4.9, lambda: "ok")) == "ok"
    assert pipeline.snapshot().tally.timeouts == 0


def test_attempt_timeout_is_tried_again(driver: Driver, build: Build) -> None:
    """A late attempt that ended in an error is retried, with a limit of its own."""
    pipeline = build(timeout=5.0, retry=RetryConfig(max_attempts=3, base_delay=0))
    script = Script(TimeoutError("socket"))
    with pytest.raises(TimeoutError):
        driver.call(pipeline, driver.takes(8, script))
    assert pipeline.snapshot().tally.timeouts == 3


def test_total_timeout_counts_as_failure_of_the_attempt(driver: Driver, build: Build, clock: ManualClock) -> None:
    """The deadline of the whole call ends the running attempt, and opens the circuit of a hanging dependency."""
    pipeline = build(breaker=ONE_FAILURE, timeout=TimeoutConfig(total=10))
    outcome = ends(driver, pipeline, driver.takes(60, Script(TimeoutError("socket"))))
    assert outcome is (CallTimeoutError if driver.asynchronous else TimeoutError)
    assert pipeline.circuit().state is CircuitState.OPEN
    assert pipeline.snapshot().tally.timeouts == 1


def test_total_timeout_bounds_all_attempts(driver: Driver, build: Build, clock: ManualClock) -> None:
    """No attempt starts and no wait is begun that the deadline would cut off; the last real error surfaces."""
    pipeline = build(retry=RetryConfig(max_attempts=100, base_delay=3, jitter=False), timeout=TimeoutConfig(total=10))
    script = Script(ConnectionError("down"))
    with pytest.raises(ConnectionError) as caught:
        driver.call(pipeline, driver.make(script))
    assert script.calls == 3  # at 0, 3 and 9 seconds; 21 would be too late
    assert clock.monotonic() == pytest.approx(1009)
    assert "3 attempts" in caught.value.__notes__[0]


def test_total_timeout_expired_before_the_start_is_a_refusal(driver: Driver, build: Build, clock: ManualClock) -> None:
    """What the deadline has overtaken is not started and counts for nothing."""
    inner = build("inner", breaker=ONE_FAILURE)
    script = Script("ok")

    def overslept() -> None:
        clock.advance(20)

    outer = build("outer", timeout=TimeoutConfig(total=10))
    nested = driver.through(inner, driver.make(script))
    if driver.asynchronous:

        async def body() -> Any:
            overslept()
            return await nested()
    else:

        def body() -> Any:  # type: ignore[misc]  # a plain twin of the coroutine above
            overslept()
            return nested()

    with pytest.raises(DeadlineExceededError):
        driver.call(outer, body)
    assert script.calls == 0
    assert inner.circuit().state is CircuitState.CLOSED
    assert inner.snapshot().tally.failures == 0


def test_deadline_passes_through_nested_calls(driver: Driver, build: Build) -> None:
    """The innermost operation sees the earliest of all deadlines around it."""
    seen: list[float | None] = []
    operation = driver.make(lambda: seen.append(remaining()))
    generous = build("generous", timeout=100.0)
    strict = build("strict", timeout=TimeoutConfig(total=7))
    driver.call(generous, driver.through(strict, operation))
    driver.call(strict, driver.through(generous, operation))
    driver.call(strict, driver.through(build("total", timeout=TimeoutConfig(total=50)), operation))
    driver.call(strict, operation)
    driver.call(generous, operation)
    assert seen == [pytest.approx(7)] * 4 + [pytest.approx(100)]


def test_deadline_passes_between_clocks(driver: Driver, build: Build) -> None:
    """Policies on different clocks agree on the time that is left, not on the number of the second."""
    other = ManualClock(start=5.0)
    inner = Pipeline(Policy("inner", timeout=TimeoutConfig(total=50)), clock=other, hub=Ledger())
    seen: list[float | None] = []
    operation = driver.make(lambda: seen.append(remaining()))
    driver.call(build("outer", timeout=TimeoutConfig(total=7)), driver.through(inner, operation))
    assert seen == [pytest.approx(7)]


def test_deadline_of_the_outer_call_ends_the_inner_attempt(driver: Driver, build: Build, clock: ManualClock) -> None:
    """An inner call never outlives the outer one, and its own circuit learns that the dependency hangs."""
    inner = build("inner", breaker=CircuitBreakerConfig("inner", failure_threshold=1, timeout=60))
    outer = build("outer", breaker=CircuitBreakerConfig("outer", failure_threshold=1, timeout=5))
    outcome = ends(driver, outer, driver.through(inner, driver.takes(30, Script(TimeoutError("socket")))))
    assert issubclass(outcome, TimeoutError)  # type: ignore[arg-type]
    assert inner.circuit().state is CircuitState.OPEN
    assert outer.circuit().state is CircuitState.OPEN
    if driver.asynchronous:
        assert clock.monotonic() == pytest.approx(1005)


def test_remaining_shrinks_and_is_none_outside(driver: Driver, build: Build, clock: ManualClock) -> None:
    """`remaining()` is the time left, never negative, and None without a deadline."""
    seen: list[float | None] = []

    def look() -> None:
        for step in (0, 3, 50):
            clock.advance(step)
            seen.append(remaining())

    assert remaining() is None
    ends(driver, build(timeout=10.0), driver.make(look))
    assert seen == [pytest.approx(10), pytest.approx(7), 0.0]
    assert remaining() is None


def test_remaining_is_restored_after_an_error(driver: Driver, build: Build) -> None:
    """A failed call leaves no deadline behind for the next one."""
    seen: list[float | None] = []

    def after() -> None:
        seen.append(remaining())

    failing = build("failing", timeout=5.0)
    plain = build("plain")
    with pytest.raises(ConnectionError):
        driver.call(failing, driver.make(Script(ConnectionError("down"))))
    driver.call(plain, driver.make(after))
    assert seen == [None]


def test_caught_inner_timeout_leaves_the_outer_call_usable(driver: Driver, build: Build) -> None:
    """An operation may catch the timeout of a nested call and go on within its own time."""
    inner = build("inner", timeout=2.0)
    outer = build("outer", timeout=10.0, breaker=ONE_FAILURE)
    nested = driver.through(inner, driver.takes(3, Script(TimeoutError("socket"))))
    if driver.asynchronous:

        async def body() -> str:
            try:
                await nested()
            except TimeoutError:
                await driver.clock.asleep(1)
            return "answered"
    else:

        def body() -> str:  # type: ignore[misc]
            try:
                nested()
            except TimeoutError:
                driver.clock.sleep(1)
            return "answered"

    assert driver.call(outer, body) == "answered"
    assert outer.circuit().state is CircuitState.CLOSED


def test_deadline_error_names_policy_and_seconds(driver: Driver, build: Build) -> None:
    """The error of a late coroutine tells whose limit it was and how long."""
    if not driver.asynchronous:
        return
    with pytest.raises(CallTimeoutError, match=r"'service' did not finish within 2.5 s") as caught:
        driver.call(build(timeout=2.5), driver.takes(9))
    assert isinstance(caught.value, TimeoutError)


def test_guard_block_over_its_limit_counts(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A block that takes too long counts as a failure."""
    pipeline = build(breaker=CircuitBreakerConfig("service", failure_threshold=1, timeout=5))
    driver.block(pipeline, lambda: clock.advance(6))
    assert pipeline.circuit().state is CircuitState.OPEN
