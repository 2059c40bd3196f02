"""The rules of one circuit: what opens it, when it admits a probe, and what closes it."""

from __future__ import annotations

import pytest

from scrollintel.core.outcome import Verdict
from tests.unit.core.machines.breaker_steps import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
    NEUTRAL,
    OPEN,
    SUCCESS,
    admitted,
    half_open,
    moves,
    new,
    opened,
    probe,
    refused,
    run,
)

# ------------------------------------------------------------------ opening by consecutive failures


def test_breaker_new_is_closed_calm_and_admits() -> None:
    """A new circuit admits with its era as the permit, and remembers nothing."""
    machine = new(5.0)
    assert (machine.state, machine.era, machine.since, machine.calm) == (CLOSED, 0, 5.0, True)
    assert machine.admit(5.0) == 0
    assert (machine.failures, machine.probes_in_flight, machine.transitions) == (0, 0, ())


def test_breaker_opens_at_the_threshold_of_consecutive_failures() -> None:
    """Four failures keep it closed, the fifth opens it, and the transition tells when and why."""
    machine = new()
    run(machine, 1.0, *[FAILURE] * 4)
    assert (machine.state, machine.failures) == (CLOSED, 4)
    run(machine, 2.0, FAILURE)
    assert (machine.state, machine.since, machine.open_until) == (OPEN, 2.0, 62.0)
    (transition,) = machine.transitions
    assert (transition.old, transition.new, transition.at, transition.era) == (CLOSED, OPEN, 2.0, 1)
    assert transition.reason == "5 failures in a row"
    assert not transition.would


def test_breaker_success_between_failures_starts_the_count_again() -> None:
    """Only failures in a row count."""
    machine = new()
    run(machine, 0.0, *[FAILURE] * 4, SUCCESS, *[FAILURE] * 4)
    assert (machine.state, machine.failures) == (CLOSED, 4)


@NEUTRAL
def test_breaker_neutral_results_neither_count_nor_interrupt(neutral: Verdict) -> None:
    """Ignored errors and cancellations leave a row of failures as long as it was."""
    machine = new()
    run(machine, 0.0, *[FAILURE] * 4, *[neutral] * 10)
    assert (machine.state, machine.failures) == (CLOSED, 4)
    run(machine, 0.0, FAILURE)
    assert machine.state is OPEN


def test_breaker_threshold_of_one_opens_at_the_first_failure() -> None:
    """The smallest threshold is one call."""
    machine = new(failure_threshold=1)
    run(machine, 0.0, FAILURE)
    assert machine.state is OPEN


# ------------------------------------------------------------------ opening by rates


def test_breaker_count_window_opens_at_the_rate_inclusive() -> None:
    """Exactly half of the calls is enough for a rate of one half."""
    machine = new(window_kind="count", window=10, minimum_calls=10, failure_rate=0.5)
    run(machine, 0.0, *[SUCCESS] * 5, *[FAILURE] * 4)
    assert machine.state is CLOSED
    run(machine, 0.0, FAILURE)
    assert machine.state is OPEN
    assert machine.transitions[-1].reason == "5 of 10 calls failed"


def test_breaker_count_window_below_the_rate_stays_closed() -> None:
    """Four of ten do not reach one half, however long it goes on."""
    machine = new(window_kind="count", window=10, failure_rate=0.5)
    for _ in range(50):
        run(machine, 0.0, SUCCESS, SUCCESS, FAILURE, SUCCESS, FAILURE)
    assert machine.state is CLOSED


def test_breaker_count_window_is_not_judged_below_the_minimum_of_calls() -> None:
    """Nine failures of nine calls say nothing when ten are asked for; the tenth result opens."""
    machine = new(window_kind="count", window=20, minimum_calls=10, failure_rate=0.5)
    run(machine, 0.0, *[FAILURE] * 9)
    assert machine.state is CLOSED
    run(machine, 0.0, SUCCESS)
    assert machine.state is OPEN


def test_breaker_count_window_forgets_what_was_pushed_out() -> None:
    """Old failures leave the window, so they do not open the circuit together with new ones."""
    machine = new(window_kind="count", window=10, minimum_calls=10, failure_rate=0.5)
    run(machine, 0.0, *[FAILURE] * 4, *[SUCCESS] * 10, *[FAILURE] * 4)
    assert (machine.state, machine.window and machine.window.failures) == (CLOSED, 4)


def test_breaker_time_window_forgets_old_failures() -> None:
    """Nine failures ten buckets ago count no longer."""
    machine = new(window_kind="time", window=30.0, minimum_calls=10)
    run(machine, 0.0, *[FAILURE] * 9)
    run(machine, 30.0, FAILURE)
    assert machine.state is CLOSED
    run(machine, 30.0, *[FAILURE] * 8)
    assert machine.state is CLOSED
    run(machine, 30.0, FAILURE)
    assert machine.state is OPEN


def test_breaker_time_window_is_judged_on_successes_as_well() -> None:
    """When old successes leave the window, the next result opens the circuit even if it is a success."""
    machine = new(window_kind="time", window=10.0, minimum_calls=4, failure_rate=0.5)
    run(machine, 0.0, *[SUCCESS] * 9)
    run(machine, 5.0, *[FAILURE] * 3)
    assert machine.state is CLOSED
    run(machine, 10.0, SUCCESS)
    assert machine.state is OPEN
    assert machine.transitions[-1].reason == "3 of 4 calls failed"


def test_breaker_slow_calls_open_at_their_rate_inclusive() -> None:
    """Slow successes open the circuit when their share reaches the rate."""
    machine = new(
        window_kind="count", window=10, minimum_calls=4, slow_call_duration=1.0, slow_call_rate=0.5, failure_rate=1.0
    )
    run(machine, 0.0, SUCCESS, SUCCESS)
    run(machine, 0.0, SUCCESS, slow=True)
    assert (machine.state, machine.calm) == (CLOSED, False)
    run(machine, 0.0, SUCCESS, slow=True)
    assert machine.state is OPEN
    assert machine.transitions[-1].reason == "2 of 4 calls were slow"


def test_breaker_without_failures_does_not_open_at_a_rate_that_rounds_to_zero() -> None:
    """A tiny rate still takes one failure."""
    machine = new(window_kind="count", window=10, minimum_calls=1, failure_rate=1e-12)
    run(machine, 0.0, *[SUCCESS] * 20)
    assert machine.state is CLOSED
    run(machine, 0.0, FAILURE)
    assert machine.state is OPEN


def test_breaker_count_in_time_opens_at_so_many_failures_whatever_succeeds_between() -> None:
    """Three failures within ten seconds open, also with successes between them."""
    machine = new(window_kind="count_in_time", window=10.0, failure_threshold=3)
    for now in (0.0, 4.0, 9.0):
        assert machine.state is CLOSED
        run(machine, now, SUCCESS, FAILURE, *([SUCCESS] if now < 9.0 else []))
    assert machine.state is OPEN
    assert machine.transitions[-1].reason == "3 failures within 10 s"


def test_breaker_count_in_time_failure_as_old_as_the_time_does_not_count() -> None:
    """The first failure is exactly ten seconds old at the third: two are left."""
    machine = new(window_kind="count_in_time", window=10.0, failure_threshold=3)
    for now in (0.0, 4.0, 10.0, 13.9):
        run(machine, now, FAILURE)
        assert machine.state is (CLOSED if now < 13.9 else OPEN)


def test_breaker_count_in_time_does_not_open_on_a_success() -> None:
    """A threshold lowered below what is remembered is judged at the next failure."""
    machine = new(window_kind="count_in_time", window=10.0, failure_threshold=3)
    run(machine, 0.0, FAILURE, FAILURE, SUCCESS)
    assert machine.state is CLOSED


# ------------------------------------------------------------------ open


def test_breaker_open_refuses_with_the_time_that_is_left() -> None:
    """A refusal tells the state and the seconds until the next probe."""
    machine = opened(100.0)
    refusal = refused(machine, 100.0)
    assert (refusal.state, refusal.retry_after) == (OPEN, 60.0)
    assert refused(machine, 159.0).retry_after == 1.0


def test_breaker_open_period_ends_inclusively() -> None:
    """A moment before the end nothing passes; at the very end the first probe does."""
    machine = opened(100.0)
    assert refused(machine, 159.999).state is OPEN
    assert probe(machine, 160.0).lease_end == 195.0
    (transition,) = machine.transitions
    assert (transition.old, transition.new, transition.at) == (OPEN, HALF_OPEN, 160.0)
    assert transition.reason == "the open period is over"


def test_breaker_open_becomes_half_open_by_time_alone() -> None:
    """Whoever looks after the end sees it half-open, without a call."""
    machine = opened()
    machine.advance(59.9)
    assert machine.state is OPEN
    machine.advance(60.0)
    assert (machine.state, machine.probes_in_flight, moves(machine)) == (HALF_OPEN, 0, [(OPEN, HALF_OPEN)])


@pytest.mark.parametrize("verdict", list(Verdict))
def test_breaker_result_of_an_earlier_era_is_dropped_while_open(verdict: Verdict) -> None:
    """A call that was admitted before the circuit opened changes nothing when it comes back."""
    machine = new(failure_threshold=1)
    late = admitted(machine, 0.0)
    run(machine, 0.0, FAILURE)
    until = machine.open_until
    assert machine.settle(late, verdict, 1.0) is False
    assert (machine.state, machine.open_until, machine.late, machine.failures) == (OPEN, until, 1, 1)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_breaker_late_result_from_an_earlier_era_is_dropped_after_closing(verdict: Verdict) -> None:
    """A call admitted before the circuit opened cannot reopen it after it has closed again."""
    machine = new(failure_threshold=1, success_threshold=1)
    late = admitted(machine, 0.0)
    run(machine, 0.0, FAILURE)
    run(machine, 60.0, SUCCESS)
    assert machine.state is CLOSED
    assert machine.settle(late, verdict, 61.0) is False
    assert (machine.state, machine.failures, machine.late, machine.calm) == (CLOSED, 0, 1, True)


def test_breaker_late_success_from_the_closed_era_does_not_help_to_close() -> None:
    """While half-open only probes count."""
    machine = new(failure_threshold=1, success_threshold=1)
    late = admitted(machine, 0.0)
    run(machine, 0.0, FAILURE)
    machine.advance(60.0)
    assert machine.settle(late, SUCCESS, 60.0) is False
    assert (machine.state, machine.successes) == (HALF_OPEN, 0)


# ------------------------------------------------------------------ half-open


def test_breaker_half_open_admits_one_probe_at_a_time_by_default() -> None:
    """The second caller is refused until the first is back; the refusal tells when the lease ends."""
    machine = half_open()
    first = probe(machine, 60.0)
    assert machine.probes_in_flight == 1
    refusal = refused(machine, 70.0)
    assert (refusal.state, refusal.retry_after) == (HALF_OPEN, 25.0)
    assert machine.settle(first, SUCCESS, 71.0)
    assert machine.probes_in_flight == 0
    probe(machine, 71.0)


def test_breaker_half_open_admits_as_many_probes_as_configured() -> None:
    """Three at once, not four; each return makes room for one."""
    machine = half_open(probes=3, success_threshold=10)
    permits = [probe(machine, 60.0) for _ in range(3)]
    refused(machine, 60.0)
    machine.settle(permits[1], SUCCESS, 60.0)
    probe(machine, 60.0)
    refused(machine, 60.0)
    assert machine.probes_in_flight == 3


def test_breaker_half_open_closes_at_the_threshold_of_successes() -> None:
    """Two successful probes are not enough, the third closes; counters start at zero."""
    machine = half_open()
    run(machine, 60.0, SUCCESS, SUCCESS)
    assert (machine.state, machine.successes) == (HALF_OPEN, 2)
    run(machine, 61.0, SUCCESS)
    assert (machine.state, machine.since, machine.successes, machine.failures) == (CLOSED, 61.0, 0, 0)
    assert machine.transitions[-1].reason == "3 probes succeeded"
    assert machine.calm


def test_breaker_half_open_failed_probe_opens_again() -> None:
    """One failure ends the round, whatever succeeded before; the open period starts anew."""
    machine = half_open()
    run(machine, 60.0, SUCCESS, SUCCESS)
    run(machine, 62.0, FAILURE)
    assert (machine.state, machine.open_until, machine.successes) == (OPEN, 122.0, 0)
    assert machine.transitions[-1].reason == "a probe failed"


def test_breaker_half_open_slow_probe_opens_again() -> None:
    """A probe that succeeds too slowly shows that the dependency has not recovered."""
    machine = half_open(window_kind="count", minimum_calls=5, slow_call_duration=1.0)
    machine.settle(probe(machine, 60.0), SUCCESS, 62.0, slow=True)
    assert machine.state is OPEN
    assert machine.transitions[-1].reason == "a probe was too slow"


@NEUTRAL
def test_breaker_half_open_neutral_probe_gives_its_slot_back(neutral: Verdict) -> None:
    """A cancelled or ignored probe counts for nothing, and the next caller may try; also when it was slow."""
    machine = half_open()
    for _ in range(20):
        assert machine.settle(probe(machine, 60.0), neutral, 60.0, slow=True)
        assert (machine.state, machine.probes_in_flight, machine.successes) == (HALF_OPEN, 0, 0)
    probe(machine, 60.0)


def test_breaker_half_open_other_probes_are_late_after_the_round_is_decided() -> None:
    """The failure of one of three probes opens; a success of the others comes too late."""
    machine = half_open(probes=3)
    first, second, third = (probe(machine, 60.0) for _ in range(3))
    machine.settle(first, FAILURE, 61.0)
    assert machine.settle(second, SUCCESS, 62.0) is False
    machine.advance(121.0)
    assert machine.settle(third, FAILURE, 121.0) is False
    assert (machine.state, machine.probes_in_flight, machine.late) == (HALF_OPEN, 0, 2)


def test_breaker_probe_is_settled_once() -> None:
    """A permit given back twice frees one slot and counts once."""
    machine = half_open(probes=2)
    first = probe(machine, 60.0)
    probe(machine, 60.0)
    assert machine.settle(first, SUCCESS, 60.0) is True
    assert machine.settle(first, SUCCESS, 60.0) is False
    assert (machine.probes_in_flight, machine.successes) == (1, 1)
