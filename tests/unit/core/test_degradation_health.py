"""Readings made from snapshots: windows between evaluations, never totals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scrollintel.core.errors import ConfigError
from scrollintel.core.machines.degradation import HealthReading
from scrollintel.core.snapshot import CircuitSnapshot, PolicySnapshot, ResponseTimes, Tally
from scrollintel.core.states import CircuitState
from scrollintel.core.strategies.dependencies import dependencies_first
from scrollintel.core.strategies.health_window import HealthWindow, combine, require_health

NOTHING = HealthReading()


def tally(successes: int, failures: int) -> Tally:
    """Return counts of calls."""
    return Tally(successes=successes, failures=failures)


def circuit(
    state: CircuitState = CircuitState.CLOSED,
    retry_after: float | None = None,
    counts: Tally | None = None,
    times: ResponseTimes | None = None,
) -> CircuitSnapshot:
    """Return a snapshot of a circuit."""
    return CircuitSnapshot(
        name="database", key=None, state=state, reason="", since=0.0, retry_after=retry_after, consecutive_failures=0,
        window_calls=0, window_failures=0, window_slow=0, probes_in_flight=0, probe_successes=0, openings=0,
        would_have_opened=0, tally=counts or Tally(), response_times=times or ResponseTimes(), last_failure=None,
        history=(),
    )  # fmt: skip


def policy(*circuits: CircuitSnapshot, state: CircuitState | None = None, wait: float | None = None) -> PolicySnapshot:
    """Return a snapshot of a policy."""
    return PolicySnapshot(
        name="shards", revision=1, state=state, since=None, tally=Tally(), response_times=ResponseTimes(),
        last_failure=None, retry_after=wait, circuits=circuits,
    )  # fmt: skip


def window(*counts: Tally) -> HealthWindow:
    """Return a window that has read `counts`, one per second from 0 on."""
    subject = HealthWindow(Tally)
    for second, count in enumerate(counts):
        subject.read(count, float(second), 10)
    return subject


def test_health_window_judges_only_what_came_since_the_last_reading() -> None:
    """A bad past and a good present make a low error rate."""
    reading = window(tally(0, 1000)).read(tally(19, 1001), 1.0, 10)
    assert (reading.error_rate, reading.calls) == (0.05, 20)


def test_health_window_first_reading_says_nothing() -> None:
    """Counts from before the first look belong to another time."""
    assert HealthWindow(Tally).read(tally(0, 1000), 0.0, 10) == NOTHING


def test_health_window_few_calls_add_up_over_readings() -> None:
    """A slow stream is judged as soon as it has enough calls."""
    subject = window(tally(0, 0), tally(2, 2), tally(3, 6))
    reading = subject.read(tally(4, 6), 3.0, 10)
    assert (reading.error_rate, reading.calls) == (0.6, 10)


def test_health_window_few_calls_are_forgotten_after_a_minute() -> None:
    """Errors of long ago do not pair with those of now."""
    subject = window(tally(0, 0))
    assert subject.read(tally(0, 5), 60.0, 10) == NOTHING
    assert subject.read(tally(0, 10), 61.0, 10) == NOTHING


def test_health_window_reset_counts_start_anew() -> None:
    """Counts that shrink were reset; the next reading rests on what came after."""
    subject = window(tally(100, 100))
    assert subject.read(tally(0, 20), 1.0, 10) == NOTHING
    assert subject.read(tally(10, 20), 2.0, 10).error_rate == 0.0


def test_health_window_latency_is_the_mean_since_the_last_reading() -> None:
    """A slow past does not show in the latency of now."""
    subject = HealthWindow(Tally)
    subject.read(circuit(counts=tally(100, 0), times=ResponseTimes(count=100, mean=9.0)), 0.0, 10)
    reading = subject.read(circuit(counts=tally(120, 0), times=ResponseTimes(count=120, mean=7.75)), 1.0, 10)
    assert reading.latency == pytest.approx(1.5)


def test_health_window_reading_with_too_few_calls_keeps_the_circuit() -> None:
    """A callable's own reading is trimmed to what may be judged."""
    given = HealthReading(error_rate=1.0, calls=3, latency=2.0, circuit_state=CircuitState.OPEN)
    assert HealthWindow(Tally).read(given, 0.0, 10) == HealthReading(calls=3, circuit_state=CircuitState.OPEN)
    assert HealthWindow(Tally).read(replace(given, calls=10), 0.0, 10).error_rate == 1.0


def test_health_window_policy_gives_its_own_state() -> None:
    """A policy with one circuit is as open as that circuit."""
    reading = window().read(policy(circuit(), state=CircuitState.OPEN, wait=4.0), 0.0, 10)
    assert (reading.circuit_state, reading.retry_after) == (CircuitState.OPEN, 4.0)


def test_health_window_keyed_policy_is_open_when_all_of_its_circuits_are() -> None:
    """One bad shard is not the whole service; all of them are, until the first admits a probe."""
    opened = [circuit(CircuitState.OPEN, 30.0), circuit(CircuitState.OPEN, 5.0)]
    partly = window().read(policy(*opened, circuit()), 0.0, 10)
    fully = window().read(policy(*opened, circuit(CircuitState.ISOLATED)), 0.0, 10)
    assert partly.circuit_state is CircuitState.CLOSED
    assert (fully.circuit_state, fully.retry_after) == (CircuitState.OPEN, 5.0)


def test_health_window_policy_without_circuits_says_nothing_of_one() -> None:
    """A policy that only retries has no circuit to judge."""
    assert window().read(policy(), 0.0, 10).circuit_state is None


def test_combine_takes_the_worst_of_each_field() -> None:
    """Several sources make one reading, with the circuit that stays open longest."""
    combined = combine(
        [
            HealthReading(error_rate=0.1, calls=50, latency=3.0, circuit_state=CircuitState.CLOSED),
            HealthReading(error_rate=0.4, calls=20, circuit_state=CircuitState.OPEN, retry_after=7.0),
            HealthReading(latency=1.0, circuit_state=CircuitState.OPEN, retry_after=3.0),
        ]
    )
    assert combined == HealthReading(
        error_rate=0.4, calls=20, latency=3.0, circuit_state=CircuitState.OPEN, retry_after=7.0
    )


def test_combine_isolated_circuit_outlasts_an_open_one() -> None:
    """A circuit held open by an operator has no time of its end."""
    combined = combine(
        [
            HealthReading(circuit_state=CircuitState.OPEN, retry_after=7.0),
            HealthReading(circuit_state=CircuitState.ISOLATED),
        ]
    )
    assert (combined.circuit_state, combined.retry_after) == (CircuitState.ISOLATED, None)


def test_combine_nothing_says_nothing() -> None:
    """Without a source there is no reading."""
    assert combine([]) == NOTHING


def test_require_health_other_type_is_named() -> None:
    """A health callable that returns something else is told what is wanted."""
    with pytest.raises(TypeError, match="not dict"):
        require_health({})


def test_dependencies_first_orders_and_leaves_out_unknown_names() -> None:
    """Each name comes after all that it depends on."""
    order = dependencies_first({"page": ["search", "cart"], "search": ["index"], "cart": [], "index": ["disk"]})
    assert sorted(order) == ["cart", "index", "page", "search"]
    assert order.index("index") < order.index("search") < order.index("page")
    assert order.index("cart") < order.index("page")


def test_dependencies_first_circle_is_named() -> None:
    """The error shows the way around, in the direction of dependence."""
    with pytest.raises(ConfigError) as caught:
        dependencies_first({"a": ["b"], "b": ["c"], "c": ["a"]})
    shown = str(caught.value)
    assert any(circle in shown for circle in ("a -> b -> c -> a", "b -> c -> a -> b", "c -> a -> b -> c"))
