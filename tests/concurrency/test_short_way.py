"""Interleavings of calls that take the short way past a healthy circuit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scrollintel.core.config.policy import Policy
from scrollintel.core.config.retry import RetryConfig
from scrollintel.core.errors import CircuitOpenError
from scrollintel.core.pipeline import Pipeline
from scrollintel.core.states import CircuitState
from scrollintel.core.strategies.meter import Counter
from tests.concurrency.exploring import Scene, assert_caught, assert_holds
from tests.concurrency.stage import AddsInSteps, Stage

CLOSED, OPEN = CircuitState.CLOSED, CircuitState.OPEN


class Protected(Stage):
    """A function under a policy whose circuit is the stage's, and the ends of its calls."""

    def __init__(self, *, retry: RetryConfig | None = None, **settings: Any) -> None:  # Any: see Stage
        super().__init__(**settings)
        circuit = self.circuit
        policy = Policy(
            "c", breaker=circuit.config, retry=retry, response_times=circuit.config.response_times,
        )  # fmt: skip
        clock: Any = self.clock  # all that is used of one
        self.pipeline = Pipeline(policy, clock=clock, hub=circuit.hub, circuits=lambda config: circuit)
        self.ran: list[str] = []
        self.running: list[str] = []
        self.ends: list[object] = []
        self.succeed: Callable[[], str] = self.pipeline(self.good)
        self.fail: Callable[[], str] = self.pipeline(self.bad)

    def good(self) -> str:
        """Succeed, and note how many ran at once."""
        self.running.append("good")
        self.ran.append(f"with {len(self.running)} at once")
        self.running.pop()
        return "good"

    def bad(self) -> str:
        """Fail."""
        self.ran.append("bad")
        raise ValueError("bad")

    def call(self, protected: Callable[[], str]) -> None:
        """Call and note the end."""
        try:
            self.ends.append(protected())
        except (ValueError, CircuitOpenError) as error:
            self.ends.append(type(error).__name__)


def succeeding(stage: Protected) -> None:
    """Make one call that succeeds."""
    stage.call(stage.succeed)


def failing(stage: Protected) -> None:
    """Make one call that fails."""
    stage.call(stage.fail)


# ---------------------------------------------------------------------------------------------- counts


def successes_against_a_look(*, measured: bool, counter: type[Counter] = Counter) -> Scene:
    """Two threads succeed while a third one looks at the counts."""

    def setup() -> Protected:
        stage = Protected(response_times=measured)
        if not measured:
            stage.circuit._plain = counter()
            stage.circuit.next_success = stage.circuit._plain.step
        return stage

    def looking(stage: Protected) -> None:
        with stage.circuit._lock:
            stage.circuit._fold()
            stage.notes.append(stage.circuit._unlocked_successes())

    def holds(stage: Protected) -> None:
        assert stage.notes[0] in (0, 1, 2)
        assert stage.ends == ["good", "good"]
        assert stage.circuit.snapshot().tally.successes == 2

    return Scene(setup, [succeeding, succeeding, looking], holds)


def test_short_way_successes_with_durations_all_count(seed: int) -> None:
    """Two calls and a look at the same time count two successes."""
    assert_holds(successes_against_a_look(measured=True), seed)


def test_short_way_successes_without_durations_all_count(seed: int) -> None:
    """The same when only the number is kept."""
    assert_holds(successes_against_a_look(measured=False), seed)


def test_short_way_successes_counted_in_steps_are_caught(seed: int) -> None:
    """The twin loses a success."""
    assert_caught(successes_against_a_look(measured=False, counter=AddsInSteps), seed)


# ---------------------------------------------------------------------------------------------- transitions


def two_failing_calls(*, locked: bool = True, retry: RetryConfig | None = None) -> Scene:
    """Two calls fail, and the second failure in a row opens the circuit."""

    def holds(stage: Protected) -> None:
        view = stage.history_is_a_chain()
        assert [change.new for change in view.history] == [OPEN]
        tally = view.tally
        assert tally.failures == 2
        assert tally.failures + tally.late == len(stage.ran)
        if retry is None:
            assert stage.ends in (["ValueError", "ValueError"], ["ValueError", "CircuitOpenError"])

    return Scene(lambda: Protected(locked=locked, failure_threshold=2, retry=retry), [failing, failing], holds)


def test_short_way_failures_at_the_threshold_open_the_circuit_once(seed: int) -> None:
    """Both calls count their failure, and one of them opens the circuit."""
    assert_holds(two_failing_calls(), seed)


def test_short_way_failures_without_the_lock_are_caught(seed: int) -> None:
    """The twin loses a failure, or opens twice."""
    assert_caught(two_failing_calls(locked=False), seed)


def test_short_way_retried_failures_open_the_circuit_once(seed: int) -> None:
    """Each attempt counts or is late, and those that follow the opening are refused."""
    retry = RetryConfig(2, base_delay=0.0)
    assert_holds(two_failing_calls(retry=retry), seed)


def test_short_way_retried_failures_without_the_lock_are_caught(seed: int) -> None:
    """The twin loses an attempt."""
    assert_caught(two_failing_calls(locked=False, retry=RetryConfig(2, base_delay=0.0)), seed)


def success_over_an_isolation(*, look_again: bool = True) -> Scene:
    """A call is under way while an operator isolates and closes the circuit."""

    def calling(stage: Protected) -> None:
        if look_again:
            stage.call(stage.succeed)
            return
        circuit = stage.circuit
        if circuit.calm_era < 0:
            stage.ends.append("CircuitIsolatedError")
            return
        stage.good()
        circuit.durations.append(0.0)

    def operating(stage: Protected) -> None:
        stage.circuit.isolate()
        stage.notes.append("isolated")
        stage.circuit.close()

    class Noting(Protected):
        def good(self) -> str:
            """Succeed, and note whether the circuit was isolated meanwhile."""
            before = bool(self.notes)
            super().good()
            self.ran.append("over the isolation" if self.notes and not before else "at once")
            return "good"

    def holds(stage: Protected) -> None:
        tally = stage.circuit.snapshot().tally
        refused = len([end for end in stage.ends if end == "CircuitIsolatedError"])
        assert tally.successes + tally.late + refused == 1
        if "over the isolation" in stage.ran:
            assert tally.late == 1, "a success counts in an era in which its call was not admitted"

    return Scene(Noting, [calling, operating], holds)


def test_short_way_success_of_an_earlier_era_is_late(seed: int) -> None:
    """A call that outlives the era in which it was admitted does not count in a later one."""
    assert_holds(success_over_an_isolation(), seed)


def test_short_way_that_does_not_look_again_is_caught(seed: int) -> None:
    """The twin counts the success of an earlier era."""
    assert_caught(success_over_an_isolation(look_again=False), seed)


# ---------------------------------------------------------------------------------------------- probes


def calls_at_the_end_of_the_open_period(*, locked: bool = True) -> Scene:
    """Two calls come when the open period is over, and one success closes the circuit."""

    def setup() -> Protected:
        stage = Protected(locked=locked, success_threshold=2)
        stage.open().wait()
        return stage

    def holds(stage: Protected) -> None:
        view = stage.history_is_a_chain()
        assert stage.ran.count("with 2 at once") == 0, "two probes ran at once"
        good = stage.ends.count("good")
        assert view.tally.successes == good == len(stage.ran)
        assert view.tally.rejections == 2 - good
        assert view.probes_in_flight == 0
        assert view.state is (CLOSED if good == 2 else CircuitState.HALF_OPEN)

    return Scene(setup, [succeeding, succeeding], holds)


def test_short_way_closed_to_calls_at_the_end_of_the_open_period_runs_one_probe_at_a_time(seed: int) -> None:
    """Both calls may run, one after the other, or one is refused."""
    assert_holds(calls_at_the_end_of_the_open_period(), seed)


def test_short_way_probes_without_the_lock_are_caught(seed: int) -> None:
    """The twin runs two probes at once."""
    assert_caught(calls_at_the_end_of_the_open_period(locked=False), seed)


def call_after_the_opening(*, look_early: bool = False) -> Scene:
    """One thread opens the circuit and says so, another one calls. The twin looks at the era before it listens."""

    def opening(stage: Protected) -> None:
        stage.call(stage.fail)
        stage.notes.append("open")

    def calling(stage: Protected) -> None:
        calm = stage.circuit.calm_era >= 0
        told = bool(stage.notes)
        if not look_early:
            stage.call(stage.succeed)
        elif calm:
            stage.ends.append(stage.good())
        if told:
            assert stage.ran == ["bad"], "a call passed after the circuit was known to be open"

    return Scene(Protected, [opening, calling], lambda stage: None)


def test_short_way_is_closed_once_the_circuit_is_known_to_be_open(seed: int) -> None:
    """It takes no lock, and still nobody passes once the failing call has ended."""
    assert_holds(call_after_the_opening(), seed)


def test_short_way_that_looks_before_it_is_asked_is_caught(seed: int) -> None:
    """The twin goes by an era that it read before."""
    assert_caught(call_after_the_opening(look_early=True), seed)
