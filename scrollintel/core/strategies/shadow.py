"""Fallbacks that run beside calls now and then, so that it is known whether they would work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

from ..call import DEADLINE, Call
from ..chance import chance
from ..clock import Clock
from ..config.fallback import FallbackConfig, may_shadow
from ..context import REQUEST, Criticality
from ..hub import EventHub
from ..interventions import INTERVENTIONS
from ..locks import new_lock, renew_after_fork
from ..machines.warmth import WarmthMachine
from ..outcome import Outcome
from ..retry_scope import RETRIES

if TYPE_CHECKING:
    from ..snapshot import FallbackSnapshot

F = TypeVar("F", bound=Callable[..., Any])
_PATIENCE = 0.05
"""Share of `cold_after` that passes before an overdue fallback is looked at again that could not run."""


class Shadowed:
    """One fallback that may run beside calls."""

    __slots__ = ("fallback", "index", "kind", "machine")

    def __init__(self, index: int, kind: str, fallback: Callable[..., Any], machine: WarmthMachine) -> None:
        self.index = index
        self.kind = kind
        self.fallback = fallback
        self.machine = machine


class Flight:
    """One shadow run: the fallback, its end, and what its fallback is told of the call."""

    __slots__ = ("counted", "expires", "outcome", "shadowed", "value")

    def __init__(self, shadowed: Shadowed, expires: float, outcome: Outcome, value: object) -> None:
        self.shadowed = shadowed
        self.expires = expires
        self.outcome = outcome
        self.value = value
        self.counted = False


class Shadows:
    """The shadow runs of one policy's fallbacks: at most `shadow_limit` at once, each within `shadow_timeout`.

    Arguments:
        chain: The fallbacks with their names, in order; those not marked `shadowable` never run here.
        before: What it takes the place of; what is known of fallbacks that stay is kept.
        source: Gives random numbers from 0 up to but not including 1.
    """

    __slots__ = (
        "__weakref__", "_due", "_flights", "_hub", "_lock", "_name", "_random", "clock", "config", "skipped", "tried",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        config: FallbackConfig,
        clock: Clock,
        hub: EventHub,
        chain: Sequence[tuple[str, Callable[..., Any]]],
        *,
        before: Shadows | None = None,
        source: Callable[[], float] = chance,
    ) -> None:
        self._name = name
        self.config = config
        self.clock = clock
        self._hub = hub
        self._random = source
        self._lock = new_lock()
        self.skipped = 0
        self._flights: set[Flight] = set()
        now = clock.monotonic()
        known = {} if before is None else {id(one.fallback): one.machine for one in before.tried}
        self.tried: list[Shadowed] = []
        for index, (kind, fallback) in enumerate(chain):
            if may_shadow(fallback):
                machine = known.get(id(fallback)) or WarmthMachine(config.cold_after, now)
                machine.cold_after = config.cold_after
                self.tried.append(Shadowed(index, kind, fallback, machine))
        self._due = self._next_due()
        INTERVENTIONS.expect_deadlines()
        renew_after_fork(self)

    # ------------------------------------------------------------------ runs

    def flight(self, call: Call, value: object) -> Flight | None:
        """Return a run that is to begin beside a call that got `value`, or None, which is nearly always so."""
        now = self.clock.monotonic()
        drawn = self._random() < self.config.shadow_rate
        if not drawn and now < self._due:
            return None
        with self._lock:
            self._expire(now)
            changed = self._turned(now)
            flight = None
            if len(self._flights) >= self.config.shadow_limit:
                self.skipped += drawn
                self._due = max(self._due, now + _PATIENCE * self.config.cold_after)
            else:
                chosen = min(self.tried, key=lambda one: one.machine.next_due)
                chosen.machine.begin(now)
                flight = Flight(chosen, now + self.config.shadow_timeout, call.outcome(now, None, value), value)
                self._flights.add(flight)
                self._due = self._next_due()
        self._tell(changed)
        return flight

    def end(self, flight: Flight, *, worked: bool, result: object = None) -> None:
        """Count the end of a run; one that took longer than it may has not worked."""
        agreed = self._compare(flight.value, result) if worked else None
        now = self.clock.monotonic()
        with self._lock:
            self._flights.discard(flight)
            changed: list[Shadowed] = []
            if not flight.counted:
                late = now > flight.expires
                flight.shadowed.machine.end(now, worked=worked, late=late, agreed=None if late else agreed)
                changed = self._turned(now)
            self._due = self._next_due()
        self._tell(changed)

    def overdue(self, flight: Flight, *, over: bool) -> None:
        """Count a run that took too long; unless it is `over`, it keeps its place until `cancel`."""
        now = self.clock.monotonic()
        with self._lock:
            if not flight.counted:
                flight.counted = True
                flight.shadowed.machine.end(now, worked=False, late=True)
            if over:
                self._flights.discard(flight)
            changed = self._turned(now)
        self._tell(changed)

    def cancel(self, flight: Flight) -> None:
        """Forget a run that did not begin, or was ended from outside."""
        with self._lock:
            self._flights.discard(flight)
            if not flight.counted:
                flight.shadowed.machine.cancel()

    def ran(self, index: int, kind: str, *, worked: bool) -> None:
        """Note that a fallback of the chain ran for a real call."""
        now = self.clock.monotonic()
        with self._lock:
            for one in self.tried:
                if one.index == index and one.kind == kind:
                    one.machine.ran(now, worked=worked)
            changed = self._turned(now)
        self._tell(changed)

    def enter_context(self, flight: Flight) -> None:
        """Prepare the context of a run, a copy of the call's: a deadline of its own, and the first to be shed."""
        DEADLINE.set([flight.expires, self.clock])
        RETRIES.set(None)
        REQUEST.set(_sheddable())

    def after_fork_in_child(self) -> None:
        """Forget the runs of the parent, which do not end here."""
        for flight in self._flights:
            if not flight.counted:
                flight.shadowed.machine.cancel()
        self._flights.clear()

    # ------------------------------------------------------------------ views

    def snapshots(self) -> tuple[FallbackSnapshot, ...]:
        """Return what is known of each fallback that may run beside calls."""
        from ..snapshot import FallbackSnapshot

        now, wall = self.clock.monotonic(), self.clock.time()
        with self._lock:
            self._expire(now)
            changed = self._turned(now)
            found = tuple(
                FallbackSnapshot(
                    index=one.index,
                    kind=one.kind,
                    runs=(machine := one.machine).runs,
                    worked=machine.worked,
                    failed=machine.failed,
                    late=machine.late,
                    compared=machine.compared,
                    agreed=machine.agreed,
                    last_worked=None if machine.last_worked is None else wall - (now - machine.last_worked),
                    cold=machine.cold,
                    reason=machine.reason(now) if machine.cold else "",
                )
                for one in self.tried
            )
        self._tell(changed)
        return found

    # ------------------------------------------------------------------ inside

    def _next_due(self) -> float:
        return min((one.machine.next_due for one in self.tried), default=inf)

    def _expire(self, now: float) -> None:
        """Count runs that are late; a thread that hangs keeps its place all the same. The lock is held."""
        for flight in self._flights:
            if not flight.counted and now > flight.expires:
                flight.counted = True
                flight.shadowed.machine.end(now, worked=False, late=True)

    def _turned(self, now: float) -> list[Shadowed]:
        return [one for one in self.tried if one.machine.turn(now)]

    def _compare(self, value: object, result: object) -> bool | None:
        compare = self.config.shadow_compare
        if compare is None:
            return None
        try:
            return bool(compare(value, result))
        except Exception:  # the run has worked, whatever the hook does
            return None

    def _tell(self, changed: Sequence[Shadowed]) -> None:
        if not changed or not self._hub.watched:
            return
        from ..events import FallbackCold, FallbackWarm

        at, now = self.clock.time(), self.clock.monotonic()
        for one in changed:
            if one.machine.cold:
                reason = one.machine.reason(now)
                self._hub.emit(FallbackCold(policy=self._name, at=at, index=one.index, kind=one.kind, reason=reason))
            else:
                self._hub.emit(FallbackWarm(policy=self._name, at=at, index=one.index, kind=one.kind))


def _sheddable() -> Any:
    from dataclasses import replace

    return replace(REQUEST.get(), criticality=Criticality.SHEDDABLE)
