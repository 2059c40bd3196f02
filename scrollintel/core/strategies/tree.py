"""The circuits of a policy whose keys have levels, made on demand and bounded in number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from ..clock import Clock
from ..config.breaker import CircuitBreakerConfig
from ..hub import EventHub
from ..states import CircuitState
from .breaker import Circuit
from .classify import Classifier
from .hierarchy import Leaf, Level
from .keyed import OVERFLOW, KeyedCircuits, Name

GONE = -1
"""Parts of a level that has been dropped."""


class CircuitTree(KeyedCircuits):
    """Circuits by key and level, under the circuit of the policy.

    The narrowest circuits are dropped as those of plain keys; a level goes with the last circuit below it, so the last
    one stays as long as its level must.

    Attributes:
        top: The widest level, the service itself.
    """

    __slots__ = ("_labels", "_levels", "top")

    def __init__(
        self,
        config: CircuitBreakerConfig,
        clock: Clock,
        hub: EventHub,
        *,
        top: Circuit,
        labels: Sequence[str],
        maximum: int,
        idle: float,
        arrived: Callable[[Circuit], object] | None = None,
    ) -> None:
        super().__init__(config, clock, hub, maximum=maximum, idle=idle, arrived=arrived)
        self.top = Level(top)
        self._labels = tuple(labels)
        self._levels: dict[tuple[str, ...], Level] = {}

    @property
    def by_text(self) -> None:
        """None, because a key has a text for each level."""

    def select(self, key: object) -> Circuit:
        """Return the circuit of `key`, the values of all levels, made when it is new."""
        try:
            circuit = self._circuits.get(cast("Name", key))
        except TypeError:
            circuit = None
        if circuit is None:
            name = self._name(key)
            circuit = self._circuits.get(name)
            if circuit is None:
                circuit = self._create(name)
        circuit.touched = self._clock.monotonic()
        return circuit

    def get(self, key: str) -> Circuit | None:
        """Return the circuit that is shown as `key`, of whichever level, or None when there is none yet."""
        return next((circuit for circuit in self.all() if circuit.key == key), None)

    def all(self) -> list[Circuit]:
        """Return the present circuits of all levels but the widest."""
        return [*list(self._circuits.values()), *(level.circuit for level in list(self._levels.values()))]

    def views(self) -> list[Circuit]:
        """Return the circuits of all levels."""
        return [self.top.circuit, *self.all()]

    def reconfigure(self, config: CircuitBreakerConfig, *, maximum: int, idle: float) -> None:
        """Go on under `config` in every circuit and level."""
        super().reconfigure(config, maximum=maximum, idle=idle)
        for level in (self.top, *list(self._levels.values())):
            level.group.reconfigure(config)

    def _name(self, key: object) -> Name:
        values: tuple[object, ...] = key if isinstance(key, tuple) else (key,)
        return tuple([value if isinstance(value, str) else str(value) for value in values])

    def _new(self, name: Name, config: CircuitBreakerConfig, rule: Classifier) -> Leaf:
        leaf = Leaf(config, self._clock, self._hub, key=self._shown(name), classify=rule, prober=self._prober)
        leaf.stand_under([*(self._level(place, config, rule) for place in _places(name)), self.top])
        return leaf

    def _level(self, place: tuple[str, ...], config: CircuitBreakerConfig, rule: Classifier) -> Level:
        """Return the level of a place, or a new one that is not there yet."""
        level = self._levels.get(place)
        if level is None:
            circuit = Circuit(
                config, self._clock, self._hub, key=self._shown(place), classify=rule, prober=self._prober
            )
            circuit.touched = self._clock.monotonic()
            circuit.queue_limit = self._queue_limit
            level = Level(circuit)
        return level

    def _shown(self, name: Name) -> str:
        """Return a key as people see it: the widest level first."""
        labels = self._labels[-len(name) :]
        return "/".join(f"{label}={value}" for label, value in zip(reversed(labels), reversed(name), strict=False))[
            :200
        ]

    def _fits(self, name: Name, fresh: Circuit) -> bool:
        """Tell whether the levels over a new circuit are those that are in their places, or new themselves."""
        assert isinstance(fresh, Leaf)
        known = zip(_places(name), fresh.levels, strict=False)
        return all(self._levels.get(place) is (level if level.parts else None) for place, level in known)

    def _place(self, name: Name, fresh: Circuit, now: float) -> Circuit | None:
        placed = super()._place(name, fresh, now)
        if placed is fresh and isinstance(fresh, Leaf):
            if fresh.key == OVERFLOW:
                fresh.stand_under((self.top,))
            self._hang(fresh, _places(name))
        return placed

    def _hang(self, leaf: Leaf, places: Sequence[tuple[str, ...]]) -> None:
        """Count a circuit as a part of its level, and each level that is new as a part of the one over it."""
        for level, place in zip(leaf.levels, (*places, None), strict=False):
            level.parts += 1
            if level.parts > 1 or place is None or level is self.top:
                return
            self._levels[place] = level

    def _tell(self, fresh: Circuit) -> None:
        super()._tell(fresh)
        if self._arrived is not None and isinstance(fresh, Leaf):
            for level in fresh.levels:
                if level.parts == 1 and level is not self.top:
                    self._arrived(level.circuit)

    def _drop(self, name: Name) -> None:
        leaf = self._circuits[name]
        super()._drop(name)
        assert isinstance(leaf, Leaf)
        for level, place in zip(leaf.levels, (*_places(name), None), strict=False):
            level.parts -= 1
            if level.parts or place is None:
                return
            level.parts = GONE
            self._leaving.append(self._levels.pop(place).circuit)

    def _may_be_dropped(self, circuit: Circuit) -> bool:
        return super()._may_be_dropped(circuit) and all(level.circuit.may_be_dropped() for level in _last_of(circuit))

    def _is_over(self, circuit: Circuit, now: float) -> bool:
        return super()._is_over(circuit, now) and all(
            level.circuit.machine.state is not CircuitState.ISOLATED
            and (level.circuit.machine.state is not CircuitState.OPEN or level.circuit.machine.open_until <= now)
            for level in _last_of(circuit)
        )


def _places(name: Name) -> list[tuple[str, ...]]:
    """Return the places of the levels over a circuit, the narrowest first, without the widest."""
    return [tuple(name[start:]) for start in range(1, len(name))]


def _last_of(circuit: Circuit) -> list[Level]:
    """Return the levels that would go together with a circuit."""
    found: list[Level] = []
    for level in circuit.levels[:-1] if isinstance(circuit, Leaf) else ():
        if level.parts > 1:
            break
        found.append(level)
    return found
