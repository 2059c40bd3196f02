"""Interleavings of what changes the state of a circuit."""

from __future__ import annotations

from scrollintel.core.config.breaker import BreakerMode
from scrollintel.core.machines.breaker import BreakerMachine
from scrollintel.core.machines.ramp import Ramp
from scrollintel.core.outcome import Verdict
from scrollintel.core.states import CircuitState
from scrollintel.core.strategies.breaker import Circuit
from tests.concurrency.exploring import Scene, assert_caught, assert_holds
from tests.concurrency.stage import Stage

CLOSED, OPEN, ISOLATED = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.ISOLATED
METRICS_ONLY = CircuitState.METRICS_ONLY
SUCCESS, FAILURE = Verdict.SUCCESS, Verdict.FAILURE


def failing(stage: Stage) -> None:
    """Fail in the first era."""
    stage.settle(0, FAILURE)


def succeeding(stage: Stage) -> None:
    """Succeed in the first era."""
    stage.settle(0, SUCCESS)


# ---------------------------------------------------------------------------------------------- opening


def two_failures(*, locked: bool = True) -> Scene:
    """Two threads fail, and the second failure in a row opens the circuit, whichever it is."""

    def holds(stage: Stage) -> None:
        view = stage.history_is_a_chain()
        assert [change.new for change in view.history] == [OPEN]
        assert (view.tally.failures, view.openings) == (2, 1)

    return Scene(lambda: Stage(locked=locked, failure_threshold=2), [failing, failing], holds)


def test_circuit_two_failures_at_the_threshold_open_it_once(seed: int) -> None:
    """Two threads that fail at the threshold make one transition, and both failures count."""
    assert_holds(two_failures(), seed)


def test_circuit_two_failures_without_the_lock_are_caught(seed: int) -> None:
    """The twin loses a failure or makes two transitions."""
    assert_caught(two_failures(locked=False), seed)


def failure_against_success(*, locked: bool = True) -> Scene:
    """One failure short of opening, one thread fails while another one succeeds."""

    def setup() -> Stage:
        stage = Stage(locked=locked, failure_threshold=2)
        stage.settle(0, FAILURE)
        return stage

    def holds(stage: Stage) -> None:
        view = stage.history_is_a_chain()
        found = (view.state, view.consecutive_failures, view.tally.successes, view.tally.failures, view.tally.late)
        assert found in {(OPEN, 2, 0, 2, 1), (CLOSED, 1, 1, 2, 0)}, found

    return Scene(setup, [failing, succeeding], holds)


def test_circuit_failure_against_success_is_as_one_after_the_other(seed: int) -> None:
    """Either the failure opens the circuit and the success is late, or the success ends the row of failures."""
    assert_holds(failure_against_success(), seed)


def test_circuit_failure_against_success_without_the_lock_is_caught(seed: int) -> None:
    """The twin opens although a success was counted before."""
    assert_caught(failure_against_success(locked=False), seed)


# ---------------------------------------------------------------------------------------------- operators


def operators_and_a_failure(*, locked: bool = True) -> Scene:
    """One operator isolates, one closes, and a call fails."""

    def holds(stage: Stage) -> None:
        view = stage.history_is_a_chain()
        assert view.tally.failures + view.tally.late == 1

    threads = [lambda stage: stage.circuit.isolate(), lambda stage: stage.circuit.close(), failing]
    return Scene(lambda: Stage(locked=locked), threads, holds)


def test_circuit_isolate_close_and_failure_make_one_history(seed: int) -> None:
    """Every change starts in the state to which the last one led, and the failure counts once or is late."""
    assert_holds(operators_and_a_failure(), seed)


def test_circuit_isolate_close_and_failure_without_the_lock_are_caught(seed: int) -> None:
    """The twin publishes a change twice, or loses one."""
    assert_caught(operators_and_a_failure(locked=False), seed)


def isolate_against_enter(*, ask_first: bool = False) -> Scene:
    """One thread isolates and says so; another one asks for a permit. The twin looks at the state too early."""

    def isolating(stage: Stage) -> None:
        stage.circuit.isolate()
        stage.notes.append("isolated")

    def entering(stage: Stage) -> None:
        calm = stage.circuit.machine.state is CLOSED
        told = bool(stage.notes)
        admitted = calm if ask_first else stage.enter() is not None
        if told:
            assert not admitted, "admitted after `isolate` had returned"

    return Scene(Stage, [isolating, entering], Stage.history_is_a_chain)


def test_circuit_enter_after_isolate_has_returned_is_refused(seed: int) -> None:
    """The way into a closed circuit takes no lock, and still nobody passes once `isolate` has returned."""
    assert_holds(isolate_against_enter(), seed)


def test_circuit_enter_that_looks_before_it_is_asked_is_caught(seed: int) -> None:
    """The twin decides on a state that it read before."""
    assert_caught(isolate_against_enter(ask_first=True), seed)


def reset_against_failure(*, kind: type[Circuit] = Circuit) -> Scene:
    """An operator resets while a call fails."""

    def holds(stage: Stage) -> None:
        circuit = stage.circuit
        found = (
            circuit.machine.state,
            [change.new for change in circuit.story.changes],
            circuit.snapshot().tally.failures,
        )
        assert found in ((CLOSED, [], 0), (OPEN, [OPEN], 1)), found

    return Scene(lambda: Stage(kind), [lambda stage: stage.circuit.reset(), failing], holds)


class ResetInTwoSteps(Circuit):
    """Forgets the history after the lock was free for a moment."""

    __slots__ = ()

    def reset(self, reason: str = "reset") -> None:
        """Close and forget."""

        def forget(now: float) -> None:
            self.machine.close(now, reason)
            self._forget_counts()

        self._operate(forget)
        with self._lock:
            self._own_story().forget_changes()


def test_circuit_reset_against_a_failure_keeps_what_comes_after(seed: int) -> None:
    """A failure is either forgotten with its opening, or opens the circuit afterwards and is in the history."""
    assert_holds(reset_against_failure(), seed)


def test_circuit_reset_in_two_steps_is_caught(seed: int) -> None:
    """The twin is open without a change that tells so."""
    assert_caught(reset_against_failure(kind=ResetInTwoSteps), seed)


def mode_against_failure(*, locked: bool = True) -> Scene:
    """A new configuration only measures while a call fails at the threshold."""

    def holds(stage: Stage) -> None:
        view = stage.history_is_a_chain()
        assert view.state is METRICS_ONLY
        assert view.tally.failures + view.tally.late == 1

    measuring = Stage.config(mode=BreakerMode.METRICS_ONLY)
    return Scene(lambda: Stage(locked=locked), [failing, lambda stage: stage.circuit.reconfigure(measuring)], holds)


def test_circuit_reconfigured_to_metrics_only_is_not_opened_by_an_older_failure(seed: int) -> None:
    """Whichever comes first, the circuit ends in the state of its configuration."""
    assert_holds(mode_against_failure(), seed)


def test_circuit_reconfigured_without_the_lock_is_caught(seed: int) -> None:
    """The twin opens under a configuration that never opens."""
    assert_caught(mode_against_failure(locked=False), seed)


# ---------------------------------------------------------------------------------------------- reads without the lock


class EraFirst(BreakerMachine):
    """Raises its era before its state changes, the wrong way round for who reads without the lock."""

    __slots__ = ()

    def _move(self, state: CircuitState, at: float, reason: str, ramp: Ramp | None = None) -> None:
        self.era += 1
        super()._move(state, at, reason, ramp)
        self.era -= 1


def enter_against_opening(*, machine: type[BreakerMachine] = BreakerMachine) -> Scene:
    """One thread takes a permit and brings a success while the failure of another one opens the circuit."""

    def calling(stage: Stage) -> None:
        permit = stage.enter()
        if permit is not None:
            stage.settle(permit, SUCCESS)

    def holds(stage: Stage) -> None:
        tally = stage.circuit.snapshot().tally
        assert stage.circuit.machine.state is OPEN
        assert tally.failures == 1
        assert tally.successes + tally.late + len(stage.refusals) == 1
        assert stage.circuit.machine.era not in stage.permits, "an ordinary permit for the open period"

    return Scene(lambda: Stage(machine=machine), [failing, calling], holds)


def test_circuit_permit_taken_without_the_lock_never_counts_in_the_open_period(seed: int) -> None:
    """A call that slips in while the circuit opens carries the old era, so that its success is late."""
    assert_holds(enter_against_opening(), seed)


def test_circuit_whose_era_rises_before_its_state_is_caught(seed: int) -> None:
    """The twin hands out permits of the open period, and counts their success while open."""
    assert_caught(enter_against_opening(machine=EraFirst), seed)


class LooksTwice(Circuit):
    """Reads the end of the open period for the decision and again for the hint."""

    __slots__ = ()

    def refuse_if_open(self) -> None:
        """Refuse while open."""
        now = self.clock.monotonic()
        if self.machine.state is OPEN and now < self.machine.open_until:
            raise self._refused(OPEN, self.machine.open_until - now)


def refusal_against_a_shorter_period(*, kind: type[Circuit] = Circuit) -> Scene:
    """A call is refused while a new configuration ends the open period at once."""

    shorter = Stage.config(recovery_timeout=1.0)

    def shortening(stage: Stage) -> None:
        stage.circuit.reconfigure(shorter)

    def entering(stage: Stage) -> None:
        if kind is LooksTwice:
            try:
                stage.circuit.refuse_if_open()
            except Exception as error:
                stage.refusals.append(error)  # type: ignore[arg-type]  # refused, or the test fails below
        else:
            stage.enter()

    def holds(stage: Stage) -> None:
        for refusal in stage.refusals:
            assert refusal.retry_after is not None
            assert refusal.retry_after > 0.0, refusal

    return Scene(lambda: Stage(kind).open().wait(10.0), [shortening, entering], holds)


def test_circuit_refusal_while_the_period_is_shortened_never_hints_at_the_past(seed: int) -> None:
    """`retry_after` is above zero in every refusal by an open circuit."""
    assert_holds(refusal_against_a_shorter_period(), seed)


def test_circuit_refusal_that_looks_twice_is_caught(seed: int) -> None:
    """The twin refuses with a time that is over."""
    assert_caught(refusal_against_a_shorter_period(kind=LooksTwice), seed)
