"""The rules of one service's degradation level."""

from __future__ import annotations

import math

import pytest

from scrollintel.core.config.degradation import DegradationConfig, DegradationLevel
from scrollintel.core.errors import ConfigError
from scrollintel.core.machines.degradation import DegradationMachine, HealthReading, LevelChange
from scrollintel.core.states import CircuitState

NONE, MINIMAL, MODERATE, SEVERE, CRITICAL = DegradationLevel


def machine(**settings: object) -> DegradationMachine:
    """Return a machine created at 0 with a quiet period of 10 s."""
    return DegradationMachine(DegradationConfig.from_dict({"quiet_period": 10.0, **settings}), 0.0)


def rate(error_rate: float, calls: int | None = 100) -> HealthReading:
    """Return a reading of an error rate."""
    return HealthReading(error_rate=error_rate, calls=calls)


def moves(changes: tuple[LevelChange, ...]) -> list[tuple[float, DegradationLevel]]:
    """Return when and whereto."""
    return [(change.at, change.new) for change in changes]


@pytest.mark.parametrize(
    ("error_rate", "level"),
    [(0.0, NONE), (0.049, NONE), (0.05, MINIMAL), (0.2, MODERATE), (0.5, SEVERE), (0.79, SEVERE), (1.0, CRITICAL)],
)
def test_machine_error_rate_at_a_threshold_sets_its_level_at_once(error_rate: float, level: DegradationLevel) -> None:
    """Each threshold is inclusive, and levels in between are skipped on the way up."""
    subject = machine()
    subject.observe(rate(error_rate), 1.0)
    assert subject.level is level


def test_machine_change_names_rate_calls_and_threshold() -> None:
    """The reason of a change holds what was seen and what it was compared with."""
    (change,) = machine().observe(rate(0.62, 50), 3.0)
    assert change == LevelChange(
        at=3.0, old=NONE, new=SEVERE, reason="error rate 0.62 of 50 calls reached 0.5", automatic=True
    )


def test_machine_too_few_calls_judge_nothing() -> None:
    """A rate on fewer calls than the minimum neither lifts nor holds a level."""
    subject = machine(minimum_calls=10)
    assert subject.observe(rate(1.0, 9), 0.0) == ()
    subject.observe(rate(0.3, 10), 1.0)
    subject.observe(rate(1.0, 9), 10.0)
    assert moves(subject.advance(11.0)) == [(11.0, MINIMAL)]


@pytest.mark.parametrize(("latency", "level"), [(0.99, NONE), (1.0, MINIMAL), (1.99, MINIMAL), (2.0, MODERATE)])
def test_machine_latency_calls_for_minimal_and_twice_as_much_for_moderate(
    latency: float, level: DegradationLevel
) -> None:
    """Slowness alone never goes beyond MODERATE."""
    subject = machine(latency=1.0)
    subject.observe(HealthReading(latency=latency), 0.0)
    assert subject.level is level


def test_machine_latency_without_a_threshold_is_not_judged() -> None:
    """Latency is off by default."""
    subject = machine()
    subject.observe(HealthReading(latency=3600.0), 0.0)
    assert subject.level is NONE


def test_machine_falls_one_level_for_each_quiet_period() -> None:
    """The way down takes one step per quiet period, each dated to its own end, however late somebody looks."""
    subject = machine()
    subject.observe(rate(0.9), 5.0)
    assert moves(subject.advance(1000.0)) == [(15.0, SEVERE), (25.0, MODERATE), (35.0, MINIMAL), (45.0, NONE)]
    assert subject.due() == math.inf


def test_machine_reading_within_the_hysteresis_holds_the_level() -> None:
    """Between the threshold and its share `restore_factor` a level neither rises nor falls."""
    subject = machine()
    subject.observe(rate(0.2), 0.0)
    for second in range(1, 100):
        assert subject.observe(rate(0.1), float(second)) == ()
    assert subject.level is MODERATE


def test_machine_reading_below_the_hysteresis_lets_the_level_fall() -> None:
    """Below the share the quiet period runs on from the last reading that supported the level."""
    subject = machine()
    subject.observe(rate(0.2), 0.0)
    subject.observe(rate(0.1), 4.0)
    subject.observe(rate(0.099), 8.0)
    assert subject.advance(13.9) == ()
    assert moves(subject.advance(14.0)) == [(14.0, MINIMAL)]


def test_machine_input_that_oscillates_around_a_threshold_changes_once() -> None:
    """Health that crosses a threshold ten times in each quiet period makes one change in all."""
    subject = machine()
    changes = [
        change for tick in range(2000) for change in subject.observe(rate(0.21 if tick % 2 else 0.01), tick * 1.0)
    ]
    assert [change.new for change in changes] == [MODERATE]


def test_machine_open_circuit_holds_its_level_until_it_closes() -> None:
    """An open circuit lasts: the quiet period starts when it ends."""
    subject = machine()
    (change,) = subject.observe(HealthReading(circuit_state=CircuitState.OPEN), 0.0)
    assert (change.new, change.reason) == (SEVERE, "the circuit is open")
    assert subject.advance(500.0) == ()
    subject.observe(HealthReading(circuit_state=CircuitState.CLOSED), 500.0)
    assert moves(subject.advance(510.0)) == [(510.0, MODERATE)]


def test_machine_open_circuit_that_admits_a_probe_holds_no_level() -> None:
    """From the next probe on the level falls, so that a service on fallbacks sends the probe at last."""
    subject = machine()
    subject.observe(HealthReading(circuit_state=CircuitState.OPEN, retry_after=60.0), 0.0)
    assert subject.fall_due() == 70.0
    assert moves(subject.advance(90.0)) == [(70.0, MODERATE), (80.0, MINIMAL), (90.0, NONE)]


def test_machine_half_open_circuit_calls_for_nothing() -> None:
    """A half-open circuit neither lifts nor holds."""
    subject = machine()
    assert subject.observe(HealthReading(circuit_state=CircuitState.HALF_OPEN), 0.0) == ()


def test_machine_circuit_open_level_zero_ignores_the_circuit() -> None:
    """With level 0 circuits lead nothing."""
    subject = machine(circuit_open_level=0)
    assert subject.observe(HealthReading(circuit_state=CircuitState.ISOLATED), 0.0) == ()


@pytest.mark.parametrize(("dependency", "own"), [(MODERATE, NONE), (SEVERE, MINIMAL), (CRITICAL, MODERATE)])
def test_machine_dependency_lifts_to_two_steps_below_its_level(
    dependency: DegradationLevel, own: DegradationLevel
) -> None:
    """Only SEVERE and worse travel on, two steps milder."""
    subject = machine()
    changes = subject.follow({"database": dependency}, 0.0)
    assert subject.level is own
    assert [change.reason for change in changes] == ([f"dependency 'database' is at {dependency.name}"] if own else [])


def test_machine_dependency_that_recovers_starts_the_quiet_period() -> None:
    """A dependent is restored one quiet period after its dependency improved."""
    subject = machine()
    subject.follow({"database": SEVERE}, 0.0)
    subject.follow({"database": MODERATE}, 100.0)
    assert moves(subject.advance(110.0)) == [(110.0, NONE)]


def test_machine_dependencies_that_are_not_followed_lift_nothing() -> None:
    """`follow_dependencies=False` switches propagation off."""
    subject = machine(follow_dependencies=False)
    assert subject.follow({"database": CRITICAL}, 0.0) == ()


def test_machine_highest_suggestion_counts() -> None:
    """Of several reasons the one for the worst level is told."""
    subject = machine(latency=1.0)
    (change,) = subject.observe(HealthReading(error_rate=0.9, latency=5.0, circuit_state=CircuitState.OPEN), 0.0)
    assert (change.new, change.reason) == (CRITICAL, "error rate 0.9 reached 0.8")


def test_machine_level_set_by_hand_wins_over_health() -> None:
    """A level set by hand counts above and below the automatic one, which goes on underneath."""
    subject = machine()
    (change,) = subject.set_level(MINIMAL, "maintenance", 0.0)
    assert (change.new, change.automatic, subject.manual, subject.reason) == (MINIMAL, False, True, "maintenance")
    assert subject.observe(rate(0.9), 1.0) == ()
    assert (subject.level, subject.automatic_level) == (MINIMAL, CRITICAL)


def test_machine_restore_returns_to_the_automatic_level() -> None:
    """Ending a level set by hand shows what health calls for."""
    subject = machine()
    subject.set_level(NONE, "stay whole", 0.0)
    subject.observe(rate(0.9), 1.0)
    (change,) = subject.restore("done", 2.0)
    assert (change.new, change.automatic) == (CRITICAL, False)
    assert change.reason == "done; error rate 0.9 of 100 calls reached 0.8"


def test_machine_level_set_by_hand_expires_at_its_time() -> None:
    """After its expiry the automatic level counts, with what fell underneath in the meantime."""
    subject = machine()
    subject.observe(rate(0.9), 0.0)
    subject.set_level(MINIMAL, "for now", 1.0, until=21.0)
    changes = subject.advance(22.0)
    assert moves(changes) == [(21.0, MODERATE)]
    assert changes[0].automatic and changes[0].reason.startswith("the level set by hand has expired; ")
    assert not subject.manual


def test_machine_fall_at_the_moment_of_expiry_makes_one_change() -> None:
    """A quiet period that ends together with the level set by hand is applied first."""
    subject = machine()
    subject.observe(rate(0.9), 0.0)
    subject.set_level(NONE, "for now", 1.0, until=10.0)
    assert moves(subject.advance(10.0)) == [(10.0, SEVERE)]


def test_machine_same_level_set_by_hand_is_no_change() -> None:
    """Taking the present level into one's hands changes no level, and so tells none."""
    subject = machine()
    subject.observe(rate(0.2), 0.0)
    assert subject.set_level(MODERATE, "hold it", 5.0) == ()
    assert (subject.manual, subject.since, subject.advance(100.0)) == (True, 0.0, ())
    assert moves(subject.restore("let go", 100.0)) == [(100.0, NONE)]


def test_machine_restore_of_an_automatic_level_skips_the_quiet_periods() -> None:
    """An operator who knows that the trouble is over need not wait."""
    subject = machine()
    subject.observe(rate(0.9), 0.0)
    (change,) = subject.restore("fixed", 1.0)
    assert (change.old, change.new, change.reason, change.automatic) == (CRITICAL, NONE, "fixed", False)


def test_machine_restore_keeps_what_lasts() -> None:
    """An open circuit and dependencies go on leading the level after a restore."""
    subject = machine()
    subject.observe(HealthReading(error_rate=0.9, circuit_state=CircuitState.OPEN), 0.0)
    (change,) = subject.restore("fixed", 1.0)
    assert (change.new, change.reason) == (SEVERE, "fixed; the circuit is open")
    assert subject.restore("again", 2.0) == ()
    assert subject.reason == "fixed; the circuit is open"


def test_machine_not_automatic_follows_nothing() -> None:
    """With `automatic=False` only operators move the level."""
    subject = machine(automatic=False)
    subject.observe(HealthReading(error_rate=1.0, circuit_state=CircuitState.OPEN), 0.0)
    subject.follow({"database": CRITICAL}, 0.0)
    assert subject.level is NONE
    subject.set_level(SEVERE, "by hand", 1.0)
    assert subject.level is SEVERE


def test_machine_reconfigured_to_manual_keeps_its_level_until_restored() -> None:
    """A new config keeps the level; without automatic rules nothing but an operator ends it."""
    subject = machine()
    subject.observe(rate(0.9), 0.0)
    assert subject.reconfigure(DegradationConfig(automatic=False), 1.0) == ()
    assert subject.advance(1e6) == ()
    assert moves(subject.restore("done", 1e6)) == [(1e6, NONE)]


def test_machine_reconfigured_to_automatic_starts_the_quiet_period_then() -> None:
    """Time under the manual config does not count as quiet."""
    subject = machine()
    subject.observe(rate(0.05), 0.0)
    subject.reconfigure(DegradationConfig(automatic=False), 1.0)
    subject.reconfigure(DegradationConfig(quiet_period=10.0), 500.0)
    assert moves(subject.advance(600.0)) == [(510.0, NONE)]


def test_machine_reconfigured_judges_what_lasts_by_the_new_rules() -> None:
    """A stricter config lifts at once for a circuit that is open already."""
    subject = machine()
    subject.observe(HealthReading(circuit_state=CircuitState.OPEN), 0.0)
    assert moves(subject.reconfigure(DegradationConfig(circuit_open_level=4), 1.0)) == [(1.0, CRITICAL)]


@pytest.mark.parametrize(
    "values",
    [{"error_rate": 1.1}, {"error_rate": math.nan}, {"calls": -1}, {"latency": -0.1}, {"latency": math.inf},
     {"circuit_state": "ajar"}, {"retry_after": -1.0}],
)  # fmt: skip
def test_health_reading_bad_value_is_refused_by_name(values: dict[str, object]) -> None:
    """Observations are validated as eagerly as configs."""
    with pytest.raises(ConfigError) as caught:
        HealthReading.from_dict(values)
    assert [violation.field for violation in caught.value.violations] == list(values)
