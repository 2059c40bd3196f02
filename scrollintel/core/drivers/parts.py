"""The strategies of one policy at run time, carried over from one revision to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..clock import Clock
from ..config.breaker import BreakerMode, CircuitBreakerConfig
from ..config.policy import Policy
from ..hub import EventHub
from ..levels import Levels
from ..strategies.breaker import Circuit
from ..strategies.budget import Budgets
from ..strategies.bulkhead import Bulkhead
from ..strategies.fallback import FallbackRule
from ..strategies.hedge import HedgeRule
from ..strategies.meter import SharedCounter
from ..strategies.rate_limit import RateLimit
from ..strategies.retry import RetryRule

if TYPE_CHECKING:
    from ..strategies.keyed import KeyedCircuits
    from ..strategies.limit import AdaptiveLimit
    from ..strategies.metastability import Metastability
    from ..strategies.throttle import Throttle

_NEVER_OPENS = 2**62


class Parts:
    """Strategies of one policy; a part whose configuration stays is carried over to the next revision."""

    __slots__ = (
        "abandoned", "arrived", "bulkhead", "circuit", "clock", "fallback", "hedge", "hub", "keyed", "limit",
        "metastability", "policy", "rate_limit", "retry", "throttle",
    )  # fmt: skip

    def __init__(
        self,
        policy: Policy,
        clock: Clock,
        hub: EventHub,
        budgets: Budgets,
        *,
        circuit: Circuit | None = None,
        before: Parts | None = None,
        arrived: Callable[[Circuit], object] | None = None,
    ) -> None:
        self.policy = policy
        self.arrived = arrived
        self.clock = clock
        self.hub = hub
        self.abandoned: SharedCounter = SharedCounter() if before is None else before.abandoned
        self.retry = self._retry(budgets, before)
        self.hedge = self._hedge(budgets, before)
        self.bulkhead = self._bulkhead(before)
        self.rate_limit = self._rate_limit(before)
        self.limit = self._limit(before)
        self.throttle = self._throttle(before)
        self.fallback = self._fallback(before)
        self.metastability = self._metastability(before)
        self.circuit, self.keyed = self._circuits(circuit, before)

    def _retry(self, budgets: Budgets, before: Parts | None) -> RetryRule | None:
        config = self.policy.retry
        old = None if before is None else before.retry
        if config is None:
            return None
        layers = self.policy.layers
        guarded = self.policy.breaker is not None and layers.index("retry") < layers.index("breaker")
        budget = budgets.get(config.budget, None if old is None else old.budget)
        return RetryRule(
            self.policy.name,
            config,
            self.clock,
            self.hub,
            budget=budget,
            retries=None if old is None else old.retries,
            given_up=None if old is None else old.given_up,
            guarded=guarded,
        )

    def _hedge(self, budgets: Budgets, before: Parts | None) -> HedgeRule | None:
        config = self.policy.hedge
        old = None if before is None else before.hedge
        if config is None:
            return None
        budget = budgets.get(config.budget, None if old is None else old.budget)
        bad = None if self.policy.breaker is None else self.policy.breaker.result_predicate
        hedges = None if old is None else old.hedges
        deposits = self.retry is None or self.retry.budget is not budget  # else the retry counts for both
        return HedgeRule(
            self.policy.name, config, self.clock, self.hub, budget=budget, bad=bad, hedges=hedges, deposits=deposits
        )

    def _bulkhead(self, before: Parts | None) -> Bulkhead | None:
        config: Any = self.policy.bulkhead
        if config is None:
            return None
        if before is not None and before.bulkhead is not None:
            if before.bulkhead.config != config:
                before.bulkhead.reconfigure(config)
            return before.bulkhead
        return Bulkhead(self.policy.name, config, self.clock, self.hub)

    def _rate_limit(self, before: Parts | None) -> RateLimit | None:
        config = self.policy.rate_limit
        if config is None:
            return None
        if before is not None and before.rate_limit is not None:
            if before.rate_limit.config != config:
                before.rate_limit.reconfigure(config)
            return before.rate_limit
        return RateLimit(self.policy.name, config, self.clock, self.hub)

    def _limit(self, before: Parts | None) -> AdaptiveLimit | None:
        policy = self.policy
        config = policy.limit
        if config is None:
            return None
        options: dict[str, Any] = {  # Any: keyword arguments of mixed types
            "keyed": policy.key is not None,
            "maximum": policy.max_keys,
            "idle": policy.key_idle,
            "bad": None if policy.breaker is None else policy.breaker.result_predicate,
        }
        if before is not None and before.limit is not None:
            before.limit.reconfigure(config, **options)
            return before.limit
        from ..strategies.limit import AdaptiveLimit

        return AdaptiveLimit(policy.name, config, self.clock, self.hub, **options)

    def _throttle(self, before: Parts | None) -> Throttle | None:
        policy = self.policy
        config = policy.throttle
        if config is None:
            return None
        if before is not None and before.throttle is not None:
            before.throttle.reconfigure(config, policy.breaker)
            return before.throttle
        from ..strategies.throttle import Throttle

        return Throttle(policy.name, config, self.clock, self.hub, breaker=policy.breaker)

    def _fallback(self, before: Parts | None) -> FallbackRule:
        config: Any = self.policy.fallback
        if before is not None and before.fallback.config == config:
            return before.fallback
        return FallbackRule(
            self.policy.name, config, self.clock, self.hub, before=None if before is None else before.fallback
        )

    def _metastability(self, before: Parts | None) -> Metastability | None:
        config = self.policy.metastability
        if config is None:
            return None
        breaker = self.policy.breaker
        old = None if before is None else before.metastability
        if old is not None and before is not None:
            if old.config != config or before.policy.breaker != breaker:
                old.reconfigure(config, breaker)
            return old
        from ..strategies.metastability import Metastability

        return Metastability(self.policy.name, config, self.clock, self.hub, breaker=breaker)

    def _circuits(self, given: Circuit | None, before: Parts | None) -> tuple[Circuit, KeyedCircuits | None]:
        policy = self.policy
        config = policy.breaker
        if config is None:
            # Without a breaker a circuit that never opens keeps the counts.
            config = CircuitBreakerConfig(
                policy.name, failure_threshold=_NEVER_OPENS, timeout=None, mode=BreakerMode.METRICS_ONLY
            )
        if given is not None:
            circuit = given
        elif before is not None and (before.policy.breaker is None) == (policy.breaker is None):
            circuit = before.circuit
            if circuit.config != config:
                circuit.reconfigure(config)
        else:
            circuit = Circuit(config, self.clock, self.hub)
        waits = (policy.bulkhead, policy.rate_limit)
        longest = sum(_longest_wait(part, config.lease) for part in waits if part is not None)
        if policy.limit is not None:
            wait = policy.limit.longest_wait
            longest += config.lease if wait is None else wait
        # A circuit may be shared with policies that have no queues; the longest wait bounds them all.
        circuit.queue_limit = max(circuit.queue_limit, longest)
        if policy.key is None:
            return circuit, None
        keyed = None if before is None else before.keyed
        if keyed is not None and before is not None and _same_levels(policy, before.policy, circuit, before.circuit):
            keyed.reconfigure(config, maximum=policy.max_keys, idle=policy.key_idle)
        else:
            keyed = self._keyed(config, circuit)
        keyed.queue_limit = longest
        return circuit, keyed

    def _keyed(self, config: CircuitBreakerConfig, circuit: Circuit) -> KeyedCircuits:
        policy = self.policy
        options: Any = {"maximum": policy.max_keys, "idle": policy.key_idle, "arrived": self.arrived}
        if isinstance(policy.key, Levels):
            from ..strategies.tree import CircuitTree

            return CircuitTree(config, self.clock, self.hub, top=circuit, labels=policy.key.labels, **options)
        from ..strategies.keyed import KeyedCircuits

        return KeyedCircuits(config, self.clock, self.hub, **options)

    def choose(self, args: tuple[Any, ...], kwargs: Any) -> Circuit:
        """Return the circuit for a call's arguments."""
        if self.keyed is None or self.policy.key is None:
            return self.circuit
        return self.keyed.select(self.policy.key(*args, **kwargs))


def _same_levels(policy: Policy, old: Policy, circuit: Circuit, before: Circuit) -> bool:
    """Tell whether the circuits of the keys of a policy can stay under another one."""
    labels = policy.key.labels if isinstance(policy.key, Levels) else ()
    former = old.key.labels if isinstance(old.key, Levels) else ()
    return labels == former and (not labels or circuit is before)


def _longest_wait(config: Any, otherwise: float) -> float:
    """Return the seconds that an inner queue may hold an attempt."""
    wait: float | None = config.max_wait
    if wait is not None:
        return wait
    return otherwise if config.max_waiting else 0.0
