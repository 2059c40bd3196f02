"""The rules of the success-driven ramp: one call at a time after closing, more with every success."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from scrollintel.core.config.breaker import RampKind
from scrollintel.core.machines.answers import Probe, Refusal
from scrollintel.core.machines.breaker import BreakerMachine
from tests.unit.core.machines.breaker_steps import (
    CLOSED,
    FAILURE,
    NEUTRAL,
    OPEN,
    SUCCESS,
    Verdict,
    admitted,
    new,
    probe,
    refused,
    run,
    settings,
)


def closing(**changes: Any) -> BreakerMachine:
    """Return a machine that closed at 60 and lets traffic return by success."""
    machine = new(success_threshold=1, ramp_kind="success", **changes)
    assert machine.restore_open(0.0, 60.0, "a test")
    run(machine, 60.0, SUCCESS)
    assert machine.state is CLOSED
    machine.transitions = ()
    return machine


def fill(machine: BreakerMachine, now: float) -> list[Probe]:
    """Admit calls until one is refused."""
    found = []
    while not isinstance(answer := machine.admit(now), Refusal):
        assert isinstance(answer, Probe)
        found.append(answer)
    assert (answer.state, answer.retry_after) == (CLOSED, 0.0)
    return found


def test_success_ramp_lets_one_more_pass_with_each_success() -> None:
    """One at a time after closing, then two, then three."""
    machine = closing()
    for expected in (1, 2, 3, 4):
        out = fill(machine, 60.0)
        assert (len(out), machine.allowed, machine.probes_in_flight) == (expected, expected, expected)
        machine.settle(out.pop(), SUCCESS, 60.0)
        for permit in out:
            machine.settle(permit, Verdict.ABANDONED, 60.0)


def test_success_ramp_halves_with_a_failure_and_keeps_one() -> None:
    """Five become two, two become one, and one stays."""
    machine = closing(failure_threshold=10)
    run(machine, 60.0, *[SUCCESS] * 4)
    assert machine.allowed == 5
    found = []
    for _ in range(3):
        run(machine, 60.0, FAILURE)
        found.append(machine.allowed)
    assert found == [2, 1, 1]


def test_success_ramp_takes_a_slow_success_as_a_failure() -> None:
    """A dependency that answers too slowly gets less, not more."""
    machine = closing(window_kind="count", slow_call_duration=1.0)
    run(machine, 60.0, *[SUCCESS] * 3)
    run(machine, 60.0, SUCCESS, slow=True)
    assert machine.allowed == 2


def test_success_ramp_ends_at_its_limit() -> None:
    """At the limit everything passes without a lease, and the circuit is calm again."""
    machine = closing(ramp_limit=3)
    run(machine, 60.0, SUCCESS)
    assert not machine.calm
    run(machine, 60.0, SUCCESS)
    assert (machine.ramp, machine.allowed, machine.calm) == (None, None, True)
    assert admitted(machine, 60.0) == machine.era


@NEUTRAL
def test_success_ramp_gets_neutral_permits_back(neutral: Verdict) -> None:
    """A call that was cancelled or refused further in frees its place and says nothing."""
    machine = closing()
    for _ in range(3):
        machine.settle(probe(machine, 60.0), neutral, 60.0)
    assert (machine.allowed, machine.probes_in_flight) == (1, 0)


def test_success_ramp_takes_a_place_back_when_its_lease_ends() -> None:
    """A call that hangs counts as failed at the end of its lease, and its late return for nothing."""
    machine = closing(timeout=10.0, probe_margin=5.0, failure_threshold=3)
    hung = probe(machine, 60.0)
    assert isinstance(machine.admit(74.9), Refusal)
    fresh = probe(machine, 75.0)
    assert (machine.failures, machine.allowed, machine.probes_in_flight) == (1, 1, 1)
    assert machine.settle(hung, SUCCESS, 76.0) is False
    assert machine.late == 1
    assert machine.settle(fresh, SUCCESS, 76.0)
    assert machine.settle(fresh, SUCCESS, 76.0) is False


def test_success_ramp_opens_when_everything_hangs() -> None:
    """Hung calls open the circuit at the end of the lease that completes the row of failures."""
    machine = closing(timeout=10.0, probe_margin=0.0, failure_threshold=2)
    run(machine, 60.0, SUCCESS)
    probe(machine, 61.0)
    probe(machine, 62.0)
    machine.advance(90.0)
    assert (machine.state, machine.since) == (OPEN, 72.0)


def test_success_ramp_opens_by_the_rule_of_the_circuit() -> None:
    """Failures of the ramp count as any others do."""
    machine = closing()
    run(machine, 60.0, *[FAILURE] * 5)
    assert (machine.state, machine.allowed, machine.probes_in_flight) == (OPEN, None, 0)


def test_success_ramp_lets_what_is_out_come_back_when_it_is_over() -> None:
    """Calls of the ramp that return after its end count once, as ordinary calls."""
    machine = closing(ramp_limit=3)
    run(machine, 60.0, SUCCESS)
    first, last = fill(machine, 60.0)
    machine.settle(first, SUCCESS, 61.0)
    assert machine.allowed is None
    assert machine.settle(last, FAILURE, 500.0) is True
    assert (machine.failures, machine.late) == (1, 0)
    assert machine.settle(last, FAILURE, 500.0) is False
    assert machine.failures == 1


def test_success_ramp_is_left_out_when_an_operator_closes() -> None:
    """`close` admits everything at once."""
    machine = closing()
    machine.close(61.0, "now")
    assert (machine.ramp, machine.allowed) == (None, None)


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [({"ramp_kind": "time", "ramp": 10.0}, None), ({"ramp_limit": 3}, None), ({"ramp_limit": 5}, 4)],
)
def test_success_ramp_under_another_configuration(changes: dict[str, Any], allowed: int | None) -> None:
    """Another kind ends the ramp, a limit that is reached already does so too, a higher one lets it go on."""
    machine = closing()
    run(machine, 60.0, *[SUCCESS] * 3)
    machine.reconfigure(settings(success_threshold=1, **{"ramp_kind": RampKind.SUCCESS, **changes}), 61.0)
    assert machine.allowed == allowed
    assert (machine.ramp is None) is (allowed is None)


def test_success_ramp_begins_anew_after_the_next_close() -> None:
    """An operator's close or a further opening leaves nothing of the former ramp."""
    machine = closing()
    run(machine, 60.0, *[SUCCESS] * 5)
    run(machine, 60.0, *[FAILURE] * 5)
    run(machine, 120.0, SUCCESS)
    assert machine.allowed == 1
    assert refused_after(machine, 120.0) == 1


def refused_after(machine: BreakerMachine, now: float) -> int:
    """Return how many calls pass before one is refused."""
    number = len(fill(machine, now))
    assert refused(machine, now).state is CLOSED
    return number


def test_success_ramp_admits_and_settles_without_touching_every_call_in_flight() -> None:
    """With a thousand calls out, what an admission takes does not grow with them."""
    machine = closing(ramp_limit=2000)
    while machine.allowed is not None and machine.allowed <= 1000:
        machine.settle(fill(machine, 60.0)[0], SUCCESS, 60.0)
    out, dear = fill(machine, 60.0), 0
    assert machine.probes_in_flight == machine.allowed == 1001
    tracemalloc.start()
    try:
        for _ in range(100):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            machine.settle(out.pop(), Verdict.ABANDONED, 61.0)
            out.append(probe(machine, 61.0))
            dear += tracemalloc.get_traced_memory()[1] - before > 4000
    finally:
        tracemalloc.stop()
    assert dear <= 3


def test_success_ramp_ends_each_lease_at_its_own_time() -> None:
    """A lease that was begun late, shortened or lengthened ends when it says, whatever the others do."""
    machine = closing(probe_lease=10.0, failure_threshold=100, ramp_limit=50)
    run(machine, 60.0, *[SUCCESS] * 7)
    first, short, long, *rest = fill(machine, 60.0)
    machine.start(short, 60.0, limit=1.0)
    machine.extend(long, 100.0)
    for permit in rest:
        machine.settle(permit, Verdict.ABANDONED, 60.0)
    ends = sorted([first.lease_end, short.lease_end])
    assert ends == [short.lease_end, first.lease_end]
    seen = []
    for end in ends:
        machine.advance(end - 0.001)
        seen.append(machine.probes_in_flight)
        machine.advance(end)
        seen.append(machine.probes_in_flight)
    assert seen == [3, 2, 2, 1]
    assert machine.settle(long, SUCCESS, first.lease_end + 50.0)
