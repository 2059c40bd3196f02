"""One circuit at run time: what it counts, tells, remembers and refuses."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from scrollintel.core.config.breaker import CircuitBreakerConfig
from scrollintel.core.config.policy import Policy
from scrollintel.core.errors import (
    BulkheadFullError,
    CallTimeoutError,
    CircuitIsolatedError,
    CircuitOpenError,
    CircuitRampingError,
)
from scrollintel.core.events import CallRejected, CallTimedOut, Event, StateChanged, WouldHaveOpened
from scrollintel.core.hub import EventHub
from scrollintel.core.machines.breaker import Probe
from scrollintel.core.pipeline import Pipeline
from scrollintel.core.states import CircuitState
from scrollintel.core.strategies.breaker import Circuit
from scrollintel.core.strategies.meter import BATCH
from scrollintel.testing import ManualClock

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
SECRET = "card 4111-1111"
WALL = 1_700_000_000.0
Make = Callable[..., Pipeline]


class Broken(Exception):
    """The dependency fails."""


@pytest.fixture
def make(clock: ManualClock, hub: EventHub) -> Make:
    """Return a maker of pipelines with one circuit called "orders"; `policy` changes the policy around it."""

    def build(policy: dict[str, Any] | None = None, **changes: Any) -> Pipeline:
        config = CircuitBreakerConfig("orders", **changes)
        return Pipeline(Policy("orders", breaker=config, **(policy or {})), clock=clock, hub=hub)

    return build


def broken() -> None:
    """Fail as the dependency does."""
    raise Broken(SECRET)


def ok() -> str:
    """Succeed."""
    return "ok"


def fail(pipeline: Pipeline, times: int = 1) -> None:
    """Let calls fail."""
    for _ in range(times):
        with pytest.raises(Broken):
            pipeline.call(broken)


def raising(error: BaseException) -> Callable[[], None]:
    """Return an operation that raises."""

    def operation() -> None:
        raise error

    return operation


def listen(hub: EventHub, *kinds: type[Event]) -> list[Any]:
    """Return a list that fills with events; `hub.flush()` waits until it has."""
    events: list[Any] = []
    hub.subscribe(events.append, kinds=kinds)
    return events


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
    assert snapshot.last_failure.type == "result"
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
    assert (snapshot.state, snapshot.tally.abandoned, snapshot.tally.failures) == (CLOSED, 1, 0)
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


# ------------------------------------------------------------------ refusals


def test_circuit_refusal_carries_name_time_and_last_failure(make: Make, clock: ManualClock) -> None:
    """Whoever is refused learns by whom, for how long, and what failed last."""
    pipeline = make(failure_threshold=1, recovery_timeout=60.0)
    fail(pipeline)
    failed_at = clock.time()
    clock.advance(20.0)
    with pytest.raises(CircuitOpenError) as caught:
        pipeline.call(ok)
    error = caught.value
    assert type(error) is CircuitOpenError
    assert (error.source, error.retry_after) == ("orders", 40.0)
    assert error.last_failure is not None
    assert (error.last_failure.type, error.last_failure.message, error.last_failure.at) == ("Broken", SECRET, failed_at)
    assert str(error) == "circuit 'orders' is open; next probe in 40 s; last failure: Broken"
    assert pipeline.circuit().snapshot().tally.rejections == 1


def test_circuit_refusal_shows_no_text_of_the_failure(make: Make) -> None:
    """The text of an error may hold personal data, so neither text, `repr` nor details of a refusal show it."""
    pipeline = make(failure_threshold=1)
    fail(pipeline)
    with pytest.raises(CircuitOpenError) as caught:
        pipeline.call(ok)
    error = caught.value
    for shown in (str(error), repr(error), json.dumps(error.details), repr(error.last_failure)):
        assert SECRET not in shown
    assert error.details["last_failure"]["type"] == "Broken"


def test_circuit_refusal_while_half_open_tells_when_the_lease_ends(make: Make, clock: ManualClock) -> None:
    """The second caller hears how long the probe may still take."""
    pipeline = make(failure_threshold=1, recovery_timeout=60.0, timeout=30.0)
    fail(pipeline)
    clock.advance(60.0)

    def probe() -> None:
        clock.advance(5.0)
        with pytest.raises(CircuitOpenError) as caught:
            pipeline.call(ok)
        assert caught.value.retry_after == 30.0

    pipeline.call(probe)
    assert pipeline.circuit().state is HALF_OPEN


def test_circuit_refusal_while_isolated_has_no_time(make: Make) -> None:
    """Only an operator can end it, so there is nothing to wait for."""
    pipeline = make()
    pipeline.circuit().isolate()
    with pytest.raises(CircuitIsolatedError) as caught:
        pipeline.call(ok)
    assert (caught.value.retry_after, caught.value.last_failure) == (None, None)
    pipeline.circuit().close()
    assert pipeline.call(ok) == "ok"


def test_circuit_refusal_while_ramping_says_so(make: Make, clock: ManualClock) -> None:
    """After closing, the first of many calls is refused by the ramp, not by an open circuit."""
    pipeline = make(failure_threshold=1, success_threshold=1, ramp=100.0, ramp_start=0.1)
    fail(pipeline)
    clock.advance(60.0)
    pipeline.call(ok)
    with pytest.raises(CircuitRampingError) as caught:
        pipeline.call(ok)
    assert caught.value.retry_after == 0.0
    clock.advance(100.0)
    for _ in range(20):
        pipeline.call(ok)


def test_circuit_refusals_are_told_and_counted(make: Make, hub: EventHub) -> None:
    """Each refusal is an event with its layer and time, and raises the count by one."""
    events = listen(hub, CallRejected)
    pipeline = make(failure_threshold=1)
    fail(pipeline)
    for _ in range(3):
        with pytest.raises(CircuitOpenError):
            pipeline.call(ok)
    assert hub.flush()
    assert [(event.policy, event.layer, event.retry_after) for event in events] == [("orders", "breaker", 60.0)] * 3
    assert pipeline.snapshot().tally.rejections == 3


def test_circuit_refusals_use_no_memory_and_hang_on_nothing(make: Make) -> None:
    """A hundred thousand refusals leave nothing behind, and each is an error of its own without a chain."""
    pipeline = make(failure_threshold=1)
    fail(pipeline)

    def refuse(times: int) -> CircuitOpenError | None:
        last = None
        for _ in range(times):
            try:
                pipeline.call(ok)
            except CircuitOpenError as error:
                last = error
        return last

    first = refuse(1_000)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        last = refuse(100_000)
        gc.collect()
        growth = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert growth < 4_096
    assert first is not None
    assert last is not None
    assert last is not first
    assert (last.__context__, last.__cause__) == (None, None)
    assert depth(last) == depth(first) < 10
    assert pipeline.circuit().snapshot().tally.rejections == 101_000


def depth(error: BaseException) -> int:
    """Return the number of frames in the traceback of an error."""
    number, traceback = 0, error.__traceback__
    while traceback is not None:
        number, traceback = number + 1, traceback.tb_next
    return number


# ------------------------------------------------------------------ events and history


def test_circuit_tells_each_transition_once_and_in_order(make: Make, clock: ManualClock, hub: EventHub) -> None:
    """A whole life: opened, probed, failed, probed, closed, isolated, closed; one event each, in that order."""
    events = listen(hub, StateChanged)
    pipeline = make(failure_threshold=2, success_threshold=2, recovery_timeout=60.0)
    circuit = pipeline.circuit()
    fail(pipeline, 2)
    clock.advance(60.0)
    fail(pipeline)
    clock.advance(60.0)
    for _ in range(2):
        pipeline.call(ok)
    circuit.isolate("maintenance")
    circuit.isolate("again")
    circuit.close("done")
    circuit.close("again")
    for _ in range(10):
        assert circuit.state is CLOSED
        circuit.snapshot()
    assert hub.flush()
    assert [(event.old.value, event.new.value, event.at - WALL) for event in events] == [
        ("closed", "open", 0.0),
        ("open", "half_open", 60.0),
        ("half_open", "open", 60.0),
        ("open", "half_open", 120.0),
        ("half_open", "closed", 120.0),
        ("closed", "isolated", 120.0),
        ("isolated", "closed", 120.0),
    ]
    assert [event.era for event in events] == list(range(1, 8))
    assert [event.sequence for event in events] == sorted(event.sequence for event in events)
    assert [event.reason for event in events][-2:] == ["maintenance", "done"]
    assert {event.policy for event in events} == {"orders"}
    history = circuit.snapshot().history
    assert [(change.old, change.new, change.at, change.reason) for change in history] == [
        (event.old, event.new, event.at, event.reason) for event in events
    ]


def test_circuit_opening_tells_when_the_next_probe_comes_and_what_failed(make: Make, hub: EventHub) -> None:
    """The event of an opening carries both, without the text of the failure in its JSON form."""
    events = listen(hub, StateChanged)
    pipeline = make(failure_threshold=1, recovery_timeout=60.0)
    fail(pipeline)
    assert hub.flush()
    (event,) = events
    assert event.retry_after == 60.0
    assert event.last_failure is not None
    assert event.last_failure.type == "Broken"
    shown = json.dumps(event.to_dict())
    assert "Broken" in shown
    assert SECRET not in shown


def test_circuit_tells_a_lost_lease_at_the_time_it_ended(make: Make, clock: ManualClock, hub: EventHub) -> None:
    """Whoever looks later, the transitions carry the times at which they happened."""
    events = listen(hub, StateChanged)
    pipeline = make(failure_threshold=1, recovery_timeout=60.0, timeout=30.0)
    fail(pipeline)
    clock.advance(60.0)
    pipeline.call(clock.advance, 200.0)
    assert pipeline.circuit().state is HALF_OPEN
    assert hub.flush()
    assert [(event.new.value, event.at - WALL) for event in events] == [
        ("open", 0.0), ("half_open", 60.0), ("open", 95.0), ("half_open", 260.0),
    ]  # fmt: skip
    assert events[2].reason == "a probe did not return within its lease"
    assert pipeline.circuit().snapshot().tally.late == 1


def test_circuit_state_follows_time_without_a_call(make: Make, clock: ManualClock, hub: EventHub) -> None:
    """Looking at the state after the open period finds it half-open and tells so, once."""
    events = listen(hub, StateChanged)
    pipeline = make(failure_threshold=1)
    fail(pipeline)
    assert pipeline.circuit().snapshot().retry_after == 60.0
    clock.advance(59.0)
    assert (pipeline.circuit().state, pipeline.circuit().snapshot().retry_after) == (OPEN, 1.0)
    clock.advance(1.0)
    assert pipeline.circuit().snapshot().state is HALF_OPEN
    assert (pipeline.circuit().state, pipeline.circuit().snapshot().retry_after) == (HALF_OPEN, None)
    assert hub.flush()
    assert [event.new for event in events] == [OPEN, HALF_OPEN]


def test_circuit_history_is_bounded(make: Make) -> None:
    """Only the latest changes are kept, as many as configured."""
    pipeline = make(history=3)
    circuit = pipeline.circuit()
    for number in range(10):
        circuit.isolate(f"round {number}")
        circuit.close(f"end of round {number}")
    assert [change.reason for change in circuit.snapshot().history] == [
        "end of round 8", "round 9", "end of round 9",
    ]  # fmt: skip


def test_circuit_metrics_only_tells_what_it_would_have_done(make: Make, hub: EventHub) -> None:
    """It never refuses; each opening that it left out is one event of its own kind and no state change."""
    events = listen(hub, StateChanged, WouldHaveOpened)
    pipeline = make(mode="metrics_only", failure_threshold=5)
    fail(pipeline, 12)
    assert hub.flush()
    assert [(type(event), event.reason) for event in events] == [(WouldHaveOpened, "5 failures in a row")] * 2
    snapshot = pipeline.circuit().snapshot()
    assert (snapshot.state, snapshot.would_have_opened) == (CircuitState.METRICS_ONLY, 2)
    assert (snapshot.tally.failures, snapshot.tally.rejections, snapshot.history) == (12, 0, ())


def test_circuit_survives_a_listener_that_raises(make: Make, hub: EventHub) -> None:
    """A broken listener changes neither the result of a call nor the state."""

    def listener(event: Event) -> None:
        raise RuntimeError("listener")

    subscription = hub.subscribe(listener)
    pipeline = make(failure_threshold=1)
    fail(pipeline)
    assert pipeline.circuit().state is OPEN
    assert hub.flush()
    assert subscription.failed == 1


def test_circuit_snapshot_as_json_shows_no_text_of_the_failure(make: Make) -> None:
    """The JSON form of circuit and policy can be written and holds the type of the failure, not its text."""
    pipeline = make(failure_threshold=1)
    fail(pipeline)
    for view in (pipeline.circuit().snapshot(), pipeline.snapshot()):
        shown = json.dumps(view.to_dict())
        assert "Broken" in shown
        assert SECRET not in shown


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


# ------------------------------------------------------------------ operators


def test_circuit_closed_by_hand_keeps_its_counts(make: Make) -> None:
    """`close` ends the state; tally, last failure and history remain."""
    pipeline = make(failure_threshold=1)
    fail(pipeline)
    pipeline.circuit().close()
    snapshot = pipeline.circuit().snapshot()
    assert (snapshot.state, snapshot.tally.failures, snapshot.consecutive_failures) == (CLOSED, 1, 0)
    assert snapshot.reason == "closed by an operator"
    assert snapshot.last_failure is not None
    assert len(snapshot.history) == 2
    assert pipeline.call(ok) == "ok"


@pytest.mark.parametrize("measured", [True, False])
def test_circuit_reset_forgets_counts_and_times(make: Make, hub: EventHub, measured: bool) -> None:
    """`reset` closes and forgets tally, response times, last failure and history; counting goes on from zero."""
    events = listen(hub, StateChanged)
    pipeline = make(failure_threshold=1, response_times=measured)
    for _ in range(100):
        pipeline.call(ok)
    fail(pipeline)
    with pytest.raises(CircuitOpenError):
        pipeline.call(ok)
    pipeline.circuit().reset()
    snapshot = pipeline.circuit().snapshot()
    assert (snapshot.state, snapshot.tally.calls, snapshot.tally.rejections) == (CLOSED, 0, 0)
    assert (snapshot.last_failure, snapshot.history, snapshot.response_times.count) == (None, (), 0)
    for _ in range(100):
        pipeline.call(ok)
    snapshot = pipeline.circuit().snapshot()
    assert (snapshot.tally.successes, snapshot.response_times.count) == (100, 100 if measured else 0)
    assert hub.flush()
    assert [event.new for event in events] == [OPEN, CLOSED]


@pytest.mark.parametrize("window_kind", ["count", "time"])
@pytest.mark.parametrize("operation", ["close", "reset"])
def test_circuit_closed_by_hand_while_calm_empties_its_window(make: Make, window_kind: str, operation: str) -> None:
    """Successes from before do not come back into the window later."""
    pipeline = make(window_kind=window_kind)
    for _ in range(50):
        pipeline.call(ok)
    getattr(pipeline.circuit(), operation)()
    for _ in range(7):
        pipeline.call(ok)
    assert pipeline.circuit().snapshot().window_calls == 7


@pytest.mark.parametrize("window_kind", ["count", "time"])
@pytest.mark.parametrize("measured", [True, False])
def test_circuit_window_counts_successes_of_the_short_way(make: Make, window_kind: str, measured: bool) -> None:
    """Nine failures after eleven successes are less than half; the rate needs them all."""
    pipeline = make(window_kind=window_kind, failure_rate=0.5, response_times=measured)
    for _ in range(11):
        pipeline.call(ok)
    fail(pipeline, 10)
    snapshot = pipeline.circuit().snapshot()
    assert (snapshot.state, snapshot.window_calls, snapshot.window_failures) == (CLOSED, 21, 10)
    fail(pipeline)
    assert pipeline.circuit().state is OPEN


def test_circuit_time_window_counts_a_call_when_it_ends(make: Make, clock: ManualClock) -> None:
    """A call that begins in one bucket and ends in a later one belongs to the later one."""
    pipeline = make(window_kind="time", window=10.0, timeout=None)
    pipeline.call(clock.advance, 8.5)
    clock.advance(8.5)
    assert pipeline.circuit().snapshot().window_calls == 1
    clock.advance(1.5)
    assert pipeline.circuit().snapshot().window_calls == 0


@pytest.mark.parametrize("window_kind", ["count", "time"])
def test_circuit_reconfigured_to_a_window_starts_it_empty(make: Make, window_kind: str) -> None:
    """Successes from before the window existed are not in it."""
    pipeline = make()
    for _ in range(50):
        pipeline.call(ok)
    pipeline.replace(Policy("orders", breaker=CircuitBreakerConfig("orders", window_kind=window_kind)))
    assert pipeline.circuit().snapshot().window_calls == 0
    for _ in range(7):
        pipeline.call(ok)
    snapshot = pipeline.circuit().snapshot()
    assert (snapshot.window_calls, snapshot.tally.successes) == (7, 57)


def test_circuit_reconfigured_keeps_state_counts_and_reference(make: Make, clock: ManualClock) -> None:
    """An open circuit stays open to its time, and the tally goes on."""
    pipeline = make(failure_threshold=1, recovery_timeout=60.0)
    circuit = pipeline.circuit()
    pipeline.call(ok)
    fail(pipeline)
    pipeline.replace(Policy("orders", breaker=CircuitBreakerConfig("orders", failure_threshold=9, history=1)))
    assert pipeline.circuit() is circuit
    snapshot = circuit.snapshot()
    assert (snapshot.state, snapshot.retry_after, snapshot.tally.calls) == (OPEN, 60.0, 2)
    clock.advance(60.0)
    pipeline.call(ok)
    assert len(circuit.snapshot().history) == 1


def test_circuit_attempt_in_flight_is_counted_across_a_reconfiguration(make: Make) -> None:
    """A call that began under the old configuration ends under it and is counted once."""
    pipeline = make(failure_threshold=2)
    new = Policy("orders", breaker=CircuitBreakerConfig("orders", failure_threshold=1, window_kind="count"))
    pipeline.call(lambda: pipeline.replace(new))
    fail(pipeline)
    tally = pipeline.circuit().snapshot().tally
    assert (tally.successes, tally.failures, tally.late) == (1, 1, 0)


# ------------------------------------------------------------------ leases


@pytest.mark.parametrize(
    ("policy", "breaker", "lease"),
    [
        ({}, {"timeout": 30.0}, 35.0),
        ({}, {"timeout": None}, 60.0),
        ({"timeout": 120.0}, {"timeout": 30.0}, 125.0),
        ({"timeout": 2.0}, {"timeout": 30.0}, 7.0),
        ({"bulkhead": 3}, {"timeout": 30.0}, 35.0),
    ],
)
def test_circuit_lease_follows_the_limit_of_the_attempt(
    make: Make, clock: ManualClock, policy: dict[str, Any], breaker: dict[str, Any], lease: float
) -> None:
    """A probe that hangs longer than its attempt may take, plus five seconds, counts as failed."""
    pipeline = make(policy, failure_threshold=1, success_threshold=1, **breaker)
    fail(pipeline)
    clock.advance(60.0)

    def probe() -> None:
        clock.advance(lease - 0.5)
        assert pipeline.circuit().state is HALF_OPEN
        clock.advance(0.5)
        assert pipeline.circuit().state is OPEN

    pipeline.call(probe)
    assert pipeline.circuit().snapshot().tally.late == 1


def test_circuit_lease_is_extended_while_an_inner_queue_may_hold_the_probe(clock: ManualClock, hub: EventHub) -> None:
    """Until it starts, a probe keeps its place for the longest wait of the inner layers and its lease."""
    circuit = Circuit(CircuitBreakerConfig("orders", failure_threshold=1), clock, hub)
    circuit.queue_limit = 10.0
    circuit.isolate()
    circuit.close()
    circuit.machine._open(clock.monotonic(), 0.5, "test")
    clock.advance(60.0)
    call: Any = None
    permit = circuit.enter(call)
    assert isinstance(permit, Probe)
    assert permit.lease_end == clock.monotonic() + 45.0
    clock.advance(9.0)
    circuit.begin(permit, clock.monotonic(), 30.0)
    assert permit.lease_end == clock.monotonic() + 35.0


@pytest.mark.parametrize(
    "end",
    [None, ValueError("x"), KeyError("ignored"), asyncio.CancelledError(), KeyboardInterrupt(), GeneratorExit()],
    ids=lambda end: type(end).__name__,
)
def test_circuit_no_end_of_a_probe_loses_its_place(make: Make, clock: ManualClock, end: BaseException | None) -> None:
    """Success, error, ignored error, cancellation or exit: afterwards no probe is in flight."""
    pipeline = make(failure_threshold=1, ignored_exceptions=[KeyError], success_threshold=10)
    fail(pipeline)
    clock.advance(60.0)
    for _ in range(3):
        if end is None:
            pipeline.call(ok)
        else:
            with pytest.raises(type(end)):
                pipeline.call(raising(end))
        assert pipeline.circuit().snapshot().probes_in_flight == 0
        clock.advance(60.0)
    assert pipeline.circuit().state is HALF_OPEN
