"""Interleavings of probes: their admission, their results and the ends of their leases."""

from __future__ import annotations

from typing import Any

from scrollintel.core.config.breaker import CircuitBreakerConfig
from scrollintel.core.machines.answers import Probe
from scrollintel.core.machines.breaker import BreakerMachine
from scrollintel.core.machines.ramp import TimedRamp
from scrollintel.core.outcome import Verdict
from scrollintel.core.states import CircuitState
from tests.concurrency.exploring import Scene, assert_caught, assert_holds
from tests.concurrency.stage import Stage

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
SUCCESS, FAILURE, ABANDONED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.ABANDONED


def entering(stage: Stage) -> None:
    """Ask for a permit."""
    stage.enter()


def half_open(*, locked: bool = True, **settings: Any) -> Stage:
    """Return a stage whose only probe is under way; its permit is the first one."""
    stage = Stage(locked=locked, **settings).open().wait()
    assert isinstance(stage.enter(), Probe)
    return stage


# ---------------------------------------------------------------------------------------------- admission


def three_at_the_end_of_the_open_period(*, probes: int, locked: bool = True) -> Scene:
    """Three threads ask for a permit when the open period is over."""

    def holds(stage: Stage) -> None:
        assert len(stage.permits) == probes, f"{len(stage.permits)} probes in flight"
        assert len(stage.refusals) == 3 - probes
        assert all(isinstance(permit, Probe) for permit in stage.permits)
        view = stage.history_is_a_chain()
        assert (view.state, view.probes_in_flight, view.tally.rejections) == (HALF_OPEN, probes, 3 - probes)

    return Scene(lambda: Stage(locked=locked, probes=probes).open().wait(), [entering] * 3, holds)


def test_circuit_three_callers_at_the_end_of_the_open_period_give_one_probe(seed: int) -> None:
    """One of three threads becomes the probe, the others are refused and counted."""
    assert_holds(three_at_the_end_of_the_open_period(probes=1), seed)


def test_circuit_three_callers_never_give_more_than_two_probes_of_two(seed: int) -> None:
    """With two probes allowed at once, exactly two of three threads get one."""
    assert_holds(three_at_the_end_of_the_open_period(probes=2), seed)


def test_circuit_probes_without_the_lock_are_caught(seed: int) -> None:
    """The twin admits two probes where one is allowed."""
    assert_caught(three_at_the_end_of_the_open_period(probes=1, locked=False), seed)


def slot_given_back(*, locked: bool = True) -> Scene:
    """One of two probes is cancelled, which gives its slot back, while two threads ask for a slot."""

    def cancelled(stage: Stage) -> None:
        stage.settle(stage.permits[0], ABANDONED)

    def holds(stage: Stage) -> None:
        view = stage.history_is_a_chain()
        later = len(stage.permits) - 1
        assert later in (1, 2)
        assert later + len(stage.refusals) == 2
        assert (view.state, view.probes_in_flight) == (HALF_OPEN, later), "a slot was lost, or given twice"

    return Scene(lambda: half_open(locked=locked, probes=2), [cancelled, entering, entering], holds)


def test_circuit_slot_of_a_cancelled_probe_is_there_once(seed: int) -> None:
    """The probes in flight are those that were admitted and not cancelled, and never too many."""
    assert_holds(slot_given_back(), seed)


def test_circuit_slot_of_a_cancelled_probe_without_the_lock_is_caught(seed: int) -> None:
    """The twin loses the slot or gives it twice."""
    assert_caught(slot_given_back(locked=False), seed)


# ---------------------------------------------------------------------------------------------- leases


def success_against_the_end_of_the_lease(*, locked: bool = True) -> Scene:
    """A probe succeeds just in time while another thread looks at the circuit when the lease is over."""

    def setup() -> Stage:
        stage = half_open(locked=locked)
        stage.notes.append(stage.clock.now + 1.0)
        return stage.wait(stage.circuit.config.lease)

    def succeeding(stage: Stage) -> None:
        stage.settle(stage.permits[0], SUCCESS, at=stage.notes[0])

    def holds(stage: Stage) -> None:
        view = stage.history_is_a_chain()
        found = (view.state, view.tally.late, view.tally.successes, len(stage.permits), len(stage.refusals))
        assert found in {(CLOSED, 0, 1, 2, 0), (OPEN, 1, 0, 1, 1)}, found

    return Scene(setup, [succeeding, entering], holds)


def test_circuit_probe_success_against_the_end_of_its_lease_is_one_of_both(seed: int) -> None:
    """The probe closes the circuit and the caller passes, or its lease opens the circuit and its success is late."""
    assert_holds(success_against_the_end_of_the_lease(), seed)


def test_circuit_probe_success_against_its_lease_without_the_lock_is_caught(seed: int) -> None:
    """The twin does both."""
    assert_caught(success_against_the_end_of_the_lease(locked=False), seed)


def begin_against_the_end_of_the_lease(*, locked: bool = True) -> Scene:
    """The attempt of a probe begins to run, which renews its lease, while two threads ask for a permit."""

    def setup() -> Stage:
        stage = half_open(locked=locked)
        return stage.wait(stage.circuit.config.lease)

    def beginning(stage: Stage) -> None:
        stage.circuit.begin(stage.permits[0], stage.clock.now - 1.0, 100.0)

    def holds(stage: Stage) -> None:
        view = stage.history_is_a_chain()
        assert (len(stage.permits), len(stage.refusals)) == (1, 2)
        assert (view.state, view.probes_in_flight, view.openings) in {(HALF_OPEN, 1, 1), (OPEN, 0, 2)}

    return Scene(setup, [entering, beginning, entering], holds)


def test_circuit_probe_that_begins_at_the_end_of_its_lease_holds_or_loses_it(seed: int) -> None:
    """The lease is renewed or over, never a bit of both."""
    assert_holds(begin_against_the_end_of_the_lease(), seed)


def test_circuit_probe_that_begins_without_the_lock_is_caught(seed: int) -> None:
    """The twin opens twice for one lease."""
    assert_caught(begin_against_the_end_of_the_lease(locked=False), seed)


def two_probes_end(*, locked: bool = True) -> Scene:
    """One probe succeeds while the other one fails, and a single success would close the circuit."""

    def setup() -> Stage:
        stage = half_open(locked=locked, probes=2)
        assert isinstance(stage.enter(), Probe)
        return stage

    def succeeding(stage: Stage) -> None:
        stage.settle(stage.permits[0], SUCCESS)

    def failing(stage: Stage) -> None:
        stage.settle(stage.permits[1], FAILURE)

    def holds(stage: Stage) -> None:
        view = stage.history_is_a_chain()
        found = (view.state, view.tally.late, view.tally.successes, view.tally.failures)
        assert found in {(CLOSED, 1, 1, 1), (OPEN, 1, 0, 2)}, found
        assert view.probes_in_flight == 0

    return Scene(setup, [succeeding, failing], holds)


def test_circuit_probes_with_opposite_results_decide_once(seed: int) -> None:
    """The first result decides, the second one is late."""
    assert_holds(two_probes_end(), seed)


def test_circuit_probes_with_opposite_results_without_the_lock_are_caught(seed: int) -> None:
    """The twin counts both."""
    assert_caught(two_probes_end(locked=False), seed)


# ---------------------------------------------------------------------------------------------- ramp


class RampLast(BreakerMachine):
    """Is closed for a moment before it knows of its ramp."""

    __slots__ = ()

    def _settle_probe(self, probe: Probe, verdict: Verdict, now: float, slow: bool, u: float) -> bool:
        config = self.config
        self.config = CircuitBreakerConfig("c", failure_threshold=1, success_threshold=1)
        counted = super()._settle_probe(probe, verdict, now, slow, u)
        self.config = config
        self.ramp = TimedRamp(now + 10.0)
        return counted


def closing_into_a_ramp(*, machine: type[BreakerMachine] = BreakerMachine) -> Scene:
    """A probe closes a circuit whose ramp refuses the first callers, while another thread asks for a permit."""

    def setup() -> Stage:
        stage = Stage(machine=machine, ramp=10.0, ramp_start=0.1).open().wait()
        assert isinstance(stage.enter(), Probe)
        return stage

    def succeeding(stage: Stage) -> None:
        stage.settle(stage.permits[0], SUCCESS)

    def holds(stage: Stage) -> None:
        stage.history_is_a_chain()
        assert len(stage.permits) == 1, "admitted past the ramp"
        assert len(stage.refusals) == 1

    return Scene(setup, [succeeding, entering], holds)


def closing_into_a_success_ramp() -> Scene:
    """A probe closes a circuit that then lets one call pass at a time, while two threads ask for a permit."""

    def begin() -> Stage:
        stage = Stage(ramp_kind="success").open().wait()
        assert isinstance(stage.enter(), Probe)
        return stage

    def close(stage: Stage) -> None:
        stage.settle(stage.permits[0], SUCCESS)

    def holds(stage: Stage) -> None:
        assert len(stage.permits) <= 2, "more than one call in the ramp"
        assert all(isinstance(permit, Probe) for permit in stage.permits), "admitted past the ramp"
        view = stage.history_is_a_chain()
        assert (view.state, view.ramp_allowed) == (CLOSED, 1)

    return Scene(begin, [close, entering, entering], holds)


def test_circuit_closing_into_a_success_ramp_admits_one(seed: int) -> None:
    """Whoever reads without the lock meets the ramp as soon as the circuit is closed."""
    assert_holds(closing_into_a_success_ramp(), seed)


def test_circuit_closing_into_a_ramp_admits_nobody_in_full(seed: int) -> None:
    """A thread that reads without the lock never sees a closed circuit whose ramp has not begun."""
    assert_holds(closing_into_a_ramp(), seed)


def test_circuit_that_closes_before_its_ramp_begins_is_caught(seed: int) -> None:
    """The twin lets a call pass in between."""
    assert_caught(closing_into_a_ramp(machine=RampLast), seed)


class RampGoneFirst(BreakerMachine):
    """Forgets its ramp before it is open."""

    __slots__ = ()

    def _open(self, at: float, u: float, reason: str) -> None:
        self.ramp = None
        super()._open(at, u, reason)


def opening_out_of_a_ramp(*, machine: type[BreakerMachine] = BreakerMachine) -> Scene:
    """A call fails and opens a circuit whose ramp refuses all others, while another thread asks for a permit."""

    def setup() -> Stage:
        stage = Stage(machine=machine, ramp=10.0, ramp_start=0.1).open().wait()
        probe = stage.enter()
        assert isinstance(probe, Probe)
        stage.settle(probe, SUCCESS)
        return stage

    def failing(stage: Stage) -> None:
        stage.settle(stage.circuit.machine.era, FAILURE)

    def holds(stage: Stage) -> None:
        assert stage.history_is_a_chain().state is OPEN
        assert len(stage.permits) == 1, "admitted past the ramp"
        assert len(stage.refusals) == 1

    return Scene(setup, [failing, entering], holds)


def test_circuit_opening_out_of_a_ramp_admits_nobody_in_full(seed: int) -> None:
    """A thread that reads without the lock sees the ramp as long as it sees the circuit closed."""
    assert_holds(opening_out_of_a_ramp(), seed)


def test_circuit_that_forgets_its_ramp_before_it_opens_is_caught(seed: int) -> None:
    """The twin lets a call pass in between."""
    assert_caught(opening_out_of_a_ramp(machine=RampGoneFirst), seed)
