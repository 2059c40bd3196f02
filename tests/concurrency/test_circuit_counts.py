"""Interleavings of what is counted without a lock: successes, response times, refusals, the last failure."""

from __future__ import annotations

from array import array
from collections.abc import Callable

from frontrun._cooperative import CooperativeLock  # type: ignore[import-untyped]  # it has no types

from scrollintel.core.errors import FailureSummary
from scrollintel.core.machines.sketch import LatencySketch
from scrollintel.core.outcome import Verdict
from scrollintel.core.strategies.breaker import Circuit
from scrollintel.core.strategies.meter import BATCH, Counter
from tests.concurrency.exploring import NoLock, Scene, assert_caught, assert_holds
from tests.concurrency.stage import AddsInSteps, Stage

SUCCESS, FAILURE = Verdict.SUCCESS, Verdict.FAILURE


# ---------------------------------------------------------------------------------------------- counter


class Counted:
    """A counter with its owner's lock, and what was read."""

    def __init__(self, counter: Counter, lock: object) -> None:
        self.counter = counter
        self.lock = lock
        self.seen: list[int] = []

    def step(self) -> None:
        """Count twice."""
        self.counter.step()
        self.counter.step()

    def read(self) -> None:
        """Read twice."""
        for _ in range(2):
            with self.lock:  # type: ignore[attr-defined]
                self.seen.append(self.counter.read())


def steps_against_reads(counter: Callable[[], Counter] = Counter) -> Scene:
    """Two threads count while one reads."""

    def holds(counted: Counted) -> None:
        assert counted.counter.read() == 4
        assert counted.seen == sorted(counted.seen)
        assert all(0 <= number <= 4 for number in counted.seen)

    return Scene(lambda: Counted(counter(), NoLock()), [Counted.step, Counted.step, Counted.read], holds)


def test_counter_steps_of_two_threads_against_reads_lose_nothing(seed: int) -> None:
    """Reads take numbers as well, and still every step is counted, and none twice."""
    assert_holds(steps_against_reads(), seed)


def test_counter_that_adds_in_three_steps_is_caught(seed: int) -> None:
    """The twin loses a step."""
    assert_caught(steps_against_reads(AddsInSteps), seed)


def two_readers(*, locked: bool = True) -> Scene:
    """Two threads read at once under the owner's lock, as two snapshots do."""

    def setup() -> Counted:
        counted = Counted(Counter(), CooperativeLock() if locked else NoLock())
        counted.step()
        return counted

    def holds(counted: Counted) -> None:
        assert counted.seen == [2, 2, 2, 2]
        assert counted.counter.read() == 2

    return Scene(setup, [Counted.read, Counted.read], holds)


def test_counter_reads_of_two_threads_under_a_lock_do_not_count(seed: int) -> None:
    """Readers see the steps of others only."""
    assert_holds(two_readers(), seed)


def test_counter_reads_without_the_lock_are_caught(seed: int) -> None:
    """The twin counts a read as a step."""
    assert_caught(two_readers(locked=False), seed)


# ---------------------------------------------------------------------------------------------- durations


class SwapsTheBuffer(Circuit):
    """Takes the whole buffer away and starts a new one: what is appended to the old one meanwhile is lost."""

    __slots__ = ()

    def _fold(self) -> None:
        batch = self.durations[:]
        if batch:
            if self._sketch is None:
                self._sketch = LatencySketch()
            self._sketch.add(batch)
            self.durations = array("d")


def appends_against_folds(*, kind: type[Circuit] = Circuit, locked: bool = True) -> Scene:
    """Two threads leave durations as the short way does, one looks as a snapshot does."""

    def setup() -> Stage:
        stage = Stage(kind, locked=locked)
        stage.circuit.durations.extend([0.5] * (BATCH - 1))
        return stage

    def leaving(stage: Stage) -> None:
        circuit = stage.circuit
        for _ in range(2):
            durations = circuit.durations
            durations.append(0.5)
            if len(durations) >= BATCH:
                circuit.fold()

    def looking(stage: Stage) -> None:
        with stage.circuit._lock:
            stage.circuit._fold()
            stage.notes.append(stage.circuit._unlocked_successes())

    def holds(stage: Stage) -> None:
        view = stage.circuit.snapshot()
        assert view.tally.successes == BATCH + 3
        assert view.response_times.count == BATCH + 3
        assert BATCH - 1 <= stage.notes[0] <= BATCH + 3

    return Scene(setup, [leaving, leaving, looking], holds)


def test_circuit_durations_appended_while_folding_are_kept_once(seed: int) -> None:
    """No duration is lost and none is counted twice."""
    assert_holds(appends_against_folds(), seed)


def test_circuit_that_swaps_its_buffer_is_caught(seed: int) -> None:
    """The twin loses durations."""
    assert_caught(appends_against_folds(kind=SwapsTheBuffer), seed)


def test_circuit_that_folds_without_the_lock_is_caught(seed: int) -> None:
    """The twin folds durations twice."""
    assert_caught(appends_against_folds(locked=False), seed)


def settles_against_appends(*, locked: bool = True) -> Scene:
    """One result goes the long way, with its duration, while one success takes the short way."""

    def setup() -> Stage:
        stage = Stage(locked=locked, failure_threshold=5)
        stage.circuit.durations.extend([0.25] * (BATCH - 1))
        return stage

    def failing(stage: Stage) -> None:
        stage.settle(0, FAILURE)

    def leaving(stage: Stage) -> None:
        stage.circuit.durations.append(0.25)

    def holds(stage: Stage) -> None:
        view = stage.circuit.snapshot()
        assert (view.tally.successes, view.tally.failures) == (BATCH, 2)
        assert view.response_times.count == BATCH + 2

    return Scene(setup, [failing, leaving, failing], holds)


def test_circuit_settled_durations_are_not_taken_for_successes(seed: int) -> None:
    """The number of successes is exact although it is the number of durations less the settled ones."""
    assert_holds(settles_against_appends(), seed)


def test_circuit_settled_durations_without_the_lock_are_caught(seed: int) -> None:
    """The twin miscounts."""
    assert_caught(settles_against_appends(locked=False), seed)


# ---------------------------------------------------------------------------------------------- plain successes


class ForgetsItsCounter(Circuit):
    """Has no counter for successes that are not measured in the middle of a reset."""

    __slots__ = ()

    def _forget_counts(self, *, plain: bool = False) -> None:
        super()._forget_counts()
        if plain:
            self._plain = Counter()
            self.next_success = self._plain.step


def first_successes(*, locked: bool = True) -> Scene:
    """Two policies are compiled that do not measure durations, and each brings a success."""

    def succeeding(stage: Stage) -> None:
        stage.circuit.count_plainly()
        stage.circuit.next_success()

    def holds(stage: Stage) -> None:
        assert stage.circuit.snapshot().tally.successes == 2

    return Scene(lambda: Stage(locked=locked), [succeeding, succeeding], holds)


def test_circuit_first_plain_successes_share_a_counter(seed: int) -> None:
    """Both successes count, whoever makes the counter."""
    assert_holds(first_successes(), seed)


def test_circuit_first_plain_successes_without_the_lock_are_caught(seed: int) -> None:
    """The twin makes two counters and loses one."""
    assert_caught(first_successes(locked=False), seed)


def plain_success_against_reset(*, kind: type[Circuit] = Circuit) -> Scene:
    """A success without a duration comes while an operator resets."""

    def succeeding(stage: Stage) -> None:
        stage.circuit.next_success()

    def resetting(stage: Stage) -> None:
        stage.circuit.reset()

    def holds(stage: Stage) -> None:
        assert stage.circuit.snapshot().tally.successes in (0, 1)

    def setup() -> Stage:
        stage = Stage(kind)
        stage.circuit.count_plainly()
        return stage

    return Scene(setup, [succeeding, resetting], holds)


def test_circuit_plain_success_during_a_reset_raises_nothing(seed: int) -> None:
    """The success is forgotten or counted, and its caller notices nothing."""
    assert_holds(plain_success_against_reset(), seed)


def test_circuit_that_forgets_its_counter_is_caught(seed: int) -> None:
    """The twin raises an AssertionError out of a call that succeeded."""
    assert_caught(plain_success_against_reset(kind=ForgetsItsCounter), seed)


# ---------------------------------------------------------------------------------------------- refusals


def first_refusals(*, locked: bool = True) -> Scene:
    """Two threads get the first refusals of an open circuit."""

    def entering(stage: Stage) -> None:
        stage.enter()

    def holds(stage: Stage) -> None:
        assert len(stage.refusals) == 2
        assert stage.circuit.snapshot().tally.rejections == 2

    return Scene(lambda: Stage(locked=locked).open(), [entering, entering], holds)


def test_circuit_first_refusals_share_a_counter(seed: int) -> None:
    """Both refusals count, whoever makes the counter."""
    assert_holds(first_refusals(), seed)


class TwoRefusalCounters(Circuit):
    """Makes a counter without looking again under the lock."""

    __slots__ = ()

    def _refused(self, *args: object) -> object:  # type: ignore[override]
        if self._rejected is None:
            fresh = Counter()
            self._rejected = fresh
        return super()._refused(*args)  # type: ignore[arg-type]


def test_circuit_refusals_that_make_two_counters_are_caught(seed: int) -> None:
    """The twin loses a refusal."""
    scene = first_refusals()
    assert_caught(Scene(lambda: Stage(TwoRefusalCounters).open(), scene.threads, scene.holds), seed)


class WritesBack(Circuit):
    """Replaces the last failure by its summary when somebody reads it."""

    __slots__ = ()

    @property
    def last_failure(self) -> FailureSummary | None:
        """The failure seen last, or None."""
        failure = self._failure
        if failure is None or isinstance(failure, FailureSummary):
            return failure
        self._failure = summary = FailureSummary(*failure)
        return summary


def reading_the_last_failure(*, kind: type[Circuit] = Circuit) -> Scene:
    """One thread reads the last failure, as every refusal does, while another one brings a new failure."""

    def setup() -> Stage:
        stage = Stage(kind, failure_threshold=5)
        stage.settle(0, FAILURE, "old")
        return stage

    def reading(stage: Stage) -> None:
        stage.notes.append(stage.circuit.last_failure)

    def failing(stage: Stage) -> None:
        stage.settle(0, FAILURE, "new")

    def holds(stage: Stage) -> None:
        last = stage.circuit.last_failure
        assert last is not None
        assert last.message == "new", "an older failure came back"
        assert stage.notes[0].message in ("old", "new")

    return Scene(setup, [reading, failing], holds)


def test_circuit_last_failure_read_by_others_stays_the_last(seed: int) -> None:
    """Who reads the last failure never brings an older one back."""
    assert_holds(reading_the_last_failure(), seed)


def test_circuit_whose_last_failure_is_written_back_is_caught(seed: int) -> None:
    """The twin replaces the newer failure by the older one."""
    assert_caught(reading_the_last_failure(kind=WritesBack), seed)
