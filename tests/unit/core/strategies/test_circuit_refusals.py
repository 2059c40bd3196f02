"""One circuit at run time: what it refuses, tells and shows."""

from __future__ import annotations

import gc
import json
import tracemalloc

import pytest

from scrollintel.core.errors import (
    CircuitIsolatedError,
    CircuitOpenError,
    CircuitRampingError,
)
from scrollintel.core.events import CallRejected, Event, StateChanged, WouldHaveOpened
from scrollintel.core.hub import EventHub
from scrollintel.core.states import CircuitState
from scrollintel.testing import ManualClock
from tests.unit.core.strategies.circuit_steps import (
    CLOSED,
    HALF_OPEN,
    OPEN,
    SECRET,
    WALL,
    Make,
    fail,
    listen,
    ok,
)

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
    assert str(caught.value) == "circuit 'orders' lets traffic return step by step; last failure: Broken"
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
    assert growth < 50_000  # half a byte for each: other threads of this process may keep something meanwhile
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
