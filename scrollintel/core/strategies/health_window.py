"""What happened lately: readings made from snapshots whose counts only ever grow."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from ..machines.degradation import HealthReading
from ..snapshot import CircuitSnapshot, PolicySnapshot, ResponseTimes, Tally
from ..states import CircuitState

Health = HealthReading | PolicySnapshot | CircuitSnapshot | Tally
"""What a health callable may return."""

WINDOW_LIMIT = 60.0
"""Seconds after which calls too few to be judged are forgotten: older errors say nothing about now."""

_OPEN = (CircuitState.OPEN, CircuitState.ISOLATED)


class Watched(Protocol):
    """A circuit or a policy, or anything else with a snapshot."""

    def snapshot(self) -> CircuitSnapshot | PolicySnapshot:
        """Return how it stands."""


@dataclass(frozen=True, slots=True)
class _Baseline:
    at: float
    calls: int
    failures: int
    timed: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Look:
    """What was pulled, with the numbers of its begin and its end in the order of all looks of its window."""

    health: Health
    began: int
    ended: int


class HealthWindow:
    """One place that health is pulled from, with the counts of its last judged evaluation.

    A reading rests on the calls since then. They add up over evaluations until there are enough of them to be
    judged, for 60 s at most. Not thread-safe: the owner locks around `read`, never around `look`.
    """

    __slots__ = ("_baseline", "_latest", "_numbers", "pull")

    def __init__(self, pull: Callable[[], Health]) -> None:
        self.pull = pull
        self._baseline: _Baseline | None = None
        self._numbers = itertools.count(1)
        self._latest = 0

    def look(self) -> Look:
        """Pull; raises what `pull` raises, and TypeError when it returns something else than health."""
        began = next(self._numbers)
        health = require_health(self.pull())
        return Look(health, began, next(self._numbers))

    def read_look(self, look: Look, now: float, minimum_calls: int) -> HealthReading:
        """Return what a look says.

        Counts of a look that began before the last one had ended are left to the next: they may be older, and
        taken for counts that were reset.
        """
        health = look.health
        if not isinstance(health, HealthReading) and look.began < self._latest:
            return HealthReading()
        self._latest = max(self._latest, look.ended)
        return self.read(health, now, minimum_calls)

    def read(self, health: Health, now: float, minimum_calls: int) -> HealthReading:
        """Return what `health` says about the time since the last reading; the first one only sets the start."""
        if isinstance(health, HealthReading):
            few = health.calls is not None and health.calls < minimum_calls
            return replace(health, error_rate=None, latency=None) if few else health
        if isinstance(health, Tally):
            return self._since(health, None, now, minimum_calls)
        recent = self._since(health.tally, health.response_times, now, minimum_calls)
        state, retry_after = _circuit(health)
        return replace(recent, circuit_state=state, retry_after=retry_after)

    def _since(self, tally: Tally, times: ResponseTimes | None, now: float, minimum_calls: int) -> HealthReading:
        timed = 0 if times is None else times.count
        seconds = 0.0 if times is None or times.mean is None else times.mean * times.count
        new = _Baseline(now, tally.calls, tally.failures, timed, seconds)
        old = self._baseline
        if old is None or new.calls < old.calls or new.failures < old.failures or new.timed < old.timed:
            self._baseline = new  # the first look, or the counts were reset
            return HealthReading()
        calls = new.calls - old.calls
        if calls < minimum_calls:
            if now - old.at >= WINDOW_LIMIT:
                self._baseline = new
            return HealthReading()
        self._baseline = new
        timed = new.timed - old.timed
        latency = max(0.0, (new.seconds - old.seconds) / timed) if timed else None
        rate = min(1.0, (new.failures - old.failures) / calls)
        return HealthReading(error_rate=rate, calls=calls, latency=latency)


def require_health(value: object) -> Health:
    """Return `value` when it is health; raises TypeError when a health callable returned something else."""
    if isinstance(value, Health):
        return value
    kind = type(value).__name__
    raise TypeError(f"health must be a HealthReading, PolicySnapshot, CircuitSnapshot or Tally, not {kind}")


def combine(readings: Iterable[HealthReading]) -> HealthReading:
    """Return the worst of several readings that were taken at once, field by field."""
    listed = list(readings)
    rated = max((r for r in listed if r.error_rate is not None), key=lambda r: r.error_rate or 0.0, default=None)
    latencies = [reading.latency for reading in listed if reading.latency is not None]
    state, retry_after = _worst_circuit([(r.circuit_state, r.retry_after) for r in listed])
    return HealthReading(
        error_rate=None if rated is None else rated.error_rate,
        calls=None if rated is None else rated.calls,
        latency=max(latencies, default=None),
        circuit_state=state,
        retry_after=retry_after,
    )


def _worst_circuit(
    circuits: list[tuple[CircuitState | None, float | None]],
) -> tuple[CircuitState | None, float | None]:
    opened = [(state, math.inf if wait is None else wait) for state, wait in circuits if state in _OPEN]
    if opened:
        state, wait = max(opened, key=lambda item: item[1])
        return state, None if wait == math.inf else wait
    return next(((state, None) for state, _ in circuits if state is not None), (None, None))


def _circuit(health: PolicySnapshot | CircuitSnapshot) -> tuple[CircuitState | None, float | None]:
    """Return state and time to the next probe; a policy with a circuit per key is open when all of them are.

    One bad shard is a matter of its own circuit and of the error rate, not of the whole service.
    """
    if isinstance(health, CircuitSnapshot) or health.state is not None or not health.circuits:
        return health.state, health.retry_after
    if all(circuit.state in _OPEN for circuit in health.circuits):
        soonest = min(health.circuits, key=lambda c: math.inf if c.retry_after is None else c.retry_after)
        return soonest.state, soonest.retry_after
    return CircuitState.CLOSED, None
