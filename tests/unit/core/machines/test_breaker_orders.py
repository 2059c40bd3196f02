"""The rules of one circuit under an operator's orders, in other modes, and under another configuration."""

from __future__ import annotations

from typing import Any

import pytest

from scrollintel.core.machines.answers import Transition
from scrollintel.core.states import CircuitState
from tests.unit.core.machines.breaker_steps import (
    CLOSED,
    DISABLED,
    FAILURE,
    HALF_OPEN,
    IGNORED,
    ISOLATED,
    METRICS_ONLY,
    OPEN,
    SUCCESS,
    admitted,
    half_open,
    moves,
    new,
    opened,
    periods,
    probe,
    ramping,
    refused,
    run,
    settings,
    share_of,
)

# ------------------------------------------------------------------ operators


@pytest.mark.parametrize("make", [new, opened, half_open, ramping])
def test_breaker_isolated_refuses_everything_for_ever(make: Any) -> None:
    """From every state; only an operator ends it, so there is no time to wait."""
    machine = make()
    old = machine.state
    machine.isolate(70.0, "maintenance")
    assert moves(machine) == [(old, ISOLATED)]
    for now in (70.0, 1e9):
        refusal = refused(machine, now)
        assert (refusal.state, refusal.retry_after) == (ISOLATED, None)
    machine.isolate(80.0, "again")
    assert (machine.transitions, machine.since) == ((), 70.0)


@pytest.mark.parametrize("make", [opened, half_open])
def test_breaker_closed_by_hand_admits_at_once(make: Any) -> None:
    """`close` ends open and half-open periods, with counters at zero."""
    machine = make(open_backoff=2.0)
    old = machine.state
    machine.close(70.0, "by hand")
    assert moves(machine) == [(old, CLOSED)]
    assert (machine.failures, machine.openings, machine.successes, machine.calm) == (0, 0, 0, True)
    run(machine, 70.0, *[FAILURE] * 4)
    assert machine.state is CLOSED


def test_breaker_closed_by_hand_after_isolation_admits() -> None:
    """`close` ends isolation, and the results of calls from before it are late."""
    machine = new()
    late = admitted(machine, 0.0)
    machine.isolate(1.0, "maintenance")
    assert machine.settle(late, FAILURE, 2.0) is False
    machine.close(3.0, "done")
    assert moves(machine) == [(CLOSED, ISOLATED), (ISOLATED, CLOSED)]
    assert machine.settle(late, FAILURE, 4.0) is False
    assert (machine.failures, machine.late) == (0, 2)


@pytest.mark.parametrize("window_kind", ["consecutive", "count", "time", "count_in_time"])
def test_breaker_closed_by_hand_while_closed_forgets_without_a_transition(window_kind: str) -> None:
    """Counters and window start at zero; nothing changed that would be worth telling."""
    machine = new(window_kind=window_kind)
    run(machine, 0.0, *[FAILURE] * 4)
    machine.close(1.0, "by hand")
    assert (machine.transitions, machine.failures, machine.era, machine.calm) == ((), 0, 0, True)
    run(machine, 1.0, *[FAILURE] * 4)
    assert machine.state is CLOSED


def test_breaker_isolated_drops_probes_in_flight() -> None:
    """A probe that comes back during isolation changes nothing, and none is in flight."""
    machine = half_open(success_threshold=1)
    permit = probe(machine, 60.0)
    machine.isolate(61.0, "maintenance")
    assert machine.probes_in_flight == 0
    assert machine.settle(permit, SUCCESS, 62.0) is False
    assert machine.state is ISOLATED


# ------------------------------------------------------------------ disabled and metrics only


def test_breaker_disabled_admits_and_records_nothing() -> None:
    """Any number of failures changes nothing."""
    machine = new(mode="disabled", window_kind="count", minimum_calls=1)
    assert (machine.state, machine.calm) == (DISABLED, False)
    run(machine, 0.0, *[FAILURE] * 50)
    assert (machine.state, machine.failures, machine.window and machine.window.calls) == (DISABLED, 0, 0)
    assert machine.transitions == ()


def test_breaker_disabled_can_be_isolated_and_comes_back_disabled() -> None:
    """An operator's word counts more than the mode."""
    machine = new(mode="disabled")
    machine.isolate(1.0, "maintenance")
    refused(machine, 2.0)
    machine.close(3.0, "done")
    assert moves(machine) == [(DISABLED, ISOLATED), (ISOLATED, DISABLED)]


def test_breaker_metrics_only_tells_what_it_would_have_done() -> None:
    """It records like a closed circuit, counts each opening that it left out, and never refuses."""
    machine = new(mode="metrics_only")
    assert (machine.state, machine.calm) == (METRICS_ONLY, True)
    run(machine, 1.0, *[FAILURE] * 4)
    assert machine.would_have_opened == 0
    run(machine, 2.0, FAILURE)
    assert (machine.state, machine.would_have_opened, machine.era, machine.failures) == (METRICS_ONLY, 1, 0, 0)
    (transition,) = machine.transitions
    assert (transition.old, transition.new, transition.at, transition.would) == (METRICS_ONLY, OPEN, 2.0, True)
    assert transition.reason == "5 failures in a row"
    run(machine, 3.0, *[FAILURE] * 5)
    assert machine.would_have_opened == 2


def test_breaker_metrics_only_judges_rates_on_a_fresh_window_after_each_opening() -> None:
    """Each opening that was left out starts the window again, so it is counted once and not with every call."""
    machine = new(mode="metrics_only", window_kind="count", window=10, minimum_calls=10)
    run(machine, 0.0, *[FAILURE] * 10)
    assert (machine.would_have_opened, machine.window and machine.window.calls) == (1, 0)
    run(machine, 0.0, *[FAILURE] * 9)
    assert machine.would_have_opened == 1
    run(machine, 0.0, FAILURE)
    assert machine.would_have_opened == 2


# ------------------------------------------------------------------ calm


@pytest.mark.parametrize("window_kind", ["consecutive", "count", "time", "count_in_time"])
def test_breaker_calm_ends_with_a_failure_and_comes_back(window_kind: str) -> None:
    """A failure to remember ends it; successes or time bring it back."""
    machine = new(window_kind=window_kind, window=None if window_kind == "consecutive" else 20)
    run(machine, 0.0, SUCCESS)
    assert machine.calm
    run(machine, 0.0, FAILURE)
    assert not machine.calm
    run(machine, 100.0, *[SUCCESS] * 20)
    assert machine.calm


@pytest.mark.parametrize("make", [opened, half_open, ramping])
def test_breaker_calm_is_false_where_calls_must_be_asked_for(make: Any) -> None:
    """Open, half-open, ramping and isolated circuits are never calm."""
    machine = make()
    assert not machine.calm
    machine.isolate(70.0, "maintenance")
    assert not machine.calm


def test_breaker_absorbed_successes_are_counted_in_the_window() -> None:
    """Successes that came while calm dilute later failures like any other."""
    machine = new(window_kind="count", window=100, minimum_calls=10, failure_rate=0.5)
    machine.absorb(10, 1.0)
    run(machine, 1.0, *[FAILURE] * 9)
    assert machine.state is CLOSED
    run(machine, 1.0, FAILURE)
    assert machine.state is OPEN
    machine.absorb(50, 2.0)
    assert machine.window is not None
    assert (machine.window.calls, machine.window.failures) == (20, 10)


# ------------------------------------------------------------------ another configuration


def test_breaker_reconfigured_while_closed_keeps_its_count_of_failures() -> None:
    """A lower threshold is judged at the next failure."""
    machine = new()
    run(machine, 0.0, *[FAILURE] * 4)
    machine.reconfigure(settings(failure_threshold=3), 1.0)
    assert (machine.state, machine.failures, machine.transitions) == (CLOSED, 4, ())
    run(machine, 1.0, FAILURE)
    assert machine.state is OPEN


@pytest.mark.parametrize("window_kind", ["count", "time", "count_in_time"])
def test_breaker_reconfigured_with_the_same_window_keeps_it(window_kind: str) -> None:
    """Other changes do not empty the window."""
    machine = new(window_kind=window_kind)
    run(machine, 0.0, FAILURE, FAILURE)
    machine.reconfigure(settings(window_kind=window_kind, success_threshold=7, failure_rate=0.9, probes=4), 0.0)
    assert machine.window is not None
    assert machine.window.failures == 2


@pytest.mark.parametrize("window_kind", ["count", "time"])
def test_breaker_reconfigured_rate_window_ignores_the_threshold_of_failures(window_kind: str) -> None:
    """`failure_threshold` does not concern a rate window, so changing it loses nothing."""
    machine = new(window_kind=window_kind)
    run(machine, 0.0, FAILURE, FAILURE)
    machine.reconfigure(settings(window_kind=window_kind, failure_threshold=9), 0.0)
    assert machine.window is not None
    assert machine.window.failures == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"window_kind": "count", "window": 50},
        {"window_kind": "time"},
        {"window_kind": "count_in_time"},
        {"window_kind": "consecutive"},
    ],
)
def test_breaker_reconfigured_with_another_window_starts_it_empty(changes: dict[str, Any]) -> None:
    """Kind and size concern the window: what it held cannot be carried over."""
    machine = new(window_kind="count", window=100)
    run(machine, 0.0, FAILURE, FAILURE)
    machine.reconfigure(settings(**changes), 0.0)
    assert machine.state is CLOSED
    if changes["window_kind"] == "consecutive":
        assert machine.window is None
        assert machine.failures == 2
    else:
        assert machine.window is not None
        assert (machine.window.calls, machine.window.failures) == (0, 0)


def test_breaker_reconfigured_while_open_keeps_the_end_of_its_period() -> None:
    """Only a new `recovery_timeout` concerns the running period."""
    machine = opened()
    machine.reconfigure(settings(failure_threshold=9, timeout=1.0), 10.0)
    assert (machine.state, machine.open_until, machine.transitions) == (OPEN, 60.0, ())
    probe(machine, 60.0)


@pytest.mark.parametrize(("timeout", "end"), [(20.0, 20.0), (200.0, 200.0)])
def test_breaker_reconfigured_while_open_takes_a_new_period_from_its_opening(timeout: float, end: float) -> None:
    """A shorter or longer `recovery_timeout` holds at once, counted from the opening."""
    machine = opened()
    machine.reconfigure(settings(recovery_timeout=timeout), 10.0)
    assert machine.open_until == end
    if timeout < 60.0:
        probe(machine, end)
    else:
        refused(machine, 199.0)


def test_breaker_reconfigured_while_open_keeps_the_growth_of_its_period() -> None:
    """The third opening in a row under a new base lasts four times the new base."""
    machine = new(recovery_timeout=10.0, open_backoff=2.0)
    periods(machine, 2)
    assert machine.open_until - machine.since == 40.0
    machine.reconfigure(settings(recovery_timeout=20.0, open_backoff=2.0), machine.since)
    assert machine.open_until - machine.since == 80.0


def test_breaker_reconfigured_while_half_open_goes_on_with_its_round() -> None:
    """Successes and probes in flight are kept; the new thresholds hold for what comes."""
    machine = half_open(probes=3)
    run(machine, 60.0, SUCCESS)
    permits = [probe(machine, 60.0) for _ in range(3)]
    machine.reconfigure(settings(probes=1, success_threshold=2, timeout=None), 61.0)
    assert (machine.state, machine.probes_in_flight, machine.successes) == (HALF_OPEN, 3, 1)
    refused(machine, 61.0)
    machine.settle(permits[0], IGNORED, 61.0)
    machine.settle(permits[1], IGNORED, 61.0)
    refused(machine, 61.0)
    machine.settle(permits[2], SUCCESS, 61.0)
    assert machine.state is CLOSED


def test_breaker_reconfigured_while_isolated_stays_isolated() -> None:
    """A new configuration, even of the mode, does not overrule the operator; `close` leads to the new mode."""
    machine = new()
    machine.isolate(0.0, "maintenance")
    machine.reconfigure(settings(mode="metrics_only"), 1.0)
    assert machine.state is ISOLATED
    machine.close(2.0, "done")
    assert machine.state is METRICS_ONLY


@pytest.mark.parametrize("make", [new, opened, half_open, ramping])
@pytest.mark.parametrize(("mode", "state"), [("disabled", DISABLED), ("metrics_only", METRICS_ONLY)])
def test_breaker_reconfigured_to_another_mode_moves_to_its_state(make: Any, mode: str, state: CircuitState) -> None:
    """From every state the new mode holds at once, and back again with counters at zero."""
    machine = make()
    old = machine.state
    machine.reconfigure(settings(mode=mode, ramp=machine.config.ramp), 70.0)
    assert moves(machine) == [(old, state)]
    admitted(machine, 70.0)
    machine.reconfigure(settings(), 71.0)
    assert moves(machine) == [(state, CLOSED)]
    assert (machine.failures, machine.calm) == (0, True)


@pytest.mark.parametrize(("ramp", "share"), [(None, 1.0), (200.0, 0.28), (20.0, 1.0), (100.0, 0.46)])
def test_breaker_reconfigured_while_ramping_follows_the_new_ramp(ramp: float | None, share: float) -> None:
    """Forty seconds after the close: a ramp that was switched off is over, a longer one is less far."""
    machine = ramping()
    machine.reconfigure(settings(success_threshold=1, ramp=ramp), 100.0)
    assert share_of(machine, 100.0, 1000) == pytest.approx(share, abs=0.0015)


# ------------------------------------------------------------------ as a whole


def test_breaker_eras_rise_by_one_with_each_transition() -> None:
    """Through a whole life every transition has the next era, and starts where the last one ended."""
    machine = new(failure_threshold=1, success_threshold=1)
    for start in (0.0, 1000.0, 2000.0):
        run(machine, start, FAILURE)
        run(machine, start + 60.0, SUCCESS)
        machine.isolate(start + 70.0, "maintenance")
        machine.close(start + 80.0, "done")
    told: tuple[Transition, ...] = machine.transitions
    assert [transition.era for transition in told] == list(range(1, 16))
    assert [transition.new for transition in told[:-1]] == [transition.old for transition in told[1:]]
    assert [transition.at for transition in told] == sorted(transition.at for transition in told)
