"""The calls that decided a circuit's state: what is told of them, and what never is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from scrollintel.core.events import StateChanged
from scrollintel.core.evidence import DecidingCall, Evidence
from scrollintel.core.hub import EventHub
from scrollintel.core.outcome import MOST_TOLD
from scrollintel.core.pipeline import Pipeline
from scrollintel.testing import ManualClock
from tests.unit.core.strategies.circuit_steps import OPEN, SECRET, WALL, Make, fail, listen, ok, raising

TEN_OF_TIME: dict[str, Any] = {"window_kind": "time", "window": 10, "minimum_calls": 4, "failure_rate": 0.5}


def evidence(pipeline: Pipeline) -> Evidence:
    """Return what decided the state."""
    found = pipeline.circuit().snapshot().evidence
    assert found is not None
    return found


def told(pipeline: Pipeline) -> list[tuple[str, str | None]]:
    """Return outcome and error of each call that decided."""
    return [(call.outcome, call.error) for call in evidence(pipeline).calls]


def lasting(clock: ManualClock, seconds: float, then: Callable[[], object] = ok) -> Callable[[], object]:
    """Return an operation that takes some time."""

    def operation() -> object:
        clock.advance(seconds)
        return then()

    return operation


def test_failures_in_a_row_are_told_with_class_time_and_duration(make: Make, clock: ManualClock) -> None:
    """Only those of the row: a failure before a success decided nothing."""
    pipeline = make(failure_threshold=2)
    fail(pipeline)
    pipeline.call(ok)
    began = clock.time()
    for error in (KeyError("x"), OSError("y")):
        with pytest.raises(type(error)):
            pipeline.call(lasting(clock, 0.25, raising(error)))
    assert evidence(pipeline) == Evidence(
        rule="consecutive",
        total=2,
        failures=2,
        slow=0,
        calls=(
            DecidingCall("failure", "KeyError", began + 0.25, 0.25),
            DecidingCall("failure", "OSError", began + 0.5, 0.25),
        ),
    )


def test_window_of_calls_is_told_in_order(make: Make, clock: ManualClock) -> None:
    """Successes stand between the others; a failure that was slow is a failure."""
    pipeline = make(window_kind="count", window=6, minimum_calls=6, failure_rate=0.5, slow_call_duration=1.0)
    pipeline.call(ok)
    fail(pipeline)
    pipeline.call(lasting(clock, 2.0))
    with pytest.raises(KeyError):
        pipeline.call(lasting(clock, 2.0, raising(KeyError())))
    pipeline.call(ok)
    fail(pipeline)
    assert told(pipeline) == [
        ("success", None), ("failure", "Broken"), ("slow", None), ("failure", "KeyError"), ("success", None),
        ("failure", "Broken"),
    ]  # fmt: skip
    shown = evidence(pipeline)
    assert (shown.rule, shown.total, shown.failures, shown.slow) == ("count", 6, 3, 2)


def test_window_of_time_is_told_in_parts_with_what_failed(make: Make, clock: ManualClock) -> None:
    """Parts without a call are left out, and so is what the window has forgotten."""
    pipeline = make(**TEN_OF_TIME)
    fail(pipeline)
    clock.advance(11)
    pipeline.call(ok)
    fail(pipeline)
    clock.advance(3)
    pipeline.call(ok)
    fail(pipeline)
    shown = evidence(pipeline)
    assert (shown.total, shown.failures, len(shown.calls)) == (4, 2, 2)
    assert [(part.calls, part.failures, part.slow) for part in shown.spans] == [(2, 1, 0), (2, 1, 0)]
    assert shown.spans[1].start - shown.spans[0].start == pytest.approx(3.0)


def test_failures_within_a_time_are_told(make: Make, clock: ManualClock) -> None:
    """What came before the time and what did not fail decided nothing."""
    pipeline = make(window_kind="count_in_time", window=10, failure_threshold=2)
    with pytest.raises(KeyError):
        pipeline.call(raising(KeyError()))
    clock.advance(11)
    fail(pipeline)
    pipeline.call(ok)
    fail(pipeline)
    assert told(pipeline) == [("failure", "Broken"), ("failure", "Broken")]


@pytest.mark.parametrize(
    "rule", [{"failure_threshold": 50}, {"window_kind": "count", "window": 50, "minimum_calls": 50}, TEN_OF_TIME]
)
def test_of_many_calls_the_newest_are_told(make: Make, rule: dict[str, Any]) -> None:
    """And how many there were."""
    pipeline = make(**{**rule, "minimum_calls": 50} if "window" in rule else rule)
    for _ in range(49):
        with pytest.raises(KeyError):
            pipeline.call(raising(KeyError()))
    fail(pipeline)
    shown = evidence(pipeline)
    assert shown.total == 50
    assert [call.error for call in shown.calls] == ["KeyError"] * (MOST_TOLD - 1) + ["Broken"]


def test_probes_are_told_when_they_close_and_when_they_fail(make: Make, clock: ManualClock) -> None:
    """Not the failures that opened the circuit before."""
    pipeline = make(failure_threshold=1, recovery_timeout=1, success_threshold=2)
    fail(pipeline)
    clock.advance(1)
    pipeline.call(ok)
    fail(pipeline)
    assert told(pipeline) == [("success", None), ("failure", "Broken")]
    clock.advance(1)
    pipeline.call(ok)
    pipeline.call(ok)
    assert (evidence(pipeline).rule, told(pipeline)) == ("probes", [("success", None)] * 2)


@pytest.mark.parametrize("order", ["isolate", "close", "reset"])
def test_orders_rest_on_no_call(make: Make, clock: ManualClock, order: str) -> None:
    """Neither before they are given, nor for what happens after."""
    pipeline = make(failure_threshold=1, recovery_timeout=1, success_threshold=2)
    fail(pipeline)
    clock.advance(1)
    pipeline.call(ok)
    getattr(pipeline.circuit(), order)()
    assert pipeline.circuit().snapshot().evidence is None


def test_close_of_a_closed_circuit_forgets_what_failed(make: Make) -> None:
    """As its counters do."""
    pipeline = make(failure_threshold=2)
    with pytest.raises(KeyError):
        pipeline.call(raising(KeyError()))
    pipeline.circuit().close()
    fail(pipeline, 2)
    assert told(pipeline) == [("failure", "Broken")] * 2


def test_waiting_for_a_probe_keeps_what_opened_the_circuit(make: Make, clock: ManualClock) -> None:
    """Time alone decides nothing anew."""
    pipeline = make(failure_threshold=1, recovery_timeout=1)
    fail(pipeline)
    before = evidence(pipeline)
    clock.advance(1)
    assert pipeline.circuit().state.value == "half_open"
    assert evidence(pipeline) is before


def test_event_carries_it_without_a_text_of_the_error(make: Make, hub: EventHub) -> None:
    """As JSON values, in the event and in the snapshot; what the error says is in neither."""
    events = listen(hub, StateChanged)
    pipeline = make(failure_threshold=1)
    fail(pipeline)
    hub.flush()
    (event,) = events
    assert (event.new, event.evidence) == (OPEN, evidence(pipeline))
    shown = event.to_dict()["evidence"]
    assert shown == pipeline.circuit().snapshot().to_dict()["evidence"] == json.loads(json.dumps(shown))
    assert shown["calls"][0]["error"] == "Broken"
    assert shown["calls"][0]["at"] >= WALL
    assert SECRET not in json.dumps(event.to_dict()["evidence"])
