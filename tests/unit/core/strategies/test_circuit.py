"""One circuit at run time: what it counts and remembers."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from scrollintel.core.errors import (
    BulkheadFullError,
    CallTimeoutError,
    CircuitOpenError,
)
from scrollintel.core.events import CallTimedOut
from scrollintel.core.hub import EventHub
from scrollintel.core.states import CircuitState
from scrollintel.core.strategies.meter import BATCH
from scrollintel.testing import ManualClock
from tests.unit.core.strategies.circuit_steps import (
    CLOSED,
    HALF_OPEN,
    OPEN,
    SECRET,
    Broken,
    Make,
    broken,
    fail,
    listen,
    ok,
    raising,
)

# ------------------------------------------------------------------ counts


def test_circuit_new_has_counted_nothing(make: Make) -> None:
    """Every count of a new circuit is zero, with and without response times."""
    for measured in (True, False):
        snapshot = make(response_times=measured).circuit().snapshot()
        assert snapshot.tally.calls == snapshot.tally.rejections == snapshot.response_times.count == 0
        assert (snapshot.state, snapshot.last_failure, snapshot.history, snapshot.reason) == (
            CLOSED, None, (), "created",
        )  # fmt: skip


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("bulkhead", [None, 5])
def test_circuit_counts_each_end_of_an_attempt_once(make: Make, measured: bool, bulkhead: int | None) -> None:
    """Successes, failures, ignored errors and cancellations are counted apart, on the short and on the long way."""
    pipeline = make({"bulkhead": bulkhead}, response_times=measured, ignored_exceptions=[KeyError])
    for _ in range(200):
        pipeline.call(ok)
    fail(pipeline, 3)
    for error in (KeyError("x"), asyncio.CancelledError(), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            pipeline.call(raising(error))
    for _ in range(100):
        pipeline.call(ok)
    tally = pipeline.circuit().snapshot().tally
    assert (tally.successes, tally.failures, tally.ignored, tally.abandoned) == (300, 3, 1, 2)
    assert (tally.late, tally.rejections, tally.timeouts, tally.slow) == (0, 0, 0, 0)
    assert pipeline.circuit().snapshot().response_times.count == (303 if measured else 0)


def test_circuit_counts_are_the_same_however_often_they_are_read(make: Make) -> None:
    """Reading takes nothing away and adds nothing."""
    pipeline = make(response_times=False)
    for number in range(1, 50):
        pipeline.call(ok)
        for _ in range(3):
            assert pipeline.circuit().snapshot().tally.successes == number


def test_circuit_late_result_is_counted_as_late_only(make: Make, clock: ManualClock) -> None:
    """A failure from before the opening changes neither the counts nor the last failure."""
    pipeline = make(failure_threshold=1, timeout=None)

    def slow_failure() -> None:
        fail(pipeline)
        clock.advance(5.0)
        raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        pipeline.call(slow_failure)
    snapshot = pipeline.circuit().snapshot()
    assert (snapshot.tally.failures, snapshot.tally.late, snapshot.response_times.count) == (1, 1, 1)
    assert snapshot.last_failure is not None
    assert snapshot.last_failure.type == "Broken"


def test_circuit_late_success_is_counted_as_late_only(make: Make) -> None:
    """A success from before the opening is no success of the era in which it arrives."""
    pipeline = make(failure_threshold=1, timeout=None)
    pipeline.call(lambda: fail(pipeline))
    tally = pipeline.circuit().snapshot().tally
    assert (tally.successes, tally.failures, tally.late) == (0, 1, 1)


def test_circuit_attempt_that_comes_back_too_late_is_a_timeout(make: Make, clock: ManualClock, hub: EventHub) -> None:
    """At the very limit it has failed, although the caller gets its value; a moment before, it has not."""
    events = listen(hub, CallTimedOut)
    pipeline = make(timeout=30.0)
    assert pipeline.call(lambda: clock.advance(29.5) or "value") == "value"
    assert pipeline.call(lambda: clock.advance(30.0) or "value") == "value"
    snapshot = pipeline.circuit().snapshot()
    assert (snapshot.tally.successes, snapshot.tally.failures, snapshot.tally.timeouts) == (1, 1, 1)
    assert snapshot.last_failure is not None
    assert snapshot.last_failure.type == "CallTimeoutError"
    assert hub.flush()
    assert [(event.policy, event.timeout, event.attempt) for event in events] == [("orders", 30.0, 1)]


def test_circuit_cancellation_counts_only_when_the_deadline_has_passed(make: Make, clock: ManualClock) -> None:
    """The caller's cancellation is neutral; the one that our own deadline causes is a failure."""
    pipeline = make(timeout=30.0)

    def cancelled(seconds: float) -> None:
        clock.advance(seconds)
        raise asyncio.CancelledError

    for seconds in (1.0, 30.0):
        with pytest.raises(asyncio.CancelledError):
            pipeline.call(cancelled, seconds)
    tally = pipeline.circuit().snapshot().tally
    assert (tally.abandoned, tally.failures, tally.timeouts) == (1, 1, 1)


def test_circuit_exit_of_the_process_is_neutral_even_when_late(make: Make, clock: ManualClock) -> None:
    """An interrupt by the user says nothing about the dependency."""
    pipeline = make(timeout=30.0)

    def interrupted() -> None:
        clock.advance(31.0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.call(interrupted)
    assert pipeline.circuit().snapshot().tally.abandoned == 1


def test_circuit_slow_calls_are_strictly_longer_than_the_duration(make: Make, clock: ManualClock) -> None:
    """A call that takes exactly the duration is not slow."""
    pipeline = make(window_kind="count", slow_call_duration=1.0, timeout=None)
    for seconds in (1.0, 1.0009765625, 0.5, 3.0):
        pipeline.call(clock.advance, seconds)
    snapshot = pipeline.circuit().snapshot()
    assert (snapshot.tally.slow, snapshot.tally.successes, snapshot.window_slow) == (2, 4, 2)


def test_circuit_refusal_by_an_inner_layer_is_neutral(make: Make) -> None:
    """A full bulkhead inside the circuit does not open it, and the attempt has no response time."""
    pipeline = make({"bulkhead": 1}, failure_threshold=1)

    def nested() -> None:
        with pytest.raises(BulkheadFullError):
            pipeline.call(ok)

    pipeline.call(nested)
    snapshot = pipeline.circuit().snapshot()
    assert (snapshot.state, snapshot.tally.abandoned, snapshot.tally.failures) == (CLOSED, 0, 0)
    assert pipeline.snapshot().tally.rejections == 1
    assert snapshot.response_times.count == 1


def test_circuit_disabled_counts_nothing(make: Make) -> None:
    """It lets everything through and records neither counts nor durations nor failures."""
    pipeline = make(mode="disabled", failure_threshold=1)
    fail(pipeline, 20)
    pipeline.call(ok)
    snapshot = pipeline.circuit().snapshot()
    assert (snapshot.state, snapshot.tally.calls, snapshot.last_failure) == (CircuitState.DISABLED, 0, None)
    assert snapshot.response_times.count == 0


def test_circuit_buffer_of_durations_stays_small(make: Make) -> None:
    """However many calls there are between two looks, at most one batch waits for the sketch."""
    for policy in ({}, {"bulkhead": 5}):
        pipeline = make(policy, window_kind="time")
        for _ in range(BATCH * 20):
            pipeline.call(ok)
        assert len(pipeline.circuit().durations) <= BATCH
        assert pipeline.circuit().snapshot().response_times.count == BATCH * 20


def test_circuit_response_times_are_those_of_successes_and_failures(make: Make, clock: ManualClock) -> None:
    """Quantiles cover what was counted, within the promised error."""
    pipeline = make(ignored_exceptions=[KeyError], failure_threshold=1000, timeout=None)
    for number in range(1, 101):
        pipeline.call(clock.advance, number / 100)
    with pytest.raises(KeyError):
        pipeline.call(lambda: clock.advance(50.0) or {}["missing"])
    times = pipeline.circuit().snapshot().response_times
    assert times.count == 100
    for found, exact in ((times.p50, 0.5), (times.p95, 0.95), (times.p99, 0.99), (times.mean, 0.505)):
        assert found == pytest.approx(exact, rel=0.032)


# ------------------------------------------------------------------ last failure


def test_circuit_last_failure_tells_type_text_and_time(make: Make, clock: ManualClock) -> None:
    """It is replaced by the next failure, and its text is cut."""
    pipeline = make()
    fail(pipeline)
    failure = pipeline.circuit().snapshot().last_failure
    assert failure is not None
    assert (failure.type, failure.message, failure.at) == ("Broken", SECRET, clock.time())
    clock.advance(3.0)
    with pytest.raises(ValueError, match="x"):
        pipeline.call(raising(ValueError("x" * 1000)))
    failure = pipeline.circuit().snapshot().last_failure
    assert failure is not None
    assert (failure.type, failure.message, failure.at) == ("ValueError", "x" * 200, clock.time())


def test_circuit_last_failure_of_an_error_without_text_is_no_obstacle(make: Make) -> None:
    """An exception whose text cannot be made is counted like any other, and surfaces itself."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    pipeline = make(failure_threshold=1)
    with pytest.raises(Mute):
        pipeline.call(raising(Mute()))
    failure = pipeline.circuit().snapshot().last_failure
    assert failure is not None
    assert failure.type == "Mute"


def test_circuit_keeps_no_reference_to_the_error(make: Make) -> None:
    """The summary holds texts only: the error and what its frames refer to can be freed."""
    pipeline = make(failure_threshold=1)
    error = Broken("x")
    pointer = weakref.ref(error)
    with pytest.raises(Broken):
        pipeline.call(raising(error))
    with pytest.raises(CircuitOpenError):
        pipeline.call(ok)
    del error
    gc.collect()
    assert pointer() is None


# ------------------------------------------------------------------ predicates


def test_circuit_result_predicate_counts_a_returned_value_as_failure(make: Make) -> None:
    """A returned 503 opens like a raised error; the caller gets the value."""
    pipeline = make(result_predicate=lambda value: value == 503, failure_threshold=3)
    for _ in range(3):
        assert pipeline.call(lambda: 503) == 503
    snapshot = pipeline.circuit().snapshot()
    assert (snapshot.state, snapshot.tally.failures) == (OPEN, 3)
    assert snapshot.last_failure is not None
    assert snapshot.last_failure.type == "result"


def test_circuit_result_predicate_that_raises_gives_the_permit_back(make: Make, clock: ManualClock) -> None:
    """The caller hears of the broken predicate, nothing is counted, and the place of a probe is free again."""
    broken_now = False

    def predicate(value: object) -> bool:
        if broken_now:
            raise LookupError("predicate")
        return False

    pipeline = make(result_predicate=predicate, failure_threshold=1)
    fail(pipeline)
    clock.advance(60.0)
    broken_now = True
    for _ in range(5):
        with pytest.raises(LookupError, match="predicate"):
            pipeline.call(ok)
        assert pipeline.circuit().snapshot().probes_in_flight == 0
    snapshot = pipeline.circuit().snapshot()
    assert (snapshot.state, snapshot.tally.failures, snapshot.tally.successes) == (HALF_OPEN, 1, 0)
    assert snapshot.tally.abandoned == 5


def test_circuit_failure_predicate_that_raises_hides_no_error(make: Make) -> None:
    """The operation's own error surfaces with a note, and counts as a failure."""

    def predicate(error: BaseException) -> bool:
        raise LookupError("predicate")

    pipeline = make(failure_predicate=predicate, failure_threshold=1)
    with pytest.raises(Broken) as caught:
        pipeline.call(broken)
    assert any("LookupError" in note for note in caught.value.__notes__)
    assert pipeline.circuit().state is OPEN


def test_circuit_failure_predicate_decides_on_errors(make: Make) -> None:
    """Only errors for which it returns True count; the others are ignored."""
    pipeline = make(failure_predicate=lambda error: "fatal" in str(error), failure_threshold=1)
    with pytest.raises(Broken):
        pipeline.call(raising(Broken("harmless")))
    tally = pipeline.circuit().snapshot().tally
    assert (tally.ignored, tally.failures) == (1, 0)
    with pytest.raises(Broken):
        pipeline.call(raising(Broken("fatal")))
    assert pipeline.circuit().state is OPEN


def test_circuit_failure_exceptions_match_classes_and_names(make: Make) -> None:
    """Errors are named by class or by text; what nothing names is neutral."""
    pipeline = make(failure_exceptions=[OSError, "Broken"], failure_threshold=10)
    for error in (ConnectionError("x"), Broken("x")):
        with pytest.raises(type(error)):
            pipeline.call(raising(error))
    with pytest.raises(ValueError, match="x"):
        pipeline.call(raising(ValueError("x")))
    tally = pipeline.circuit().snapshot().tally
    assert (tally.failures, tally.ignored) == (2, 1)


def test_circuit_own_refusals_are_neutral_and_timeouts_are_not(make: Make) -> None:
    """A refusal by another circuit inside counts for nothing; a timeout inside is a failure."""
    pipeline = make(failure_threshold=1)
    with pytest.raises(CircuitOpenError):
        pipeline.call(raising(CircuitOpenError("inner")))
    assert pipeline.circuit().state is CLOSED
    with pytest.raises(CallTimeoutError):
        pipeline.call(raising(CallTimeoutError("inner", 1.0)))
    snapshot = pipeline.circuit().snapshot()
    assert (snapshot.state, snapshot.tally.abandoned, snapshot.tally.timeouts) == (OPEN, 1, 1)
