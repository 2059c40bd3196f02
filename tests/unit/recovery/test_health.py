"""What looks add up to: suspicion, confirmation, declaration, healing, grace and holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scrollintel.recovery.health import TargetHealth
from scrollintel.recovery.symptom import Condition, Depth, FailureType, Look
from scrollintel.recovery.target import Check, Process, Target

ALIVE = Check(name="alive", kind="tcp", depth=Depth.ALIVE)
READY = Check(name="ready", kind="http", depth=Depth.READY)


def health(*checks: Check, process: Process | None = None) -> TargetHealth:
    """Make the health of a target with these checks."""
    return TargetHealth(Target(name="web", service="web", checks=checks or (ALIVE,), process=process))


def good(at: float, check: Check = ALIVE) -> Look:
    """A look that found what it expects."""
    return Look(target="web", check=check.name, depth=check.depth, good=True, at=at)


def bad(at: float, check: Check = ALIVE, failure: str = FailureType.UNRESPONSIVE, *, conclusive: bool = False) -> Look:
    """A look that failed."""
    return Look(
        target="web", check=check.name, depth=check.depth, good=False, failure_type=failure, at=at,
        conclusive=conclusive,
    )  # fmt: skip


def failed(*checks: Check) -> TargetHealth:
    """Make the health of a target whose first check has failed."""
    made = health(*checks)
    first = checks[0] if checks else ALIVE
    made.see(bad(1.0, first), 1.0)
    made.see(bad(1.1, first), 1.1, fresh=True)
    assert made.condition is Condition.FAILED
    return made


def test_health_before_every_check_has_looked_is_unknown() -> None:
    """One good look of two checks does not make a target healthy."""
    made = health(ALIVE, READY)
    assert made.see(good(1.0), 1.0) is None
    change = made.see(good(1.1, READY), 1.1)
    assert change is not None
    assert (change.old, change.new) == (Condition.UNKNOWN, Condition.HEALTHY)


def test_health_first_bad_look_suspects_and_asks_for_a_fresh_one() -> None:
    """Suspicion comes at once, with the check that needs a second opinion."""
    made = health()
    made.see(good(1.0), 1.0)
    change = made.see(bad(2.0), 2.1)
    assert change is not None
    assert (change.new, change.failure_type, change.first_at, change.at) == (
        Condition.SUSPECT, FailureType.UNRESPONSIVE, 2.0, 2.1,
    )  # fmt: skip
    assert made.wants_confirmation
    assert made.unconfirmed == ("alive",)


def test_health_enough_bad_looks_without_a_fresh_one_stay_suspect() -> None:
    """No number of routine looks declares a failure without a second opinion."""
    made = health()
    for at in range(10):
        made.see(bad(float(at)), float(at))
    assert made.condition is Condition.SUSPECT
    change = made.see(bad(11.0), 11.0, fresh=True)
    assert change is not None
    assert (change.new, change.first_at) == (Condition.FAILED, 0.0)


def test_health_fresh_look_that_disagrees_ends_the_suspicion() -> None:
    """A single slow reply never fails a target."""
    made = health()
    made.see(bad(1.0), 1.0)
    change = made.see(good(1.1), 1.1, fresh=True)
    assert change is not None
    assert change.new is Condition.HEALTHY
    assert not made.wants_confirmation


def test_health_fewer_bad_looks_than_needed_stay_suspect_though_confirmed() -> None:
    """With three failures of five, two bad looks and a second opinion are not enough."""
    made = health(Check(name="alive", kind="tcp", depth=Depth.ALIVE, failures=3, window=5))
    made.see(bad(1.0), 1.0)
    made.see(bad(1.1), 1.1, fresh=True)
    assert made.condition is Condition.SUSPECT
    assert not made.wants_confirmation
    made.see(bad(1.2), 1.2)
    assert made.condition is Condition.FAILED


def test_health_conclusive_look_needs_only_an_agreeing_one() -> None:
    """An exit is declared by two looks whatever the check counts to."""
    made = health(Check(name="alive", kind="process", depth=Depth.ALIVE, failures=3, window=5))
    made.see(bad(1.0, failure=FailureType.EXITED, conclusive=True), 1.0)
    assert made.condition is Condition.SUSPECT
    made.see(bad(1.001, failure=FailureType.EXITED), 1.001, fresh=True)
    assert made.condition is Condition.FAILED


def test_health_failed_target_heals_after_enough_good_looks_in_a_row() -> None:
    """A good look between two bad ones starts the count again."""
    made = failed()
    made.see(good(2.0), 2.0)
    made.see(good(2.1), 2.1)
    made.see(bad(2.2), 2.2)
    made.see(good(2.3), 2.3)
    made.see(good(2.4), 2.4)
    assert made.condition is Condition.FAILED
    change = made.see(good(2.5), 2.5)
    assert change is not None
    assert (change.old, change.new, change.failure_type) == (Condition.FAILED, Condition.HEALTHY, None)


def test_health_shallower_failure_outranks_and_is_told() -> None:
    """A target that was not ready and now is not alive tells so, because a restart may help only then."""
    made = failed(READY, ALIVE)
    made.see(bad(2.0, ALIVE), 2.0)
    change = made.see(bad(2.1, ALIVE), 2.1, fresh=True)
    assert change is not None
    assert (change.old, change.new, change.depth) == (Condition.FAILED, Condition.FAILED, Depth.ALIVE)
    assert made.see(bad(2.2, READY), 2.2) is None


def test_health_exit_that_is_heard_of_after_its_consequences_is_told() -> None:
    """A process that dies refuses connections first: what is wrong with it is the exit, whichever comes first."""
    life = Check(name="process", kind="process", depth=Depth.ALIVE)
    made = health(ALIVE, life)
    made.see(bad(1.0, failure=FailureType.UNREACHABLE), 1.0)
    declared = made.see(bad(1.1, failure=FailureType.UNREACHABLE), 1.1, fresh=True)
    assert declared is not None and declared.failure_type == FailureType.UNREACHABLE
    made.see(bad(1.2, life, FailureType.EXITED, conclusive=True), 1.2)
    change = made.see(bad(1.3, life, FailureType.EXITED, conclusive=True), 1.3, fresh=True)
    assert change is not None
    assert (change.old, change.new, change.failure_type) == (Condition.FAILED, Condition.FAILED, FailureType.EXITED)
    assert made.see(bad(1.4, failure=FailureType.UNREACHABLE), 1.4) is None


def test_health_failure_that_a_restart_may_help_outranks_one_that_it_may_not() -> None:
    """Of two checks of one depth, one refused and the other without an answer."""
    other = Check(name="other", kind="http", depth=Depth.ALIVE)
    made = health(ALIVE, other)
    made.see(bad(1.0, failure=FailureType.UNREACHABLE), 1.0)
    made.see(bad(1.1, failure=FailureType.UNREACHABLE), 1.1, fresh=True)
    made.see(bad(1.2, other), 1.2)
    change = made.see(bad(1.3, other), 1.3, fresh=True)
    assert change is not None and change.failure_type == FailureType.UNRESPONSIVE


def test_health_conclusive_failure_outranks_newer_ones_of_its_depth() -> None:
    """An exit stays the reason when a refused connection is seen after it."""
    exits = Check(name="exit", kind="process", depth=Depth.ALIVE)
    made = health(exits, ALIVE)
    made.see(bad(1.0, exits, FailureType.EXITED, conclusive=True), 1.0)
    made.see(bad(1.1, ALIVE), 1.1)
    change = made.see(bad(1.2, exits, FailureType.EXITED, conclusive=True), 1.2, fresh=True)
    assert change is not None
    assert change.failure_type == FailureType.EXITED


def test_health_bad_looks_after_a_start_do_not_count_until_the_first_good_one() -> None:
    """A service that boots is not suspected; once it has answered it is."""
    made = health(process=Process(command=("x",), start_timeout=5.0))
    made.started(10.0)
    made.see(bad(11.0), 11.0)
    assert made.condition is Condition.UNKNOWN
    assert made.in_grace
    made.see(good(12.0), 12.0)
    assert made.condition is Condition.HEALTHY
    made.see(bad(13.0), 13.0)
    assert made.condition is Condition.SUSPECT


def test_health_grace_ends_with_the_start_time() -> None:
    """A service that never answers is suspected when its start time is over."""
    made = health(process=Process(command=("x",), start_timeout=5.0))
    made.started(10.0)
    made.see(bad(14.9), 14.9)
    assert made.condition is Condition.UNKNOWN
    made.see(bad(15.0), 15.0)
    assert made.condition is Condition.SUSPECT


def test_health_exit_during_the_start_counts() -> None:
    """A process that dies while it boots is found at once."""
    made = health(process=Process(command=("x",), start_timeout=5.0))
    made.started(10.0)
    made.see(bad(10.1, failure=FailureType.EXITED, conclusive=True), 10.1)
    assert made.condition is Condition.SUSPECT


def test_health_held_target_shows_the_hold_and_counts_on() -> None:
    """A recovery's condition covers what the looks say until it is released."""
    made = failed()
    change = made.hold(Condition.RECOVERING, 2.0)
    assert change is not None
    assert (change.old, change.new) == (Condition.FAILED, Condition.RECOVERING)
    for at in (2.1, 2.2, 2.3):
        assert made.see(good(at), at) is None
    assert made.judged is Condition.HEALTHY
    change = made.release(3.0)
    assert change is not None
    assert (change.old, change.new) == (Condition.RECOVERING, Condition.HEALTHY)


def test_health_hold_at_a_condition_of_its_own_is_refused() -> None:
    """Nobody can hold a target healthy."""
    with pytest.raises(ValueError, match="recovering"):
        health().hold(Condition.HEALTHY, 1.0)


def test_health_doubted_target_is_not_declared_until_trusted() -> None:
    """While the watcher doubts itself only a second round and its own soundness lead to a declaration."""
    made = health()
    made.see(bad(1.0), 1.0)
    made.doubt()
    made.see(bad(1.1), 1.1, fresh=True)
    assert made.condition is Condition.SUSPECT
    change = made.trust(1.2)
    assert change is not None
    assert change.new is Condition.FAILED


def test_health_doubt_forgets_the_second_opinion() -> None:
    """A confirmation from before the doubt does not count after it."""
    made = health(Check(name="alive", kind="tcp", depth=Depth.ALIVE, failures=3))
    made.see(bad(1.0), 1.0)
    made.see(bad(1.1), 1.1, fresh=True)
    made.doubt()
    made.see(bad(1.2), 1.2)
    made.trust(1.3)
    assert made.condition is Condition.SUSPECT
    assert made.wants_confirmation


def test_health_conclusive_exit_is_declared_in_doubt() -> None:
    """A process that has exited has exited, however unsound the watcher may be."""
    made = health()
    made.doubt()
    made.see(bad(1.0, failure=FailureType.EXITED, conclusive=True), 1.0)
    made.see(bad(1.1, failure=FailureType.EXITED, conclusive=True), 1.1, fresh=True)
    assert made.condition is Condition.FAILED


def test_health_signal_without_a_check_counts_at_once() -> None:
    """What was not declared as a check, such as a circuit that opens, suspects by itself and heals by itself."""
    opened = Look(
        target="web", check="circuit", depth=Depth.READY, good=False, failure_type=FailureType.CIRCUIT_OPEN, at=2.0
    )
    made = health()
    made.see(good(1.0), 1.0)
    made.see(opened, 2.0)
    assert made.condition is Condition.SUSPECT
    made.see(replace(opened, good=True, failure_type=None, at=3.0), 3.0)
    assert made.condition is Condition.HEALTHY


def test_health_expected_heartbeat_keeps_the_target_unknown() -> None:
    """A target that only beats is not healthy before it has."""
    made = TargetHealth(Target(name="agent", service="agent"))
    made.expect(0.0, name="heartbeat")
    assert made.condition is Condition.UNKNOWN
    beat = Look(target="agent", check="heartbeat", depth=Depth.ALIVE, good=True, at=1.0)
    change = made.see(beat, 1.0)
    assert change is not None
    assert change.new is Condition.HEALTHY
