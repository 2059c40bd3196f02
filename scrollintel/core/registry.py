"""Policies and circuits by name: get or build, replace, remove, see all."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from .clock import SYSTEM_CLOCK, Clock
from .config.breaker import CircuitBreakerConfig
from .config.policy import Policy
from .errors import NotFoundError
from .hub import DEFAULT_HUB, EventHub
from .locks import CONFIGURING
from .pipeline import Pipeline
from .strategies.breaker import Circuit
from .strategies.budget import Budgets

if TYPE_CHECKING:
    from .snapshot import PolicySnapshot

MAX_CIRCUITS = 10_000
"""Circuits kept by name; beyond that, closed ones without a failure to remember are dropped, oldest first."""


class Registry:
    """The policies of one process. Circuits and budgets are shared by name."""

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK, hub: EventHub = DEFAULT_HUB) -> None:
        self.clock = clock
        self.hub = hub
        self.budgets = Budgets()
        self.on_removed: list[Callable[[str], object]] = []
        self._pipelines: dict[str, Pipeline] = {}
        self._circuits: dict[str, Circuit] = {}
        self._seen: dict[str, list[CircuitBreakerConfig | Policy]] = {}

    def circuit(self, config: CircuitBreakerConfig, *, on_purpose: bool = False) -> Circuit:
        """Return the circuit of that name; a known one goes on under `config` when that differs.

        Configurations that take turns under one name are warned of once, unless they do so `on_purpose`.
        """
        with CONFIGURING:
            circuit = self._circuits.get(config.name)
            if circuit is None:
                self._make_room()
                circuit = self._circuits[config.name] = Circuit(config, self.clock, self.hub)
                return circuit
            if circuit.config is not config and circuit.config != config:
                if not on_purpose:
                    self._alternates(config.name, circuit.config, config)
                circuit.reconfigure(config)
            return circuit

    def pipeline(self, policy: Policy) -> Pipeline:
        """Return the pipeline of that name, built on first use; a known one goes on under `policy`."""
        with CONFIGURING:
            pipeline = self._pipelines.get(policy.name)
            if pipeline is None:
                pipeline = self.detached(policy)
                self._pipelines[policy.name] = pipeline
            elif pipeline.policy != policy:
                if pipeline.policy.breaker == policy.breaker:
                    self._alternates(policy.name, pipeline.policy, policy)
                pipeline.replace(policy)
            return pipeline

    def detached(self, policy: Policy) -> Pipeline:
        """Return a pipeline that shares circuits and budgets but is not registered itself."""
        return Pipeline(policy, clock=self.clock, hub=self.hub, budgets=self.budgets, circuits=self.circuit)

    def replace(self, policy: Policy) -> tuple[str, ...]:
        """Put `policy` in force under its name and return the parts that changed; on purpose, so without a warning.

        Raises:
            NotFoundError: when no policy has that name.
        """
        with CONFIGURING:
            pipeline = self.get(policy.name)
            if policy.breaker is not None:
                self.circuit(policy.breaker, on_purpose=True)
            return pipeline.replace(policy)

    def get(self, name: str) -> Pipeline:
        """Return a registered pipeline.

        Raises:
            NotFoundError: when no policy has that name.
        """
        pipeline = self._pipelines.get(name)
        if pipeline is None:
            raise NotFoundError("policy", name)
        return pipeline

    def find_circuit(self, name: str) -> Circuit:
        """Return a circuit by name.

        Raises:
            NotFoundError: when there is none.
        """
        circuit = self._circuits.get(name)
        if circuit is None:
            raise NotFoundError("circuit", name)
        return circuit

    def remove(self, name: str) -> None:
        """Forget a policy and its circuit; functions that it protects keep it as long as they live.

        Raises:
            NotFoundError: when neither a policy nor a circuit has that name.
        """
        with CONFIGURING:
            pipeline = self._pipelines.pop(name, None)
            circuit = self._circuits.pop(name, None)
            self._seen.pop(name, None)
        for forget in self.on_removed:
            forget(name)
        if pipeline is None and circuit is None:
            raise NotFoundError("policy", name)

    def names(self) -> list[str]:
        """Return the names of the registered policies."""
        with CONFIGURING:
            return sorted(self._pipelines)

    def circuits(self) -> list[Circuit]:
        """Return the circuits that are shared by name."""
        with CONFIGURING:
            return list(self._circuits.values())

    def snapshot(self) -> dict[str, PolicySnapshot]:
        """Return how every registered policy stands, by name."""
        with CONFIGURING:
            pipelines = list(self._pipelines.values())
        return {pipeline.name: pipeline.snapshot() for pipeline in pipelines}

    def clear(self) -> None:
        """Forget all policies and circuits, for instance between tests."""
        with CONFIGURING:
            self._pipelines.clear()
            self._circuits.clear()
            self._seen.clear()

    def _alternates(self, name: str, old: CircuitBreakerConfig | Policy, new: CircuitBreakerConfig | Policy) -> None:
        """Warn once per name when a configuration comes back that another one had replaced."""
        seen = self._seen.get(name)
        if seen is None:
            self._seen[name] = [old]
            return
        if seen and new in seen:
            self._seen[name] = []
            warnings.warn(
                f"calls under the name {name!r} alternate between different configurations; "
                "the circuit follows the latest one",
                RuntimeWarning,
                stacklevel=4,
            )
        elif seen:
            seen.append(old)
            del seen[:-8]

    def _make_room(self) -> None:
        if len(self._circuits) < MAX_CIRCUITS:
            return
        for name, circuit in list(self._circuits.items()):
            if circuit.may_be_dropped() and name not in self._pipelines:
                del self._circuits[name]
                self._seen.pop(name, None)
                return


DEFAULT_REGISTRY = Registry()
"""The registry behind `protect` and `ft_manager`."""
