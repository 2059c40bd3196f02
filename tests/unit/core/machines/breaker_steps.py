"""Steps that tests of the breaker's rules have in common: machines in each state, and calls that must pass."""

from __future__ import annotations

from typing import Any

import pytest

from scrollintel.core.config.breaker import CircuitBreakerConfig
from scrollintel.core.machines.answers import Permit, Probe, Refusal
from scrollintel.core.machines.breaker import BreakerMachine
from scrollintel.core.outcome import Verdict
from scrollintel.core.states import CircuitState

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
ISOLATED, DISABLED, METRICS_ONLY = CircuitState.ISOLATED, CircuitState.DISABLED, CircuitState.METRICS_ONLY
SUCCESS, FAILURE, IGNORED, ABANDONED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED, Verdict.ABANDONED
NEUTRAL = pytest.mark.parametrize("neutral", [IGNORED, ABANDONED])


def settings(**changes: Any) -> CircuitBreakerConfig:
    """Return the default configuration with `changes`."""
    return CircuitBreakerConfig("circuit", **changes)


def new(now: float = 0.0, **changes: Any) -> BreakerMachine:
    """Return a machine under the default configuration with `changes`."""
    return BreakerMachine(settings(**changes), now)


def admitted(machine: BreakerMachine, now: float) -> Permit:
    """Return the permit of a call that must pass."""
    answer = machine.admit(now)
    assert not isinstance(answer, Refusal)
    return answer


def refused(machine: BreakerMachine, now: float) -> Refusal:
    """Return the refusal of a call that must not pass."""
    answer = machine.admit(now)
    assert isinstance(answer, Refusal)
    return answer


def probe(machine: BreakerMachine, now: float) -> Probe:
    """Return the permit of a call that must pass as a probe."""
    answer = machine.admit(now)
    assert isinstance(answer, Probe)
    return answer


def run(machine: BreakerMachine, now: float, *verdicts: Verdict, slow: bool = False) -> None:
    """Let one call after the other pass and end with its verdict."""
    for verdict in verdicts:
        assert machine.settle(admitted(machine, now), verdict, now, slow)


def opened(now: float = 0.0, **changes: Any) -> BreakerMachine:
    """Return a machine that has just opened after five failures."""
    machine = new(now, **changes)
    run(machine, now, *[FAILURE] * 5)
    assert machine.state is OPEN
    machine.transitions = ()
    return machine


def half_open(now: float = 60.0, **changes: Any) -> BreakerMachine:
    """Return a machine that opened at 0 and became half-open at `now`."""
    machine = opened(**changes)
    machine.advance(now)
    assert machine.state is HALF_OPEN
    machine.transitions = ()
    return machine


def moves(machine: BreakerMachine) -> list[tuple[CircuitState, CircuitState]]:
    """Return the transitions since the last look, as pairs of states."""
    transitions, machine.transitions = machine.transitions, ()
    return [(transition.old, transition.new) for transition in transitions]


def periods(machine: BreakerMachine, rounds: int, u: float = 0.5) -> list[float]:
    """Fail every probe and return the open periods."""
    found = []
    now = machine.since
    while machine.state is not OPEN:
        machine.settle(admitted(machine, now), FAILURE, now, u=u)
    for _ in range(rounds):
        found.append(machine.open_until - machine.since)
        now = machine.open_until
        machine.settle(probe(machine, now), FAILURE, now, u=u)
    return found


def share_of(machine: BreakerMachine, now: float, arrivals: int) -> float:
    """Return the share of arrivals that pass at `now`."""
    passed = [not isinstance(machine.admit(now), Refusal) for _ in range(arrivals)]
    return sum(passed) / arrivals


def ramping(**changes: Any) -> BreakerMachine:
    """Return a machine that closed at 60 and ramps over 100 seconds from a tenth."""
    machine = half_open(success_threshold=1, **{"ramp": 100.0, **changes})
    run(machine, 60.0, SUCCESS)
    assert machine.state is CLOSED
    machine.transitions = ()
    return machine
