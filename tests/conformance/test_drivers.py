"""What both drivers make of a circuit, of neutral results and of the order of layers."""

from __future__ import annotations

from typing import Any

import pytest

from scrollintel import (
    BreakerMode,
    BulkheadConfig,
    CallRejected,
    CircuitBreakerConfig,
    CircuitIsolatedError,
    CircuitOpenError,
    CircuitState,
    Policy,
    RateLimitConfig,
    RetryConfig,
    StateChanged,
    TimeoutConfig,
    Value,
)
from scrollintel.core.registry import Registry
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger, Script

DOWN = ConnectionError("down")


def circuit(**options: Any) -> CircuitBreakerConfig:
    """Return a circuit that opens at the first failure, unless told otherwise."""
    return CircuitBreakerConfig("service", **{"failure_threshold": 1, "recovery_timeout": 10.0, **options})


def test_call_hands_arguments_and_result_through(driver: Driver, build: Build) -> None:
    """Positional and keyword arguments reach the operation, and its result the caller."""
    pipeline = build(breaker=circuit())
    operation = driver.make(lambda *args, **kwargs: (args, kwargs))
    assert driver.call(pipeline, operation, 1, 2, fn=3, self=4) == ((1, 2), {"fn": 3, "self": 4})


def test_circuit_full_life_is_told_in_order(driver: Driver, build: Build, ledger: Ledger, clock: ManualClock) -> None:
    """Closed, open, half-open, open, half-open, closed: each change is one event with its reason."""
    pipeline = build(breaker=circuit(success_threshold=2))
    script = Script(DOWN, DOWN, "ok")
    for wait in (0, 10):
        clock.advance(wait)
        with pytest.raises(ConnectionError):
            driver.call(pipeline, driver.make(script))
    with pytest.raises(CircuitOpenError):
        driver.call(pipeline, driver.make(script))
    clock.advance(10)
    assert [driver.call(pipeline, driver.make(script)) for _ in range(3)] == ["ok"] * 3
    assert [event.new.value for event in ledger.of(StateChanged)] == [
        "open", "half_open", "open", "half_open", "closed",
    ]  # fmt: skip
    assert all(event.reason for event in ledger.of(StateChanged))
    tally = pipeline.snapshot().tally
    assert (tally.successes, tally.failures, tally.rejections) == (3, 2, 1)


def test_circuit_counts_are_the_same_on_every_way(driver: Driver, build: Build) -> None:
    """Successes, failures and response times of a mixed stream are counted one by one."""
    pipeline = build(breaker=circuit(failure_threshold=100))
    for number in range(200):
        operation = driver.takes(0.5, Script(DOWN if number % 5 == 0 else number))
        if number % 5:
            assert driver.call(pipeline, operation) == number
        else:
            with pytest.raises(ConnectionError):
                driver.call(pipeline, operation)
    view = pipeline.snapshot()
    assert (view.tally.successes, view.tally.failures) == (160, 40)
    assert view.response_times.count == 200
    assert view.response_times.p50 == pytest.approx(0.5, rel=0.04)


def test_circuit_without_response_times_counts_all_the_same(driver: Driver, build: Build) -> None:
    """Without measuring times the counts are complete."""
    pipeline = build(breaker=circuit(failure_threshold=100, timeout=None), response_times=False)
    for number in range(100):
        driver.call(pipeline, driver.make(Script(number)))
    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.make(Script(DOWN)))
    view = pipeline.snapshot()
    assert (view.tally.successes, view.tally.failures, view.response_times.count) == (100, 1, 0)


@pytest.mark.parametrize("kind", ["count", "time"])
def test_circuit_window_judges_rates(driver: Driver, build: Build, clock: ManualClock, kind: str) -> None:
    """Successes of the short way and failures of the long one fill the same window."""
    config = circuit(window_kind=kind, window=20, minimum_calls=10, failure_rate=0.5)
    pipeline = build(breaker=config)
    for _ in range(6):
        clock.advance(0.1)
        driver.call(pipeline, driver.make(Script("ok")))
    states = []
    for _ in range(6):
        clock.advance(0.1)
        with pytest.raises(ConnectionError):
            driver.call(pipeline, driver.make(Script(DOWN)))
        states.append(pipeline.circuit().state.value)
    assert states == ["closed"] * 5 + ["open"]


def test_circuit_slow_calls_open_it(driver: Driver, build: Build) -> None:
    """Calls above the slow duration count although they succeed."""
    config = circuit(
        window_kind="count", window=10, minimum_calls=4, slow_call_duration=1.0, slow_call_rate=0.5, timeout=None
    )
    pipeline = build(breaker=config)
    for seconds in (0.5, 0.5, 1.5, 1.5):
        driver.call(pipeline, driver.takes(seconds))
    assert pipeline.circuit().state is CircuitState.OPEN
    assert pipeline.snapshot().tally.slow == 2


def test_circuit_result_predicate_counts_a_value_as_failure(driver: Driver, build: Build) -> None:
    """A returned value may be a failure, and is returned all the same."""
    pipeline = build(breaker=circuit(result_predicate=lambda value: value == 503))
    assert driver.call(pipeline, driver.make(Script(503))) == 503
    assert pipeline.circuit().state is CircuitState.OPEN
    failure = pipeline.snapshot().last_failure
    assert failure is not None
    assert failure.type == "result"


def test_circuit_broken_result_predicate_raises_and_loses_no_probe(
    driver: Driver, build: Build, clock: ManualClock
) -> None:
    """A predicate that raises is the caller's to hear of; the probe slot comes back."""

    def broken(value: object) -> bool:
        if value == "odd":
            raise ZeroDivisionError
        return False

    pipeline = build(breaker=circuit(result_predicate=broken, success_threshold=1))
    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.make(Script(DOWN)))
    clock.advance(10)
    with pytest.raises(ZeroDivisionError):
        driver.call(pipeline, driver.make(Script("odd")))
    assert driver.call(pipeline, driver.make(Script("even"))) == "even"
    assert pipeline.circuit().state is CircuitState.CLOSED


def test_circuit_broken_failure_predicate_keeps_the_error(driver: Driver, build: Build) -> None:
    """A predicate on errors that raises counts the error as a failure and does not hide it."""
    pipeline = build(breaker=circuit(failure_predicate=lambda error: 1 / 0 > 0))
    with pytest.raises(ConnectionError) as caught:
        driver.call(pipeline, driver.make(Script(ConnectionError("down"))))
    assert any("failure_predicate" in note for note in caught.value.__notes__)
    assert pipeline.circuit().state is CircuitState.OPEN


@pytest.mark.parametrize("error", [KeyError("ignored"), KeyboardInterrupt(), SystemExit()])
def test_circuit_neutral_error_counts_for_nothing_and_frees_the_probe(
    driver: Driver, build: Build, clock: ManualClock, error: BaseException
) -> None:
    """Ignored errors and exits of the process neither open nor close, and give the probe slot back."""
    if driver.asynchronous and not isinstance(error, Exception):
        error = GeneratorExit()  # an exit of the process would end the event loop of the test
    pipeline = build(breaker=circuit(ignored_exceptions=[KeyError], success_threshold=1))
    with pytest.raises(type(error)):
        driver.call(pipeline, driver.make(Script(error)))
    assert pipeline.circuit().state is CircuitState.CLOSED
    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.make(Script(DOWN)))
    clock.advance(10)
    for _ in range(3):
        with pytest.raises(type(error)):
            driver.call(pipeline, driver.make(Script(error)))
        assert pipeline.circuit().state is CircuitState.HALF_OPEN
    assert driver.call(pipeline, driver.make(Script("ok"))) == "ok"
    assert pipeline.circuit().state is CircuitState.CLOSED
    tally = pipeline.snapshot().tally
    assert (tally.successes, tally.failures, tally.ignored + tally.abandoned) == (1, 1, 4)


def test_circuit_inner_refusal_is_neutral(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A refusal by an inner layer, of this or of a nested policy, counts for nothing in an outer circuit."""
    inner = build("inner", breaker=circuit())
    inner.circuit().isolate()
    outer = build("outer", breaker=circuit(), rate_limit=RateLimitConfig(1, period=100))
    with pytest.raises(CircuitIsolatedError):
        driver.call(outer, driver.through(inner, driver.make(Script("ok"))))
    for _ in range(3):
        with pytest.raises(Exception, match="rate limit"):
            driver.call(outer, driver.make(Script("ok")))
    assert outer.circuit().state is CircuitState.CLOSED
    assert outer.snapshot().tally.failures == 0


def test_circuit_late_result_of_an_earlier_period_changes_nothing(
    driver: Driver, build: Build, clock: ManualClock
) -> None:
    """A call admitted before the circuit opened and closed again counts neither way."""
    pipeline = build(breaker=circuit(success_threshold=1))

    def slow() -> None:
        gate = pipeline.circuit()
        gate.isolate()
        gate.close()
        raise DOWN

    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.make(slow))
    assert pipeline.circuit().state is CircuitState.CLOSED
    assert pipeline.snapshot().tally.late == 1


def test_circuit_late_success_of_an_earlier_period_changes_nothing(driver: Driver, build: Build) -> None:
    """A success that was admitted in an earlier period is counted as late and as nothing else."""
    pipeline = build(breaker=circuit(failure_threshold=2))

    def slow() -> str:
        pipeline.circuit().isolate()
        pipeline.circuit().close()
        return "late"

    assert driver.call(pipeline, driver.make(slow)) == "late"
    assert (pipeline.snapshot().tally.late, pipeline.snapshot().tally.successes) == (1, 0)


def test_circuit_success_that_ends_after_a_failure_breaks_the_row(driver: Driver, build: Build) -> None:
    """Failures in a row are counted by the ends of calls, also when the call that succeeds began before."""
    pipeline = build(breaker=circuit(failure_threshold=2))

    def outlives_a_failure() -> None:
        with pytest.raises(ConnectionError):
            pipeline.call(Script(DOWN))

    driver.call(pipeline, driver.make(outlives_a_failure))
    assert pipeline.circuit().snapshot().consecutive_failures == 0
    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.make(Script(DOWN)))
    assert pipeline.circuit().state is CircuitState.CLOSED


def test_circuit_time_window_files_a_call_under_its_end(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A call that takes five seconds belongs to the window of the second in which it ended."""
    pipeline = build(breaker=circuit(window_kind="time", window=10, timeout=None))
    driver.call(pipeline, driver.takes(5))
    clock.advance(9)
    assert pipeline.circuit().snapshot().window_calls == 1
    clock.advance(2)
    assert pipeline.circuit().snapshot().window_calls == 0


@pytest.mark.parametrize("probes", [1, 2, 3])
def test_circuit_admits_so_many_probes_at_once(driver: Driver, build: Build, clock: ManualClock, probes: int) -> None:
    """While half-open exactly `probes` calls run at once, and the next one is refused with the time to wait."""
    pipeline = build(breaker=circuit(probes=probes, timeout=20.0))
    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.make(Script(DOWN)))
    clock.advance(10)
    seen: list[int] = []

    def deepest() -> None:
        seen.append(pipeline.circuit().snapshot().probes_in_flight)
        with pytest.raises(CircuitOpenError) as caught:
            pipeline.call(Script("one too many"))
        assert caught.value.retry_after == pytest.approx(25)  # the lease: the time limit and its margin

    operation = driver.make(deepest)
    for _ in range(probes - 1):
        operation = driver.through(pipeline, operation)
    driver.call(pipeline, operation)
    assert seen == [probes]


def test_circuit_disabled_records_nothing_and_metrics_only_never_opens(driver: Driver, build: Build) -> None:
    """The two modes let everything through; one counts and the other does not."""
    disabled = build(breaker=circuit(mode=BreakerMode.DISABLED))
    metrics = build(breaker=circuit(mode=BreakerMode.METRICS_ONLY))
    for pipeline in (disabled, metrics):
        for _ in range(3):
            with pytest.raises(ConnectionError):
                driver.call(pipeline, driver.make(Script(DOWN)))
        driver.call(pipeline, driver.make(Script("ok")))
    assert disabled.snapshot().tally.failures == disabled.snapshot().tally.successes == 0
    assert (metrics.snapshot().tally.failures, metrics.snapshot().tally.successes) == (3, 1)
    assert metrics.circuit().snapshot().would_have_opened == 3


def test_circuit_reset_forgets_and_close_keeps(driver: Driver, build: Build, ledger: Ledger) -> None:
    """After a reset nothing is remembered, not even the reset; closing keeps counts and history. Both are told."""
    pipeline = build(breaker=circuit())
    for operate, kept in ((pipeline.circuit().close, True), (pipeline.circuit().reset, False)):
        with pytest.raises(ConnectionError):
            driver.call(pipeline, driver.make(Script(DOWN)))
        operate()
        view = pipeline.circuit().snapshot()
        assert view.state is CircuitState.CLOSED
        assert bool(view.tally.failures) is bool(view.history) is (view.last_failure is not None) is kept
    assert [event.new.value for event in ledger.of(StateChanged)] == ["open", "closed", "open", "closed"]


def test_circuit_shared_with_a_policy_without_a_line_keeps_its_patience(driver: Driver, registry: Registry) -> None:
    """A probe's lease covers the longest line in front of the operation, whoever else uses the circuit."""
    config = circuit()
    lined = registry.pipeline(Policy("lined", breaker=config, bulkhead=BulkheadConfig(1, 5, 30.0)))
    plain = registry.pipeline(Policy("plain", breaker=config))
    driver.call(plain, driver.make(Script("ok")))
    driver.call(lined, driver.make(Script("ok")))
    with pytest.raises(ConnectionError):
        driver.call(plain, driver.make(Script(DOWN)))
    assert lined.circuit() is plain.circuit()
    assert lined.circuit().queue_limit == 30.0


def test_rejection_tells_layer_and_wait(driver: Driver, build: Build, ledger: Ledger) -> None:
    """A rejection is an event with its layer and the time until the next probe."""
    pipeline = build(breaker=circuit())
    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.make(Script(DOWN)))
    with pytest.raises(CircuitOpenError) as caught:
        driver.call(pipeline, driver.make(Script("ok")))
    (event,) = ledger.of(CallRejected)
    assert (event.policy, event.layer, event.retry_after) == ("service", "breaker", pytest.approx(10))
    assert caught.value.retry_after == pytest.approx(10)
    assert caught.value.last_failure is not None


def test_order_fallback_retry_breaker_limits_operation(driver: Driver, build: Build, ledger: Ledger) -> None:
    """Each attempt asks circuit, rate limit and bulkhead anew, the retry sees refusals, the fallback answers last."""
    pipeline = build(
        breaker=circuit(failure_threshold=2),
        retry=RetryConfig(max_attempts=3, jitter=False, retry_rejected=True),
        rate_limit=RateLimitConfig(3, period=1000),
        bulkhead=1,
        timeout=TimeoutConfig(attempt=5),
        fallback=Value("answer"),
    )
    script = Script(DOWN)
    assert driver.call(pipeline, driver.make(script)) == "answer"
    assert script.calls == 2  # two failures open the circuit, and the third attempt is refused by it
    assert [event.layer for event in ledger.of(CallRejected)] == ["breaker"]
    view = pipeline.snapshot()
    assert view.permits == pytest.approx(1, abs=0.1)
    assert (view.running, view.tally.retries, view.tally.fallbacks) == (0, 2, 1)


def test_order_breaker_outside_retry_counts_calls(driver: Driver, build: Build) -> None:
    """With the breaker outside, three attempts are one failure."""
    config = CircuitBreakerConfig("service", failure_threshold=2, timeout=None)
    pipeline = build(breaker=config, retry=RetryConfig(), order=("breaker", "retry"))
    script = Script(DOWN)
    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.make(script))
    assert script.calls == 3
    assert pipeline.circuit().state is CircuitState.CLOSED
    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.make(script))
    assert pipeline.circuit().state is CircuitState.OPEN
