"""The rules of one circuit: each transition, threshold and boundary, with time passed in as numbers."""

from __future__ import annotations

from typing import Any

import pytest

from scrollintel.core.config.breaker import CircuitBreakerConfig
from scrollintel.core.machines.breaker import BreakerMachine, Permit, Probe, Refusal, Transition
from scrollintel.core.outcome import Verdict
from scrollintel.core.states import CircuitState

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
ISOLATED, DISABLED, METRICS_ONLY = CircuitState.ISOLATED, CircuitState.DISABLED, CircuitState.METRICS_ONLY
SUCCESS, FAILURE, IGNORED, ABANDONED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED, Verdict.ABANDONED
NEUTRAL = pytest.mark.parametrize("neutral", [IGNORED, ABANDONED])


def settings(**changes: Any) -> CircuitBreakerConfig:
    """Return the default configuration with `changes`."""
    return CircuitBreakerConfig("circuit", **changes)


def new(now: float = 0.0, **changes: Any) -> BreakerMachine:
    """Return a machine under the default configuration with `changes`."""
    return BreakerMachine(settings(**changes), now)


def admitted(machine: BreakerMachine, now: float) -> Permit:
    """Return the permit of a call that must pass."""
    answer = machine.admit(now)
    assert not isinstance(answer, Refusal)
    return answer


def refused(machine: BreakerMachine, now: float) -> Refusal:
    """Return the refusal of a call that must not pass."""
    answer = machine.admit(now)
    assert isinstance(answer, Refusal)
    return answer


def probe(machine: BreakerMachine, now: float) -> Probe:
    """Return the permit of a call that must pass as a probe."""
    answer = machine.admit(now)
    assert isinstance(answer, Probe)
    return answer


def run(machine: BreakerMachine, now: float, *verdicts: Verdict, slow: bool = False) -> None:
    """Let one call after the other pass and end with its verdict."""
    for verdict in verdicts:
        assert machine.settle(admitted(machine, now), verdict, now, slow)


def opened(now: float = 0.0, **changes: Any) -> BreakerMachine:
    """Return a machine that has just opened after five failures."""
    machine = new(now, **changes)
    run(machine, now, *[FAILURE] * 5)
    assert machine.state is OPEN
    machine.transitions = ()
    return machine


def half_open(now: float = 60.0, **changes: Any) -> BreakerMachine:
    """Return a machine that opened at 0 and became half-open at `now`."""
    machine = opened(**changes)
    machine.advance(now)
    assert machine.state is HALF_OPEN
    machine.transitions = ()
    return machine


def moves(machine: BreakerMachine) -> list[tuple[CircuitState, CircuitState]]:
    """Return the transitions since the last look, as pairs of states."""
    transitions, machine.transitions = machine.transitions, ()
    return [(transition.old, transition.new) for transition in transitions]


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


# ------------------------------------------------------------------ leases


@pytest.mark.parametrize(
    ("changes", "lease"),
    [
        ({}, 35.0),
        ({"timeout": 2.0}, 7.0),
        ({"timeout": 2.0, "probe_margin": 0.0}, 2.0),
        ({"timeout": None}, 60.0),
        ({"timeout": None, "probe_lease": 9.0}, 9.0),
    ],
)
def test_breaker_lease_is_timeout_plus_margin_or_a_minute_without(changes: dict[str, Any], lease: float) -> None:
    """The lease is the attempt's timeout plus five seconds, and 60 s when an attempt has no limit."""
    machine = half_open(**changes)
    assert probe(machine, 60.0).lease_end == 60.0 + lease


def test_breaker_hung_probe_counts_as_failed_when_its_lease_ends() -> None:
    """A probe that never returns reopens the circuit at the end of its lease, and later the next one is admitted."""
    machine = half_open()
    probe(machine, 60.0)
    refused(machine, 94.999)
    refusal = refused(machine, 95.0)
    assert (refusal.state, refusal.retry_after) == (OPEN, 60.0)
    assert moves(machine) == [(HALF_OPEN, OPEN)]
    refused(machine, 154.999)
    probe(machine, 155.0)


def test_breaker_hung_probe_counts_at_the_end_of_its_lease_though_nobody_looked() -> None:
    """The open period runs from the end of the lease, not from the next call; both transitions are told."""
    machine = half_open()
    probe(machine, 60.0)
    probe(machine, 155.0)
    first, second = machine.transitions
    assert (first.old, first.new, first.at) == (HALF_OPEN, OPEN, 95.0)
    assert first.reason == "a probe did not return within its lease"
    assert (second.old, second.new, second.at) == (OPEN, HALF_OPEN, 155.0)
    assert machine.probes_in_flight == 1


def test_breaker_first_of_several_leases_that_ended_decides() -> None:
    """Three probes at different times: the circuit reopens when the first lease ends."""
    machine = half_open(probes=3)
    for now in (60.0, 70.0, 80.0):
        probe(machine, now)
    machine.advance(200.0)
    assert [(t.new, t.at) for t in machine.transitions] == [(OPEN, 95.0), (HALF_OPEN, 200.0)]
    assert machine.probes_in_flight == 0


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("now", [95.0, 100.0, 155.0, 300.0])
def test_breaker_probe_that_returns_after_its_lease_is_dropped(verdict: Verdict, now: float) -> None:
    """Its result changes nothing, whichever it is and however late it comes."""
    machine = half_open(success_threshold=1)
    late = probe(machine, 60.0)
    assert machine.settle(late, verdict, now) is False
    assert machine.late == 1
    assert machine.state is (OPEN if now < 155.0 else HALF_OPEN)
    assert (machine.open_until, machine.successes, machine.probes_in_flight) == (155.0, 0, 0)


def test_breaker_probe_that_returns_just_before_its_lease_ends_counts() -> None:
    """The last moment of the lease is enough."""
    machine = half_open(success_threshold=1)
    permit = probe(machine, 60.0)
    assert machine.settle(permit, SUCCESS, 94.999) is True
    assert machine.state is CLOSED


def test_breaker_lease_runs_from_the_start_of_the_attempt() -> None:
    """A probe that waits in an inner queue gets its whole lease when it starts."""
    machine = half_open()
    permit = probe(machine, 60.0)
    machine.start(permit, 90.0, 30.0)
    refused(machine, 95.0)
    assert machine.state is HALF_OPEN
    refused(machine, 124.999)
    assert refused(machine, 125.0).state is OPEN


@pytest.mark.parametrize(("limit", "lease"), [(None, 60.0), (100.0, 105.0), (0.5, 5.5)])
def test_breaker_lease_follows_the_limit_of_the_attempt_that_starts(limit: float | None, lease: float) -> None:
    """An attempt may have another limit than the circuit's own timeout, or none."""
    machine = half_open()
    permit = probe(machine, 60.0)
    machine.start(permit, 60.0, limit)
    assert refused(machine, 60.0 + lease - 0.001).state is HALF_OPEN
    assert refused(machine, 60.0 + lease).state is OPEN


def test_breaker_lease_is_extended_by_the_time_a_probe_may_wait() -> None:
    """Until it starts, a probe may wait as long as the inner queue allows."""
    machine = half_open()
    permit = probe(machine, 60.0)
    machine.extend(permit, 10.0)
    assert refused(machine, 104.999).state is HALF_OPEN
    assert refused(machine, 105.0).state is OPEN


def test_breaker_lease_that_ended_in_the_queue_is_not_renewed_by_starting() -> None:
    """Whether somebody looked between the end and the start makes no difference."""
    machine = half_open()
    permit = probe(machine, 60.0)
    machine.start(permit, 95.0, 30.0)
    assert refused(machine, 95.0).state is OPEN


def test_breaker_ordinary_permits_have_no_lease() -> None:
    """Starting or extending an ordinary call changes nothing."""
    machine = new()
    permit = admitted(machine, 0.0)
    machine.start(permit, 10.0, 30.0)
    machine.extend(permit, 10.0)
    assert machine.settle(permit, SUCCESS, 1e6) is True


# ------------------------------------------------------------------ growing open periods


def periods(machine: BreakerMachine, rounds: int, u: float = 0.5) -> list[float]:
    """Fail every probe and return the open periods."""
    found = []
    now = machine.since
    while machine.state is not OPEN:
        machine.settle(admitted(machine, now), FAILURE, now, u=u)
    for _ in range(rounds):
        found.append(machine.open_until - machine.since)
        now = machine.open_until
        machine.settle(probe(machine, now), FAILURE, now, u=u)
    return found


def test_breaker_open_period_is_constant_by_default() -> None:
    """Without a back-off every opening lasts the same."""
    assert periods(new(recovery_timeout=10.0), 4) == [10.0] * 4


def test_breaker_open_period_grows_to_its_cap() -> None:
    """Each opening in a row doubles the period, up to the cap and not beyond."""
    machine = new(recovery_timeout=10.0, open_backoff=2.0, max_recovery_timeout=100.0)
    assert periods(machine, 7) == [10.0, 20.0, 40.0, 80.0, 100.0, 100.0, 100.0]
    assert machine.openings == 8


def test_breaker_open_period_starts_again_after_a_close() -> None:
    """What closed in between is forgotten: the first opening lasts the base again."""
    machine = new(recovery_timeout=10.0, open_backoff=2.0, success_threshold=1)
    assert periods(machine, 3) == [10.0, 20.0, 40.0]
    run(machine, machine.open_until, SUCCESS)
    assert (machine.state, machine.openings) == (CLOSED, 0)
    assert periods(machine, 2) == [10.0, 20.0]


def test_breaker_open_period_stays_at_its_cap_for_ever() -> None:
    """A thousand openings with the steepest growth raise no overflow."""
    machine = new(recovery_timeout=1e9, open_backoff=100.0, max_recovery_timeout=1e12, failure_threshold=1)
    found = periods(machine, 400)
    assert found[-1] == pytest.approx(1e12)
    assert max(found) <= 1e12 + 1e6


@pytest.mark.parametrize(("u", "factor"), [(0.0, 0.9), (0.25, 0.95), (0.5, 1.0), (0.999999, 1.1)])
def test_breaker_open_period_varies_within_its_jitter(u: float, factor: float) -> None:
    """Jitter of ten per cent stays between nine and eleven tenths of the capped period."""
    machine = new(recovery_timeout=10.0, open_jitter=0.1, open_backoff=2.0, max_recovery_timeout=20.0)
    assert periods(machine, 3, u) == pytest.approx([10.0 * factor, 20.0 * factor, 20.0 * factor], rel=1e-5)


def test_breaker_open_period_after_a_lost_lease_has_jitter_too() -> None:
    """The number that comes with a look spreads the period that began at the end of the lease."""
    machine = half_open(open_jitter=0.5)
    probe(machine, 60.0)
    machine.advance(95.0, 0.0)
    assert machine.open_until == 95.0 + 30.0


# ------------------------------------------------------------------ ramp


def share_of(machine: BreakerMachine, now: float, arrivals: int) -> float:
    """Return the share of arrivals that pass at `now`."""
    passed = [not isinstance(machine.admit(now), Refusal) for _ in range(arrivals)]
    return sum(passed) / arrivals


def ramping(**changes: Any) -> BreakerMachine:
    """Return a machine that closed at 60 and ramps over 100 seconds from a tenth."""
    machine = half_open(success_threshold=1, **{"ramp": 100.0, **changes})
    run(machine, 60.0, SUCCESS)
    assert machine.state is CLOSED
    machine.transitions = ()
    return machine


@pytest.mark.parametrize(
    ("now", "share"), [(60.0, 0.1), (70.0, 0.19), (110.0, 0.55), (135.0, 0.775), (159.9, 0.999), (160.0, 1.0)]
)
def test_breaker_ramp_admits_a_growing_share(now: float, share: float) -> None:
    """From a tenth at the close to all at the end, in a straight line and evenly spread."""
    assert share_of(ramping(), now, 1000) == pytest.approx(share, abs=0.0015)


def test_breaker_ramp_refuses_as_closed_without_a_time() -> None:
    """The next call may be the one that passes, so there is nothing to wait for."""
    refusal = refused(ramping(), 60.0)
    assert (refusal.state, refusal.retry_after) == (CLOSED, 0.0)


def test_breaker_ramp_spreads_admissions_evenly() -> None:
    """At half the traffic every other arrival passes, not the first half of them."""
    machine = ramping(ramp_start=0.5)
    passed = [not isinstance(machine.admit(60.0), Refusal) for _ in range(8)]
    assert passed == [False, True] * 4


def test_breaker_ramp_is_not_calm_until_it_ends() -> None:
    """While it ramps, each call has to be asked for."""
    machine = ramping()
    assert not machine.calm
    machine.advance(159.999)
    assert not machine.calm
    machine.advance(160.0)
    assert machine.calm
    assert machine.transitions == ()


def test_breaker_ramp_ends_when_the_circuit_opens_again() -> None:
    """Failures during the ramp open as always, and the next close ramps from the beginning."""
    machine = ramping()
    while machine.state is CLOSED:
        answer = machine.admit(150.0)
        if not isinstance(answer, Refusal):
            machine.settle(answer, FAILURE, 150.0)
    assert (machine.state, machine.openings) == (OPEN, 1)
    run(machine, 210.0, SUCCESS)
    assert share_of(machine, 210.0, 100) == pytest.approx(0.1, abs=0.011)


def test_breaker_ramp_is_left_out_when_an_operator_closes() -> None:
    """`close` admits everything at once, from any state and in the middle of a ramp."""
    machine = ramping()
    machine.close(61.0, "now")
    assert share_of(machine, 61.0, 100) == 1.0
    other = half_open(ramp=100.0)
    other.close(61.0, "now")
    assert share_of(other, 61.0, 100) == 1.0


def test_breaker_ramp_on_a_scale_below_zero_is_a_ramp() -> None:
    """Any monotonic scale will do, also one on which the ramp ends at zero."""
    machine = new(-200.0, failure_threshold=1, success_threshold=1, ramp=100.0, recovery_timeout=100.0)
    run(machine, -200.0, FAILURE)
    run(machine, -100.0, SUCCESS)
    assert (machine.state, machine.calm) == (CLOSED, False)
    assert share_of(machine, -50.0, 1000) == pytest.approx(0.55, abs=0.0015)


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
