"""Which calls decided that a circuit opened or closed; asked at the change, and at no call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ..config.breaker import WindowKind
from ..evidence import DecidingCall, DecidingSpan, Evidence
from ..machines.answers import Transition
from ..machines.breaker import BreakerMachine
from ..machines.window import CountWindow, TimeWindow
from ..outcome import MOST_TOLD
from ..states import CircuitState

Noted: TypeAlias = tuple[float, str | None, float | None, bool]
"""A call as the circuit notes it: the monotonic time of its end, the kind of its error, its seconds, whether slow."""
MAX_NAME = 200
CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN


def deciding(transition: Transition, machine: BreakerMachine, noted: Sequence[Noted], wall: float) -> Evidence | None:
    """Return the calls that decided a change, or None when none did: an order, or time alone.

    Arguments:
        transition: The change, made right now: the machine still holds what it rests on.
        machine: The circuit's rules.
        noted: Failures, slow calls and probes since the change before, oldest first; of many the newest.
        wall: What turns the machine's times into seconds since 1970-01-01 UTC.
    """
    if transition.old is HALF_OPEN and transition.new in (OPEN, CLOSED):
        return _probes(noted, wall)
    if transition.new is not OPEN:
        return None
    window, kind = machine.window, machine.config.window_kind
    failures = [note for note in noted if note[1] is not None]
    if window is None:
        return _of(kind, machine.failures, machine.failures, 0, failures, wall)
    if isinstance(window, TimeWindow):
        spans = window.parts()
        recent = [note for note in noted if spans and note[0] >= spans[0][0]]
        told = tuple(DecidingSpan(round(start + wall, 6), *counts) for start, *counts in spans)
        return _of(kind, window.calls, window.failures, window.slow, recent, wall, told)
    if isinstance(window, CountWindow):
        calls = _in_order(window.latest(MOST_TOLD), noted, wall)
        return _evidence(kind.value, window.calls, window.failures, window.slow, calls)
    return _of(kind, window.calls, window.failures, 0, failures, wall)


def _probes(noted: Sequence[Noted], wall: float) -> Evidence | None:
    calls = tuple(_told(note, wall) for note in noted)
    slow = sum(note[3] for note in noted)
    return _evidence("probes", len(calls), sum(note[1] is not None for note in noted), slow, calls)


def _of(
    kind: WindowKind,
    total: int,
    failures: int,
    slow: int,
    noted: Sequence[Noted],
    wall: float,
    spans: tuple[DecidingSpan, ...] = (),
) -> Evidence | None:
    """Return what a window of some kind held, of which only some calls are noted."""
    calls = tuple(_told(note, wall) for note in noted[-min(total, MOST_TOLD) :])
    return _evidence(kind.value, total, failures, slow, calls, spans)


def _evidence(
    rule: str,
    total: int,
    failures: int,
    slow: int,
    calls: tuple[DecidingCall, ...],
    spans: tuple[DecidingSpan, ...] = (),
) -> Evidence | None:
    """Return it, or None when nothing was weighed."""
    if not total:
        return None
    return Evidence(rule=rule, total=total, failures=failures, slow=slow, calls=calls, spans=spans)


def _in_order(marks: Sequence[tuple[bool, bool]], noted: Sequence[Noted], wall: float) -> tuple[DecidingCall, ...]:
    """Return calls of which the outcomes are known, with what is noted of those that failed or were slow."""
    left = list(noted)
    calls: list[DecidingCall] = []
    for failed, slow in reversed(marks):
        if not failed and not slow:
            calls.append(DecidingCall("success"))
        elif left:
            calls.append(_told(left.pop(), wall))
        else:
            calls.append(DecidingCall("failure" if failed else "slow"))
    return tuple(reversed(calls))


def _told(note: Noted, wall: float) -> DecidingCall:
    now, kind, seconds, slow = note
    outcome = "failure" if kind is not None else "slow" if slow else "success"
    took = None if seconds is None else round(seconds, 6)
    return DecidingCall(outcome, None if kind is None else kind[:MAX_NAME], round(now + wall, 6), took)
