"""Retries on both drivers: schedule, hints, budgets, what is not tried again, and which error surfaces."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from scrollintel import (
    AdaptiveLimitConfig,
    BudgetConfig,
    BulkheadConfig,
    CircuitBreakerConfig,
    CircuitOpenError,
    FallbackConfig,
    Pipeline,
    Policy,
    RateLimitConfig,
    RateLimitedError,
    RetryConfig,
    RetryGivenUp,
    RetryScheduled,
    Value,
)
from scrollintel.core.registry import Registry
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger, Script

DOWN = ConnectionError("down")
STEADY: dict[str, Any] = {"jitter": False, "base_delay": 1.0}


def test_retry_waits_and_returns_the_first_good_result(
    driver: Driver, build: Build, clock: ManualClock, ledger: Ledger
) -> None:
    """Two failures, two waits, one result; each wait is told before it begins."""
    pipeline = build(retry=RetryConfig(**STEADY))
    assert driver.call(pipeline, driver.make(Script(DOWN, DOWN, "ok"))) == "ok"
    assert clock.sleeps == [1.0, 2.0]
    assert [(e.attempt, e.delay, e.error) for e in ledger.of(RetryScheduled)] == [
        (1, 1.0, "ConnectionError"), (2, 2.0, "ConnectionError"),
    ]  # fmt: skip
    assert pipeline.snapshot().tally.retries == 2


def test_retry_exhausted_raises_the_last_error_as_it_is(driver: Driver, build: Build, ledger: Ledger) -> None:
    """The last error comes out unwrapped: no cause, no context of other attempts, one note."""
    errors = [ConnectionError(str(number)) for number in range(3)]
    pipeline = build(retry=RetryConfig(**STEADY))
    with pytest.raises(ConnectionError) as caught:
        driver.call(pipeline, driver.takes(2.0, Script(*errors)))
    assert caught.value is errors[2]
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert errors[2].__notes__ == ["gave up after 3 attempts in 9 s (service)"]
    assert not hasattr(errors[0], "__notes__")
    (event,) = ledger.of(RetryGivenUp)
    assert (event.attempts, event.elapsed, event.reason) == (3, pytest.approx(9), "attempts")


def test_retry_note_without_response_times_tells_the_whole_time(driver: Driver, build: Build) -> None:
    """The note counts the first attempt's time also where no response times are measured."""
    pipeline = build(retry=RetryConfig(**STEADY), response_times=False)
    error = ConnectionError("down")
    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.takes(2.0, Script(error)))
    assert error.__notes__ == ["gave up after 3 attempts in 9 s (service)"]


def test_retry_same_error_object_keeps_one_note(driver: Driver, build: Build) -> None:
    """An error object that is raised again and again does not gather notes."""
    pipeline = build(retry=RetryConfig(max_attempts=2, base_delay=0))
    error = ConnectionError("shared")
    for _ in range(5):
        with pytest.raises(ConnectionError):
            driver.call(pipeline, driver.make(Script(error)))
    assert len(error.__notes__) == 1


def test_retry_nested_policies_leave_one_note_each(driver: Driver, build: Build) -> None:
    """Both the inner and the outer policy tell what they did."""
    inner = build("inner", retry=RetryConfig(max_attempts=2, base_delay=0))
    outer = build("outer", retry=RetryConfig(max_attempts=3, base_delay=0))
    error = ConnectionError("down")
    script = Script(error)
    with pytest.raises(ConnectionError):
        driver.call(outer, driver.through(inner, driver.make(script)))
    assert script.calls == 6
    assert sorted(note.split("(")[1] for note in error.__notes__) == ["inner)", "outer)"]


def test_retry_error_that_takes_no_notes_surfaces_all_the_same(driver: Driver, build: Build) -> None:
    """A frozen exception cannot be annotated, and is raised as it is."""
    error = ConnectionError("down")
    error.__notes__ = "not a list"  # type: ignore[assignment]
    for broken in (_Sealed("sealed"), error):
        with pytest.raises(type(broken)) as caught:
            driver.call(build(retry=RetryConfig(max_attempts=2, base_delay=0)), driver.make(Script(broken)))
        assert caught.value is broken


class _Sealed(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


def test_retry_leaves_no_reference_cycle_behind(driver: Driver, build: Build) -> None:
    """A failed call is freed at once, without the garbage collector."""
    pipeline = build(retry=RetryConfig(max_attempts=3, base_delay=0))

    class Payload:
        alive = 0

        def __init__(self) -> None:
            Payload.alive += 1

        def __del__(self) -> None:
            Payload.alive -= 1

    def fails(payload: Payload) -> None:
        raise ConnectionError("down")

    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            assert driver.error(pipeline, driver.make(fails), Payload()) is ConnectionError
        assert Payload.alive == 0
    finally:
        gc.enable()


def test_retry_names_predicates_and_exclusions(driver: Driver, build: Build) -> None:
    """Classes, names of classes, exclusions and a predicate decide what is tried again."""
    cases: list[tuple[dict[str, Any], Exception, int]] = [
        ({"retryable_exceptions": [OSError]}, ConnectionError("x"), 3),
        ({"retryable_exceptions": ["OSError"]}, ConnectionError("x"), 3),
        ({"retryable_exceptions": ["builtins.OSError"]}, ConnectionError("x"), 3),
        ({"retryable_exceptions": [OSError]}, ValueError("x"), 1),
        ({"non_retryable_exceptions": [PermissionError]}, PermissionError("x"), 1),
        ({"non_retryable_exceptions": [PermissionError]}, OSError("x"), 3),
        ({"retry_predicate": lambda error: "again" in str(error)}, ValueError("again"), 3),
        ({"retry_predicate": lambda error: "again" in str(error)}, ValueError("never"), 1),
    ]
    for options, error, calls in cases:
        script = Script(error)
        with pytest.raises(type(error)):
            driver.call(build(retry=RetryConfig(base_delay=0, **options)), driver.make(script))
        assert script.calls == calls, options


def test_retry_by_result_returns_the_last_value(driver: Driver, build: Build, ledger: Ledger) -> None:
    """A value may ask for another attempt; when none is left the last value is returned."""
    pipeline = build(retry=RetryConfig(base_delay=0, result_predicate=lambda value: value != "ready"))
    script = Script("wait", "wait", "ready")
    assert driver.call(pipeline, driver.make(script)) == "ready"
    assert driver.call(pipeline, driver.make(Script("wait"))) == "wait"
    assert ledger.of(RetryGivenUp)[0].error == "result"


def test_retry_rejected_call_is_not_tried_again(driver: Driver, build: Build, clock: ManualClock) -> None:
    """Neither an open circuit nor a full rate limit is tried again."""
    pipeline = build(breaker=CircuitBreakerConfig("service"), retry=RetryConfig())
    pipeline.circuit().isolate()
    with pytest.raises(CircuitOpenError):
        driver.call(pipeline, driver.make(Script("ok")))
    limited = build(rate_limit=RateLimitConfig(1, period=60), retry=RetryConfig())
    driver.call(limited, driver.make(Script("ok")))
    with pytest.raises(RateLimitedError):
        driver.call(limited, driver.make(Script("ok")))
    assert clock.sleeps == []


@pytest.mark.parametrize(
    ("parts", "note"),
    [
        (
            {"retry": RetryConfig(base_delay=0, retry_predicate=lambda error: error.status == 503)},
            "retry_predicate raised AttributeError; the error is not tried again",
        ),
        (
            {"retry": RetryConfig(base_delay=0, repeatable=lambda method: method == "GET")},
            "repeatable raised TypeError; the call is not tried again",
        ),
        (
            {"fallback": FallbackConfig(Value("kept"), when=lambda outcome: outcome.error.status == 503)},
            "when raised AttributeError; no fallback answers",
        ),
    ],
    ids=["retry_predicate", "repeatable", "when"],
)
def test_hook_that_raises_hides_no_error(driver: Driver, build: Build, parts: dict[str, Any], note: str) -> None:
    """The error of the operation surfaces, with a note, and the operation has run once."""
    script = Script(ConnectionError("down"))
    with pytest.raises(ConnectionError) as caught:
        driver.call(build(**parts), driver.make(script))
    assert note in caught.value.__notes__
    assert script.calls == 1


def test_retry_of_a_refusal_spends_nothing_of_a_budget_by_successes(driver: Driver, build: Build) -> None:
    """What a layer of our own refused never reached the dependency, so it is none of its failures."""
    pipeline = build(
        breaker=CircuitBreakerConfig("service"),
        retry=RetryConfig(base_delay=0, retry_rejected=True, budget=BudgetConfig.grpc()),
    )
    pipeline.circuit().isolate()
    with pytest.raises(CircuitOpenError):
        driver.call(pipeline, driver.make(Script("never")))
    assert pipeline.snapshot().budget == 10.0
    assert pipeline.snapshot().tally.retries == 2


def test_retry_rejected_call_waits_for_the_hint_when_asked(driver: Driver, build: Build, clock: ManualClock) -> None:
    """With `retry_rejected` the refusal's own hint is waited for."""
    pipeline = build(rate_limit=RateLimitConfig(1, period=60), retry=RetryConfig(base_delay=1, retry_rejected=True))
    driver.call(pipeline, driver.make(Script("ok")))
    assert driver.call(pipeline, driver.make(Script("second"))) == "second"
    assert clock.sleeps == [pytest.approx(60)]


def test_retry_that_opens_its_own_circuit_ends_at_once_with_the_real_error(
    driver: Driver, build: Build, clock: ManualClock
) -> None:
    """When the attempts themselves open the circuit, nobody waits for an attempt that is sure to be refused."""
    pipeline = build(
        breaker=CircuitBreakerConfig("service", failure_threshold=2), retry=RetryConfig(max_attempts=5, **STEADY)
    )
    error = ConnectionError("down")
    script = Script(error)
    with pytest.raises(ConnectionError) as caught:
        driver.call(pipeline, driver.make(script))
    assert caught.value is error
    assert script.calls == 2
    assert len(clock.sleeps) == 1
    assert "2 attempts" in error.__notes__[0]


def test_retry_waits_for_a_circuit_that_may_admit_by_then(driver: Driver, build: Build) -> None:
    """A delay that outlasts the open period ends in a probe."""
    pipeline = build(
        breaker=CircuitBreakerConfig("service", failure_threshold=1, recovery_timeout=1),
        retry=RetryConfig(max_attempts=2, base_delay=2, jitter=False),
    )
    assert driver.call(pipeline, driver.make(Script(DOWN, "ok"))) == "ok"


@pytest.mark.parametrize(
    ("hint", "waited"),
    [(10.0, [10.0]), (0.25, [1.0]), (None, [1.0]), (0, [1.0]), ("7", [7.0]), ("soon", [1.0])],
)
def test_retry_after_hint_is_a_lower_bound(
    driver: Driver, build: Build, clock: ManualClock, hint: object, waited: list[float]
) -> None:
    """A server's wish lengthens the wait and never shortens it; one that cannot be read is ignored."""
    pipeline = build(retry=RetryConfig(**STEADY, retry_after=lambda seen: hint))  # type: ignore[arg-type,return-value]
    driver.call(pipeline, driver.make(Script(DOWN, "ok")))
    assert clock.sleeps == waited


@pytest.mark.parametrize("hint", [-1.0, 301.0, float("inf")])
def test_retry_after_hint_out_of_range_ends_the_call(
    driver: Driver, build: Build, clock: ManualClock, ledger: Ledger, hint: float
) -> None:
    """A negative wish means stop, and one that is too long is not waited for."""
    script = Script(DOWN)
    with pytest.raises(ConnectionError):
        driver.call(build(retry=RetryConfig(retry_after=lambda seen: hint)), driver.make(script))
    assert (script.calls, clock.sleeps) == (1, [])
    assert ledger.of(RetryGivenUp)[0].reason == "retry_after"


def test_retry_after_reads_results_too(driver: Driver, build: Build, clock: ManualClock) -> None:
    """The wish may be in a returned value."""
    retry = RetryConfig(result_predicate=lambda v: bool(v[0] == 429), retry_after=lambda v: float(v[1]))
    assert driver.call(build(retry=retry), driver.make(Script((429, 30), (200, 0)))) == (200, 0)
    assert clock.sleeps == [30.0]


@pytest.mark.parametrize("response_times", [True, False])
def test_retry_max_elapsed_counts_from_the_start_of_the_call(
    driver: Driver, build: Build, clock: ManualClock, ledger: Ledger, response_times: bool
) -> None:
    """No retry starts later than `max_elapsed` after the call began, the first attempt's time included."""
    retry = RetryConfig(max_attempts=10, backoff="constant", jitter=False, max_elapsed=10.0)  # type: ignore[arg-type]
    pipeline = build(retry=retry, response_times=response_times)
    script = Script(DOWN)
    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.takes(4.0, script))
    assert script.calls == 3  # start at 0, 5 and 10
    assert ledger.of(RetryGivenUp)[0].reason == "elapsed"


def test_budget_ratio_limits_retries_to_a_share(driver: Driver, build: Build) -> None:
    """A reserve of two and ten per cent of the calls are all the retries there are."""
    pipeline = build(retry=RetryConfig(base_delay=0, budget=BudgetConfig(ratio=0.1, reserve=2)))
    script = Script(DOWN)
    for _ in range(100):
        with pytest.raises(ConnectionError):
            driver.call(pipeline, driver.make(script))
    assert 110 <= script.calls <= 112
    assert 0 <= (pipeline.snapshot().budget or 0) < 1


def test_budget_grpc_stops_at_half_and_refills_by_successes(driver: Driver, build: Build, ledger: Ledger) -> None:
    """gRPC's form: failures cost one token, successes bring a tenth, retries need more than half."""
    pipeline = build(retry=RetryConfig(base_delay=0, budget=BudgetConfig.grpc()))
    script = Script(DOWN)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            driver.call(pipeline, driver.make(script))
    assert pipeline.snapshot().budget == pytest.approx(4)  # 3 + 2 + 1 failures
    assert [event.reason for event in ledger.of(RetryGivenUp)] == ["attempts", "budget", "budget"]
    for _ in range(11):
        driver.call(pipeline, driver.make(Script("ok")))
    assert pipeline.snapshot().budget == pytest.approx(5.1)
    script = Script(DOWN, "ok")
    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.make(script))  # the failure itself takes the bucket to half
    assert script.calls == 1


def test_budget_is_shared_by_name(driver: Driver, registry: Registry) -> None:
    """Policies that name one budget draw from one bucket; others have their own."""
    config = RetryConfig(base_delay=0, max_attempts=5, budget=BudgetConfig("shared", ratio=0, reserve=5))
    own = RetryConfig(base_delay=0, max_attempts=5, budget=BudgetConfig(ratio=0, reserve=5))
    calls: dict[str, int] = {}
    for name, retry in (("a", config), ("b", config), ("c", own)):
        script = Script(DOWN)
        with pytest.raises(ConnectionError):
            driver.call(registry.pipeline(Policy(name, retry=retry)), driver.make(script))
        calls[name] = script.calls
    assert calls == {"a": 5, "b": 2, "c": 5}


def test_budget_retry_that_is_refused_costs_nothing(driver: Driver, build: Build) -> None:
    """A token is given back when the attempt it paid for was refused by an inner layer."""
    pipeline = build(
        rate_limit=RateLimitConfig(rate=0.001, burst=1),
        retry=RetryConfig(base_delay=0, budget=BudgetConfig(ratio=0, reserve=5)),
    )
    with pytest.raises(RateLimitedError):
        driver.call(pipeline, driver.make(Script(DOWN)))
    assert pipeline.snapshot().budget == pytest.approx(5)


def test_budget_interrupted_wait_pays_its_token_back(clock: ManualClock) -> None:
    """A retry whose wait is interrupted, for instance by Ctrl-C, has not taken place."""

    class Interrupted(ManualClock):
        def sleep(self, seconds: float) -> None:
            raise KeyboardInterrupt

    for extra in ({}, {"bulkhead": 1}, {"rate_limit": RateLimitConfig(rate=0.001, burst=1, max_wait=1e6)}):
        retry = RetryConfig(base_delay=0 if "rate_limit" in extra else 1, budget=BudgetConfig(ratio=0, reserve=5))
        pipeline = Pipeline(Policy("service", retry=retry, **extra), clock=Interrupted())  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            pipeline.call(Script(DOWN))
        with pytest.raises(KeyboardInterrupt):
            for attempt in pipeline.attempts():
                with attempt:
                    raise DOWN
        assert pipeline.snapshot().budget == 5


LINES: dict[str, dict[str, Any]] = {
    "bulkhead": {"bulkhead": BulkheadConfig(1, max_waiting=1)},
    "limit": {"limit": AdaptiveLimitConfig(initial_limit=1, max_limit=1, max_waiting=5)},
    "rate limit": {"rate_limit": RateLimitConfig(rate=0.001, burst=2, max_wait=1e6)},
}


@pytest.mark.asyncio
@pytest.mark.parametrize("line", LINES)
async def test_budget_retry_cancelled_in_line_pays_its_token_back(line: str) -> None:
    """What waits for a slot or a permit has sent nothing; a retry that runs is paid for, however it ends."""
    retry = RetryConfig(base_delay=0, budget=BudgetConfig(ratio=0, reserve=5))
    pipeline = Pipeline(Policy("service", retry=retry, **LINES[line]))
    release, others = asyncio.Event(), []

    async def fails() -> None:
        others.append(asyncio.create_task(pipeline.acall(release.wait)))
        await _turns(5)
        raise DOWN

    waiting = asyncio.create_task(pipeline.acall(fails))
    await _turns()
    assert (len(others), pipeline.snapshot().budget) == (1, 4)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert pipeline.snapshot().budget == 5
    release.set()
    await others[0]


@pytest.mark.asyncio
async def test_budget_retry_cancelled_while_it_runs_is_paid_for() -> None:
    """The dependency has it already."""
    pipeline = Pipeline(Policy("service", retry=RetryConfig(base_delay=0, budget=BudgetConfig(ratio=0, reserve=5))))
    runs = 0

    async def hangs() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise DOWN
        await asyncio.Event().wait()

    running = asyncio.create_task(pipeline.acall(hangs))
    await _turns()
    running.cancel()
    await asyncio.wait([running])
    assert (runs, pipeline.snapshot().budget) == (2, 4)


async def _turns(number: int = 50) -> None:
    """Let every task go as far as it can."""
    for _ in range(number):
        await asyncio.sleep(0)


def test_retry_many_attempts_do_not_overflow(driver: Driver, build: Build, clock: ManualClock) -> None:
    """The delay stays at its cap however many attempts there are."""
    pipeline: Pipeline = build(retry=RetryConfig(max_attempts=1200, base_delay=1, max_delay=2, jitter=False))
    with pytest.raises(ConnectionError):
        driver.call(pipeline, driver.make(Script(DOWN)))
    assert clock.sleeps == [1.0, *[2.0] * 1198]
