"""A circuit for each key of a policy, made on demand and bounded in number."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from heapq import heappop, heappush, heapreplace
from math import inf
from typing import TYPE_CHECKING, TypeAlias, cast

from ..clock import Clock
from ..config.breaker import CircuitBreakerConfig
from ..hub import EventHub
from ..locks import new_lock
from ..snapshot import Tally, sum_tallies
from ..states import CircuitState
from .breaker import Circuit
from .classify import Classifier, classifier
from .health_probe import HealthProber

if TYPE_CHECKING:
    from .readings import CircuitFigures

Name: TypeAlias = "str | tuple[str, ...]"
"""A key as text; for circuits in levels the texts of all levels, the narrowest first."""
OVERFLOW = "(others)"
"""Key of the circuit that serves new keys while every place is taken by a circuit that may not be dropped."""

DROPPED_AT_ONCE = 256
"""Unused circuits that one new key drops at most, so that no call waits for thousands."""
LOOKED_AT = 64
"""Circuits that one new key looks at, as long as one of them may be dropped."""
STILL_COUNTING = 64
"""Dropped circuits that are kept for a while, because calls that began before may still end in them."""
LOOK_AGAIN = 1.0
"""Seconds for which nobody looks for a place after all were found taken."""


class KeyedCircuits:
    """The circuits of one policy by key.

    A new key beyond `maximum` drops the circuits that were not used for `idle` seconds, up to 256 of them, or else the
    one used longest ago among those that remember no failure. An open period that still runs, a probe that may still
    return and an operator's isolation are never dropped; while nothing else is left, new keys share one circuit.
    """

    __slots__ = (
        "_arrived", "_circuits", "_classify", "_clock", "_config", "_full_until", "_hub", "_idle", "_leaving", "_lock",
        "_made", "_maximum", "_order", "_prober", "_queue_limit", "_retired", "_retired_figures", "dropped",
    )  # fmt: skip

    def __init__(
        self,
        config: CircuitBreakerConfig,
        clock: Clock,
        hub: EventHub,
        *,
        maximum: int,
        idle: float,
        arrived: Callable[[Circuit], object] | None = None,
    ) -> None:
        self._config = config
        self._arrived = arrived
        self._clock = clock
        self._hub = hub
        self._maximum = maximum
        self._idle = idle
        self._classify = classifier(config)
        self._lock = new_lock()
        self._prober = HealthProber(clock)
        self._circuits: dict[Name, Circuit] = {}
        # When each circuit was used, as far as known; one that was used since then is put back when its turn comes.
        self._order: list[tuple[float, int, Name]] = []
        self._made = 0
        self._full_until = -inf
        self._leaving: deque[Circuit] = deque()
        self.dropped = 0
        self._retired = Tally()
        self._retired_figures: CircuitFigures | None = None
        self._queue_limit = 0.0

    @property
    def queue_limit(self) -> float:
        """Seconds that an attempt may wait in inner layers, the same for every circuit."""
        return self._queue_limit

    @queue_limit.setter
    def queue_limit(self, seconds: float) -> None:
        with self._lock:
            self._queue_limit = seconds
        for circuit in self.all():
            circuit.queue_limit = seconds

    @property
    def by_text(self) -> Mapping[str, Circuit] | None:
        """The present circuits by key; None when a key is more than a text. Whoever uses one sets its `touched`."""
        return cast("Mapping[str, Circuit]", self._circuits)

    def select(self, key: object) -> Circuit:
        """Return the circuit of `key`, made when it is new."""
        name = key if isinstance(key, str) else self._name(key)
        circuit = self._circuits.get(name)
        if circuit is None:
            circuit = self._create(name)
        circuit.touched = self._clock.monotonic()
        return circuit

    def get(self, key: str) -> Circuit | None:
        """Return the circuit of `key`, or None when it has none yet."""
        return self._circuits.get(key)

    def views(self) -> list[Circuit]:
        """Return what a snapshot of the policy shows."""
        return self.all()

    def all(self) -> list[Circuit]:
        """Return the present circuits."""
        return list(self._circuits.values())

    def reconfigure(self, config: CircuitBreakerConfig, *, maximum: int, idle: float) -> None:
        """Go on under `config` in every circuit."""
        rule = classifier(config)
        with self._lock:
            self._config = config
            self._classify = rule
            self._maximum = maximum
            self._idle = idle
        for circuit in self.all():
            circuit.reconfigure(config)

    def _name(self, key: object) -> Name:
        """Return a key that is no text as the name of its circuit."""
        return str(key)

    def _new(self, name: Name, config: CircuitBreakerConfig, rule: Classifier) -> Circuit:
        return Circuit(config, self._clock, self._hub, key=str(name)[:200], classify=rule, prober=self._prober)

    def _create(self, name: Name) -> Circuit:
        now = self._clock.monotonic()
        while True:
            with self._lock:
                config, rule = self._config, self._classify
            fresh = self._new(name, config, rule)
            fresh.touched = now
            with self._lock:
                # Else it was reconfigured meanwhile, and those who did that have not seen the new circuit.
                placed = self._place(name, fresh, now) if config is self._config else None
                gone = [self._leaving[place] for place in range(len(self._leaving) - STILL_COUNTING)]
            for circuit in gone:
                self._retire(circuit)
            if placed is not None:
                if placed is fresh:
                    self._tell(fresh)
                return placed

    def _tell(self, fresh: Circuit) -> None:
        """Tell of a circuit that is new in its place."""
        if self._arrived is not None:
            self._arrived(fresh)

    @property
    def retired(self) -> Tally:
        """What circuits have counted that were dropped."""
        with self._lock:
            retired, leaving = self._retired, list(self._leaving)
        # Outside the lock, because counts are read under the circuit's own and locks here are leaves.
        return sum_tallies((retired, *(circuit.tally() for circuit in leaving)))

    @property
    def retired_figures(self) -> CircuitFigures | None:
        """The same as figures for metrics; None when no circuit was dropped."""
        with self._lock:
            total, leaving = self._retired_figures, list(self._leaving)
        for circuit in leaving:
            total = circuit.figures() if total is None else total.plus(circuit.figures())
        return total

    def _retire(self, circuit: Circuit) -> None:
        """Keep the counts of the circuit that was dropped first, so that the policy's never fall."""
        tally, figures = circuit.tally(), circuit.figures()
        with self._lock:
            if not self._leaving or self._leaving[0] is not circuit:
                return  # another thread has done it
            self._leaving.popleft()
            self._retired = sum_tallies((self._retired, tally))
            known = self._retired_figures
            self._retired_figures = figures if known is None else known.plus(figures)

    def _place(self, name: Name, fresh: Circuit, now: float) -> Circuit | None:
        """Put a new circuit in its place and return it, or the one that is there; the lock is held.

        None when what it was made for has gone meanwhile, so that another one must be made.
        """
        present = self._circuits.get(name)
        if present is not None:
            return present
        taken = len(self._circuits) - (OVERFLOW in self._circuits)
        if taken >= self._maximum and not self._make_room(now):
            if OVERFLOW in self._circuits:
                return self._circuits[OVERFLOW]
            name, fresh.key = OVERFLOW, OVERFLOW
        elif not self._fits(name, fresh):  # asked last, because making room may take what it was made for
            return None
        else:
            self._made += 1
            heappush(self._order, (now, self._made, name))
        fresh.queue_limit = self._queue_limit
        self._circuits[name] = fresh
        return fresh

    def _fits(self, name: Name, fresh: Circuit) -> bool:
        """Tell whether a new circuit can still take its place; the lock is held."""
        return True

    def _make_room(self, now: float) -> bool:
        """Drop what is unused, or else what was used longest ago; False when everything must stay.

        Among more than `LOOKED_AT` circuits the one used longest ago is that of as many that were used long ago.
        """
        if now < self._full_until:
            return False
        order = self._order
        before = self.dropped
        looked_at = 0
        best: tuple[float, int, Name] | None = None
        staying: list[tuple[float, int, Name]] = []
        while order and self.dropped - before < DROPPED_AT_ONCE:
            used, number, name = order[0]
            circuit = self._circuits.get(name)
            if circuit is None:
                heappop(order)
            elif circuit.touched > used:
                entry = (circuit.touched, number, name)
                heapreplace(order, entry)
                if (best is None or entry < best) and self._may_be_dropped(circuit):
                    best = entry
                looked_at += 1
                if looked_at >= LOOKED_AT and best is not None:
                    break
            elif self._is_over(circuit, now):
                self._drop(heappop(order)[2])
            elif self.dropped > before:
                break
            elif self._may_be_dropped(circuit):
                best = heappop(order)
                break
            else:
                staying.append((now, number, heappop(order)[2]))
        for entry in staying:
            heappush(order, entry)
        if self.dropped == before and best is not None:
            self._drop(best[2])
        if self.dropped == before:
            self._full_until = now + LOOK_AGAIN
        return self.dropped > before

    def _drop(self, name: Name) -> None:
        """Let go of a circuit; what the order still says of it is passed over when its turn comes."""
        self._leaving.append(self._circuits.pop(name))
        self.dropped += 1

    def _may_be_dropped(self, circuit: Circuit) -> bool:
        """Tell whether nothing but counts would be lost with a circuit that is in use."""
        return circuit.may_be_dropped()

    def _is_over(self, circuit: Circuit, now: float) -> bool:
        """Tell whether a circuit is unused and time alone has ended what it was waiting for.

        It reads without the circuit's lock, because locks here are leaves; nobody uses the circuit anyway.
        """
        quiet = now - circuit.touched
        if quiet < self._idle:
            return False
        state = circuit.machine.state
        if state is CircuitState.OPEN:
            return circuit.machine.open_until <= now
        if state is CircuitState.HALF_OPEN:
            return quiet >= self._queue_limit + self._config.lease
        return state is not CircuitState.ISOLATED
