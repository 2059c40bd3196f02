"""One circuit at run time: an operator's orders, another configuration, and probes that hang."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from scrollintel.core.config.breaker import CircuitBreakerConfig
from scrollintel.core.config.policy import Policy
from scrollintel.core.errors import (
    CircuitOpenError,
)
from scrollintel.core.events import StateChanged
from scrollintel.core.hub import EventHub
from scrollintel.core.machines.answers import Probe
from scrollintel.core.strategies.breaker import Circuit
from scrollintel.testing import ManualClock
from tests.unit.core.strategies.circuit_steps import CLOSED, HALF_OPEN, OPEN, Make, fail, listen, ok, raising

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
