"""The rules of one circuit that time decides: leases of probes, growing open periods, the ramp."""

from __future__ import annotations

from typing import Any

import pytest

from scrollintel.core.machines.answers import Refusal
from scrollintel.core.outcome import Verdict
from tests.unit.core.machines.breaker_steps import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
    OPEN,
    SUCCESS,
    admitted,
    half_open,
    moves,
    new,
    periods,
    probe,
    ramping,
    refused,
    run,
    share_of,
)

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
