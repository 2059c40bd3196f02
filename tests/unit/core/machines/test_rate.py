"""Rate limit: burst, steady rate, reservations, and clocks that misbehave."""

from __future__ import annotations

import math

import pytest

from scrollintel.core.machines.rate import RateMachine


def test_rate_fresh_lets_the_burst_through_at_once() -> None:
    """A full bucket of three lets three start; the fourth has to wait for the next permit."""
    machine = RateMachine(10, 3)
    assert [machine.acquire(100.0, 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert machine.acquire(100.0, 0.0) == pytest.approx(0.1)


def test_rate_refused_takes_nothing() -> None:
    """Refused calls do not push each other further away."""
    machine = RateMachine(10, 1)
    machine.acquire(0.0, 0.0)
    assert [machine.acquire(0.0, 0.05) for _ in range(5)] == pytest.approx([0.1] * 5)
    assert machine.acquire(0.1, 0.0) == 0.0


def test_rate_with_a_wait_of_half_a_second_at_ten_a_second_passes_six() -> None:
    """One at once and five reserved, a tenth of a second apart; the seventh would wait too long."""
    machine = RateMachine(10, 1)
    waits = [machine.acquire(0.0, 0.5) for _ in range(7)]
    assert waits == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert [wait <= 0.5 for wait in waits] == [True] * 6 + [False]


@pytest.mark.parametrize("start", [0.0, 1e3, 123_456.789, 1e7])
@pytest.mark.parametrize("rate", [0.1, 3, 7, 10, 1000])
def test_rate_asked_exactly_on_the_grid_is_never_refused(rate: float, start: float) -> None:
    """A caller that keeps the rate gets every permit, although sums of times are not exact."""
    machine = RateMachine(rate, 1)
    period = 1 / rate
    assert [machine.acquire(start + i * period, 0.0) for i in range(2000)] == [0.0] * 2000


@pytest.mark.parametrize("limit", [0.1, 0.3, 0.7, 0.9])
def test_rate_wait_that_equals_the_limit_is_granted(limit: float) -> None:
    """A reservation whose wait is the limit up to rounding counts as within it."""
    machine = RateMachine(10, 1)
    machine.acquire(0.0, 0.0)
    now = 0.0
    for _ in range(300):
        waits = []
        while (wait := machine.acquire(now, limit)) <= limit:
            waits.append(wait)
        assert len(waits) == (round(limit * 10) if now == 0.0 else 1)
        now += 0.1


def test_rate_over_a_day_of_pressure_grants_the_rate_and_the_burst_and_no_more() -> None:
    """Nothing drifts: a million odd steps give the same count as one division."""
    machine = RateMachine(7, 5)
    step = 86_400 / 1_000_003
    granted = sum(machine.acquire(i * step, 0.0) <= 0.0 for i in range(1_000_004))
    assert abs(granted - (5 + 7 * 86_400)) <= 1


def test_rate_idle_for_years_saves_no_more_than_the_capacity() -> None:
    """The burst after a quiet time is the capacity."""
    machine = RateMachine(10, 3)
    machine.acquire(0.0, 0.0)
    assert machine.available(1e9) == 3.0
    assert [machine.acquire(1e9, 0.0) == 0.0 for _ in range(4)] == [True, True, True, False]


def test_rate_clock_that_goes_back_neither_gives_nor_takes() -> None:
    """An earlier time is read as the latest one, and the time between is not counted twice."""
    machine = RateMachine(10, 1)
    assert machine.acquire(10.0, 0.0) == 0.0
    assert machine.acquire(9.0, 0.0) == pytest.approx(0.1)
    assert machine.available(9.0) == 0.0
    assert machine.acquire(10.05, 0.0) == pytest.approx(0.05)
    assert machine.acquire(9.0, 0.0) == pytest.approx(0.05)
    assert machine.acquire(10.1, 0.0) == 0.0


def test_rate_permit_given_back_goes_to_the_next_caller() -> None:
    """A wait that was cancelled costs nothing."""
    machine = RateMachine(10, 1)
    machine.acquire(0.0, 0.0)
    assert machine.acquire(0.0, 1.0) == pytest.approx(0.1)
    assert machine.acquire(0.0, 1.0) == pytest.approx(0.2)
    machine.give_back()
    assert machine.acquire(0.0, 1.0) == pytest.approx(0.2)


def test_rate_permits_given_back_beyond_the_capacity_are_lost() -> None:
    """Giving back is no way to a larger burst."""
    machine = RateMachine(10, 2)
    machine.acquire(0.0, 0.0)
    for _ in range(5):
        machine.give_back()
    assert machine.available(0.0) == 2.0


def test_rate_available_changes_nothing_and_shows_reservations_below_zero() -> None:
    """A view of the permits, negative while calls wait for theirs."""
    machine = RateMachine(10, 1)
    for _ in range(4):
        machine.acquire(0.0, 1.0)
    assert machine.available(0.0) == -3.0
    assert machine.available(0.2) == pytest.approx(-1.0)
    assert machine.available(0.0) == -3.0


@pytest.mark.parametrize("max_wait", [-1e-9, -1.0, -math.inf])
def test_rate_caller_whose_time_is_up_is_refused_and_takes_nothing(max_wait: float) -> None:
    """A negative limit refuses even a permit that is there."""
    machine = RateMachine(10, 1)
    assert machine.acquire(0.0, max_wait) > max_wait
    assert machine.available(0.0) == 1.0
    machine.acquire(0.0, 0.0)
    assert machine.acquire(0.1 - 1e-8, max_wait) > max_wait
    assert machine.available(0.1) == pytest.approx(1.0)


def test_rate_without_a_limit_to_the_wait_always_reserves() -> None:
    """An infinite limit refuses nobody."""
    machine = RateMachine(2, 1)
    assert [machine.acquire(0.0, math.inf) for _ in range(4)] == [0.0, 0.5, 1.0, 1.5]


def test_rate_of_a_million_a_second_and_more_is_granted_early_by_a_thousandth_of_a_permit_at_most() -> None:
    """The tolerance for rounding never becomes a burst of its own."""
    machine = RateMachine(1e9, 10)
    assert sum(machine.acquire(0.0, 0.0) == 0.0 for _ in range(100)) == 10


def test_rate_reconfigured_pays_the_old_rate_up_to_now_and_the_new_one_after() -> None:
    """What has accrued is kept, at most the new capacity."""
    machine = RateMachine(10, 10)
    for _ in range(10):
        machine.acquire(0.0, 0.0)
    machine.reconfigure(100, 50, 0.5)
    assert machine.available(0.5) == pytest.approx(5.0)
    assert machine.available(0.6) == pytest.approx(15.0)
    machine.reconfigure(1, 2, 0.6)
    assert machine.available(0.6) == 2.0
    machine.reconfigure(1, 20, 0.6)
    assert machine.available(0.6) == 2.0


def test_rate_reconfigured_keeps_what_is_reserved() -> None:
    """Callers that wait keep their permits; a slower rate makes newcomers wait longer."""
    machine = RateMachine(10, 1)
    for _ in range(3):
        machine.acquire(0.0, 1.0)
    machine.reconfigure(1, 1, 0.0)
    assert machine.available(0.0) == -2.0
    assert machine.acquire(0.0, 5.0) == pytest.approx(3.0)
