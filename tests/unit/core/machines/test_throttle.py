"""The throttle: when it begins, whom it spares, and how soon it lets go."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from scrollintel.core.config import ThrottleConfig
from scrollintel.core.machines.throttle import ThrottleMachine

CRITICAL_PLUS, CRITICAL, SHEDDABLE_PLUS, SHEDDABLE = range(4)


def ended(machine: ThrottleMachine, accepted: int, refused: int, now: float = 0.0) -> None:
    """Let attempts end."""
    for number in range(accepted + refused):
        machine.record(now, accepted=number < accepted)


def test_throttle_lets_everything_pass_while_half_is_accepted() -> None:
    """With the multiplier 2; and below the minimum of attempts whatever is accepted."""
    machine = ThrottleMachine(ThrottleConfig())
    ended(machine, 0, 19)
    assert machine.share(0.0, CRITICAL) == 0.0
    ended(machine, 19, 0)
    assert machine.share(0.0, CRITICAL) == 0.0
    ended(machine, 0, 2)
    assert machine.share(0.0, CRITICAL) == pytest.approx(2 / 41)


def test_throttle_refuses_at_most_its_share_so_that_some_always_pass() -> None:
    """A dead dependency is still asked."""
    machine = ThrottleMachine(ThrottleConfig())
    ended(machine, 0, 10_000)
    assert machine.share(0.0, CRITICAL) == machine.share(0.0, SHEDDABLE) == 0.9
    assert machine.admit(0.0, CRITICAL, 0.9)
    assert not machine.admit(0.0, CRITICAL, 0.8999)


def test_throttle_spares_the_more_critical() -> None:
    """Each class is throttled later than the one below it."""
    machine = ThrottleMachine(ThrottleConfig())
    ended(machine, 36, 64)
    shares = [machine.share(0.0, rank) for rank in (CRITICAL_PLUS, CRITICAL, SHEDDABLE_PLUS, SHEDDABLE)]
    assert shares[0] == 0.0
    assert 0.0 < shares[1] < shares[2] < shares[3]


def attempts_until_let_go(machine: ThrottleMachine, accepts: Callable[[float, random.Random], bool]) -> float:
    """Return the seconds after an outage of 30 s until all of 50 attempts a second are sent again; at most 60."""
    source = random.Random(7)
    now, back = 0.0, 30.0
    while now < back + 60.0:
        now += 0.02
        if machine.admit(now, CRITICAL, source.random()):
            machine.record(now, accepted=now >= back and accepts(now, source))
        if now > back and machine.share(now, CRITICAL) == 0.0:
            return now - back
    return 60.0


@pytest.mark.parametrize("window", [10.0, 120.0])
def test_throttle_lets_go_when_the_dependency_accepts_again(window: float) -> None:
    """One attempt in ten is sent at first; after 23 that were accepted in a row the past is forgotten."""
    assert attempts_until_let_go(ThrottleMachine(ThrottleConfig(window=window)), lambda now, source: True) < 6.0


def test_throttle_holds_on_while_the_dependency_accepts_some() -> None:
    """A third of the attempts are accepted, and now and then a few in a row."""
    machine = ThrottleMachine(ThrottleConfig())
    assert attempts_until_let_go(machine, lambda now, source: source.random() < 0.33) == 60.0


def test_throttle_that_wants_every_attempt_accepted_forgets_by_its_window_alone() -> None:
    """No number of attempts in a row tells that the dependency accepts all."""
    machine = ThrottleMachine(ThrottleConfig(multiplier=1.0))
    ended(machine, 0, 30)
    for _ in range(500):
        machine.record(0.5, accepted=True)
    assert machine.requests == 530


def test_throttle_forgets_what_is_older_than_its_window() -> None:
    """Bucket by bucket, and all of it after a pause."""
    machine = ThrottleMachine(ThrottleConfig(window=10.0))
    ended(machine, 0, 30, now=0.5)
    assert machine.share(9.9, CRITICAL) > 0.0
    assert machine.share(10.0, CRITICAL) == 0.0
    assert machine.requests == 0


def test_throttle_keeps_its_counts_under_another_configuration_with_the_same_window() -> None:
    """Another window begins anew."""
    machine = ThrottleMachine(ThrottleConfig())
    ended(machine, 0, 30)
    machine.reconfigure(ThrottleConfig(max_share=0.5))
    assert machine.share(0.0, CRITICAL) == 0.5
    machine.reconfigure(ThrottleConfig(window=20.0))
    assert machine.share(0.0, CRITICAL) == 0.0
