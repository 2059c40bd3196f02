"""A circuit for each key of a policy, made on demand and bounded in number."""

from __future__ import annotations

from collections.abc import Callable

from ..clock import Clock
from ..config.breaker import CircuitBreakerConfig
from ..hub import EventHub
from ..locks import new_lock
from ..snapshot import Tally, sum_tallies
from ..states import CircuitState
from .breaker import Circuit
from .classify import classifier
from .meter import CircuitFigures

OVERFLOW = "(others)"
"""Key of the circuit that serves new keys while every place is taken by a circuit that may not be dropped."""


class KeyedCircuits:
    """The circuits of one policy by key.

    A new key beyond `maximum` drops every circuit that was not used for `idle` seconds, or else the one used longest
    ago among those that remember no failure. An open period that still runs, a probe that may still return and an
    operator's isolation are never dropped; while nothing else is left, new keys share one circuit.
    """

    __slots__ = (
        "_arrived", "_circuits", "_classify", "_clock", "_config", "_hub", "_idle", "_leaving", "_lock", "_maximum",
        "_queue_limit", "dropped", "retired", "retired_figures",
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
        self._circuits: dict[str, Circuit] = {}
        self._leaving: list[Circuit] = []
        self.dropped = 0
        self.retired = Tally()
        self.retired_figures: CircuitFigures | None = None
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

    def select(self, key: object) -> Circuit:
        """Return the circuit of `key`, made when it is new."""
        name = key if isinstance(key, str) else str(key)
        circuit = self._circuits.get(name)
        if circuit is None:
            circuit = self._create(name)
        circuit.touched = self._clock.monotonic()
        return circuit

    def get(self, key: str) -> Circuit | None:
        """Return the circuit of `key`, or None when it has none yet."""
        return self._circuits.get(key)

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

    def _create(self, name: str) -> Circuit:
        now = self._clock.monotonic()
        while True:
            with self._lock:
                config, rule = self._config, self._classify
            fresh = Circuit(config, self._clock, self._hub, key=name[:200], classify=rule)
            fresh.touched = now
            with self._lock:
                # Else it was reconfigured meanwhile, and those who did that have not seen the new circuit.
                placed = self._place(name, fresh, now) if config is self._config else None
                leaving, self._leaving = self._leaving, []
            # Outside the lock, because counts are read under the circuit's own and locks here are leaves.
            for circuit in leaving:
                self._retire(circuit)
            if placed is not None:
                if placed is fresh and self._arrived is not None:
                    self._arrived(fresh)
                return placed

    def _retire(self, circuit: Circuit) -> None:
        """Keep the counts of a circuit that was dropped, so that the policy's never fall."""
        tally, figures = circuit.tally(), circuit.figures()
        with self._lock:
            self.retired = sum_tallies((self.retired, tally))
            known = self.retired_figures
            self.retired_figures = figures if known is None else known.plus(figures)

    def _place(self, name: str, fresh: Circuit, now: float) -> Circuit:
        """Put a new circuit in its place and return it, or the one that is there; the lock is held."""
        present = self._circuits.get(name)
        if present is not None:
            return present
        taken = len(self._circuits) - (OVERFLOW in self._circuits)
        if taken >= self._maximum and not self._drop_idle(now):
            name = OVERFLOW
            if name in self._circuits:
                return self._circuits[name]
            fresh.key = OVERFLOW
        fresh.queue_limit = self._queue_limit
        self._circuits[name] = fresh
        return fresh

    def _drop_idle(self, now: float) -> bool:
        circuits = [(name, circuit) for name, circuit in self._circuits.items() if name != OVERFLOW]
        unused = [name for name, circuit in circuits if self._is_over(circuit, now)]
        if not unused:
            calm = [(circuit.touched, name) for name, circuit in circuits if circuit.may_be_dropped()]
            if not calm:
                return False
            unused = [min(calm)[1]]
        self._leaving.extend(self._circuits.pop(name) for name in unused)
        self.dropped += len(unused)
        return True

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
