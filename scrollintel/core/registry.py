"""Policies and circuits by name: get or build, replace, remove, see all."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from .clock import SYSTEM_CLOCK, Clock
from .config.breaker import CircuitBreakerConfig
from .config.policy import Policy
from .endpoints import Endpoint, Endpoints
from .errors import NotFoundError
from .hub import DEFAULT_HUB, EventHub
from .locks import CONFIGURING
from .overrides import Content, Overrides
from .pipeline import Pipeline
from .strategies.breaker import Circuit
from .strategies.budget import Budgets
from .strategies.observer import Observer

if TYPE_CHECKING:
    from .snapshot import PolicySnapshot
    from .strategies.admission import Admission
    from .strategies.outliers import HostPool
    from .strategies.readings import CircuitFigures

MAX_CIRCUITS = 10_000
"""Circuits kept by name; beyond that, closed ones without a failure to remember are dropped, oldest first."""


class Registry:
    """The policies of one process. Circuits and budgets are shared by name.

    Attributes:
        endpoints: Addresses by name.
        overrides: What holds instead of the code's configurations; change it by `override` and `remove_override`.
        on_arrived: Called with each new circuit, shared by name or of a key, before or soon after its first call.
        on_first_call: Called once when a call comes; see `await_first_call`.
        on_removed: Called with the name of each policy or circuit that is removed.
        others: Give pipelines that belong here without being registered, the latest of each name last.
    """

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK, hub: EventHub = DEFAULT_HUB) -> None:
        self.clock = clock
        self.hub = hub
        self.budgets = Budgets()
        self.overrides = Overrides()
        self.endpoints = Endpoints()
        self.on_arrived: Callable[[Circuit], object] | None = None
        self.on_first_call: Callable[[], object] | None = None
        self.on_removed: list[Callable[[str], object]] = []
        self.others: list[Callable[[], Iterable[Pipeline]]] = []
        self._pipelines: dict[str, Pipeline] = {}
        self._circuits: dict[str, Circuit] = {}
        self._seen: dict[str, list[CircuitBreakerConfig | Policy]] = {}
        self._observing: Callable[[str], Observer | None] | None = None

    def circuit(self, config: CircuitBreakerConfig, *, on_purpose: bool = False) -> Circuit:
        """Return the circuit of that name; a known one goes on under `config` when that differs.

        Configurations that take turns under one name are warned of once, unless they do so `on_purpose`.
        """
        with CONFIGURING:
            circuit = self._circuits.get(config.name)
            if circuit is None:
                self._make_room()
                circuit = self._circuits[config.name] = Circuit(config, self.clock, self.hub)
                self.arrived(circuit)
                return circuit
            if circuit.config is not config and circuit.config != config:
                if not on_purpose and not self.overrides.concerns_circuit(config.name):
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
            elif pipeline.own != policy:
                if pipeline.own.breaker == policy.breaker:
                    self._alternates(policy.name, pipeline.own, policy)
                pipeline.replace(policy)
            return pipeline

    def detached(self, policy: Policy) -> Pipeline:
        """Return a pipeline that shares circuits and budgets but is not registered itself."""
        return Pipeline(policy, clock=self.clock, hub=self.hub, budgets=self.budgets, home=self)

    def replace(self, policy: Policy) -> tuple[str, ...]:
        """Put `policy` in force under its name and return the parts that changed; on purpose, so without a warning.

        Raises:
            NotFoundError: when no policy has that name.
        """
        with CONFIGURING:
            pipeline = self.get(policy.name)
            effective = self.in_force(policy)
            if effective.breaker is not None:
                self.circuit(effective.breaker, on_purpose=True)
            return pipeline.replace(policy)

    # ------------------------------------------------------------------ from outside the code

    def in_force(self, policy: Policy) -> Policy:
        """Return what holds when the code gives `policy`: itself, unless it is overridden."""
        return self.overrides.in_force(policy)

    def override(self, name: str, content: Content) -> None:
        """Put `content` in force in spite of the code, for the policy `name` and every user of its circuit.

        It holds for what the code registers later as well, until `remove_override`. Callables are those of the code.

        Arguments:
            name: Name of the policy; it need not be registered.
            content: Fields as `Policy.to_dict` writes them. What is left out stays as the code has it.

        Raises:
            ConfigError: with every violation; what ran before goes on then.
        """
        with CONFIGURING:
            undo = self.overrides.put(name, content)
            try:
                for pipeline in self._all():
                    self.overrides.laid_over(pipeline.own)
                self._refresh()
            except Exception:  # whatever is wrong with it, the former configuration goes on
                undo()
                self._refresh()
                raise

    def remove_override(self, name: str) -> bool:
        """Let the code's own configuration of `name` hold again; False when it was not overridden."""
        with CONFIGURING:
            found = self.overrides.remove(name)
            self._refresh()
            return found

    def arrived(self, circuit: Circuit) -> None:
        """Tell that a circuit is new."""
        if self.on_arrived is not None:
            self.on_arrived(circuit)

    def observer(self, name: str) -> Observer | None:
        """Return who watches the calls of the policy of that name, or None for nobody."""
        return None if self._observing is None else self._observing(name)

    @property
    def is_observed(self) -> bool:
        """Whether somebody watches calls."""
        return self._observing is not None

    def observe(self, choose: Callable[[str], Observer | None] | None) -> None:
        """Let others watch the calls of all policies, those that come later included.

        Arguments:
            choose: Takes the name of a policy and returns who watches it, or None for nobody; None ends all watching.
        """
        with CONFIGURING:
            self._observing = choose
            for pipeline in self._all():
                pipeline.observe(self.observer(pipeline.name))

    def await_first_call(self, begin: Callable[[], object]) -> None:
        """Call `begin` once when the next call through any pipeline of this registry comes; it must not raise."""

        def once() -> None:
            with CONFIGURING:
                if self.on_first_call is not once:
                    return
                self.on_first_call = None
            begin()

        with CONFIGURING:
            self.on_first_call = once
            for pipeline in self._all():
                pipeline.lane.await_first_call(once)

    def keyed_circuits(self, name: str) -> list[Circuit]:
        """Return the circuits of keys of the policies that use the circuit `name`."""
        found: dict[int, Circuit] = {}
        with CONFIGURING:
            for pipeline in self._all():
                keyed = pipeline.lane.parts.keyed
                breaker = pipeline.policy.breaker
                if keyed is not None and breaker is not None and breaker.name == name:
                    found.update((id(circuit), circuit) for circuit in keyed.all())
        return list(found.values())

    def all_circuits(self) -> list[Circuit]:
        """Return the circuits that are shared by name and those of keys."""
        with CONFIGURING:
            found = {id(circuit): circuit for circuit in self._circuits.values()}
            for pipeline in self._all():
                keyed = pipeline.lane.parts.keyed
                if keyed is not None:
                    found.update((id(circuit), circuit) for circuit in keyed.all())
            return list(found.values())

    def retired_figures(self) -> dict[str, CircuitFigures]:
        """Return what circuits of keys had counted that have been dropped, by the name of the circuit."""
        found: dict[int, tuple[str, CircuitFigures]] = {}
        with CONFIGURING:
            for pipeline in self._all():
                keyed, breaker = pipeline.lane.parts.keyed, pipeline.policy.breaker
                figures = None if keyed is None else keyed.retired_figures
                if figures is not None and breaker is not None:
                    found[id(keyed)] = breaker.name, figures
        sums: dict[str, CircuitFigures] = {}
        for name, figures in found.values():
            sums[name] = sums[name].plus(figures) if name in sums else figures
        return sums

    def pipelines(self) -> list[Pipeline]:
        """Return the registered pipelines."""
        with CONFIGURING:
            return list(self._pipelines.values())

    def pools(self) -> list[HostPool]:
        """Return the pools of hosts whose events go where those of this registry go, by name."""
        if "scrollintel.core.strategies.outliers" not in sys.modules:
            return []  # nobody has a pool
        from .strategies.outliers import pools

        return pools(self.hub)

    def servers(self) -> list[Admission]:
        """Return what lets requests in and has its events go where those of this registry go, by name."""
        if "scrollintel.core.strategies.admission" not in sys.modules:
            return []  # nobody serves anything
        from .strategies.admission import admissions

        return admissions(self.hub)

    # ------------------------------------------------------------------ by name

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

    def _all(self) -> list[Pipeline]:
        return [*self._pipelines.values(), *(pipeline for source in self.others for pipeline in source())]

    def _refresh(self) -> None:
        """Put in force what the overrides say now; a circuit follows the latest of its users."""
        latest: dict[str, CircuitBreakerConfig] = {}
        touched: set[str] = set()
        for pipeline in self._all():
            before, policy = pipeline.policy.breaker, self.in_force(pipeline.own)
            if policy.breaker is not None:
                latest[policy.breaker.name] = policy.breaker
                if policy.breaker != before:
                    self.circuit(policy.breaker, on_purpose=True)
                    touched.add(policy.breaker.name)
            pipeline.refresh()
        for name in touched:
            self.circuit(latest[name], on_purpose=True)

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


def endpoint(name: str, address: str | None = None) -> Endpoint:
    """Return the endpoint of that name, whose `address` follows the control plane and `Endpoint.use`.

    Arguments:
        name: Its name, such as "orders-db".
        address: What to use until somebody says otherwise, such as "db-1:5432"; None (default) for none.

    Raises:
        ConfigError: when the name or the address is not usable.
    """
    return DEFAULT_REGISTRY.endpoints.get(name, address)
