"""A policy's parts at run time, in their order: what both drivers compile their chains from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

from ..call import Call, inherited_deadline
from ..clock import Clock
from ..config.breaker import BreakerMode, CircuitBreakerConfig
from ..config.order import DEFAULT_ORDER
from ..config.policy import Policy
from ..hub import EventHub
from ..interventions import INTERVENTIONS
from ..levels import Levels
from ..outcome import Verdict
from ..strategies.breaker import Circuit
from ..strategies.budget import Budget, Budgets
from ..strategies.bulkhead import Bulkhead
from ..strategies.fallback import FallbackRule
from ..strategies.hedge import HedgeRule
from ..strategies.meter import SharedCounter
from ..strategies.observer import Observer
from ..strategies.rate_limit import RateLimit
from ..strategies.retry import RetryRule

if TYPE_CHECKING:
    from ..strategies.keyed import KeyedCircuits
    from ..strategies.limit import AdaptiveLimit
    from ..strategies.metastability import Metastability
    from ..strategies.throttle import Throttle

Link = Callable[[Call], Any]
_NEVER_OPENS = 2**62
_SUCCESS, _FAILURE = Verdict.SUCCESS, Verdict.FAILURE


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


class NeverCalm:
    """Stands for the circuit where every call needs the chain."""

    __slots__ = ()
    calm_era = -1


NEVER_CALM = NeverCalm()


class FirstCall:
    """Stands for the circuit until the first call comes, which it tells; then the circuit takes its place.

    So a process can do something at its first protected call, and no later call pays for that.
    """

    __slots__ = ("_begin", "_circuit", "_lane")

    def __init__(self, lane: Lane, begin: Callable[[], object]) -> None:
        self._lane = lane
        self._circuit = lane.fast
        self._begin = begin

    @property
    def calm_era(self) -> int:
        """Tell that a call comes, and send it the long way."""
        self.begin()
        return -1

    def begin(self) -> None:
        """Tell that a call comes."""
        self._lane.show(self._circuit)
        self._begin()

    def refuse_if_open(self) -> None:
        """Raise CircuitOpenError when that is all that could come of the call."""
        if isinstance(self._circuit, Circuit):
            self._circuit.refuse_if_open()


class Lane:
    """One revision of a policy, compiled: what a call reads once at its start and keeps to its end.

    Attributes:
        fast: The circuit when a calm one needs no chain, because there is nothing but breaker, retry, fallback
            and attempt timeout in the default order; otherwise one that is never calm.
        bare: True when nothing but the circuit decides, so that its refusal is the call's.
        shape: What a call of the lane does beside the operation: nothing ("plain"), read the clock ("clocked"), set a
            deadline as well ("limited"), or anything ("fast").
        plain, clocked, limited: `fast` under the name of the shape, never calm under the others: functions that were
            compiled for one shape look there.
        governed: Whether a calm call has to do with an adaptive limit, a throttle or a retry budget.
        slots, throttle, budget: Those, or None; a call asks each whether there is anything to decide.
        purses: The budget as what pays for the layers inside, or None.
        timed: Whether the clock is read for each call.
        limit: Seconds for one attempt, or None.
        attention: Seconds from which a success is more than a number: too slow, or too late.
        judges: Whether returned values are looked at.
        recovers: Whether a failed attempt may still be answered, by a retry or a fallback.
        observer: Watches every call, all of which take the chain then; None for nobody.
        run, arun: The chains of the two drivers, compiled on first use.
    """

    __slots__ = (
        "arun", "attention", "bare", "budget", "circuit", "clock", "clocked", "fast", "governed", "in_thread", "judges",
        "keyed", "limit", "limited", "measures", "name", "observer", "order", "parts", "plain", "policy", "purses",
        "recovers", "run", "shape", "slots", "throttle", "timed", "total",
    )  # fmt: skip

    def __init__(self, parts: Parts, observer: Observer | None = None) -> None:
        policy = parts.policy
        limits = policy.limits
        breaker = policy.breaker
        fallback: Any = policy.fallback
        self.parts = parts
        self.observer = observer
        self.policy = policy
        self.name = policy.name
        self.clock = parts.clock.monotonic
        self.circuit = parts.circuit
        self.keyed = parts.keyed is not None
        self.order = policy.layers
        self.limit = limits.attempt
        self.total = limits.total
        self.in_thread = limits.in_thread
        self.recovers = policy.retry is not None or policy.fallback is not None
        self.measures = policy.measures
        if not self.measures:
            self.circuit.count_plainly()
        slow = breaker is not None and breaker.slow_call_duration is not None
        window = parts.circuit.machine.window is not None
        self.budget = None if parts.retry is None else parts.retry.budget
        self.purses: tuple[Budget, ...] | None = None
        if self.budget is not None and parts.retry is not None and parts.retry.spans:
            self.purses = (self.budget,)
        self.throttle = parts.throttle
        self.slots = None if parts.limit is None else parts.limit.slots
        self.governed = not (self.budget is None and self.throttle is None and self.slots is None)
        self.timed = self.measures or self.limit is not None or window or slow or self.governed
        self.attention = min(
            inf if breaker is None or breaker.slow_call_duration is None else breaker.slow_call_duration,
            inf if self.limit is None else self.limit,
        )
        self.judges = (
            (breaker is not None and breaker.result_predicate is not None)
            or (policy.retry is not None and policy.retry.result_predicate is not None)
            or (fallback is not None and (fallback.result_predicate is not None or fallback.when is not None))
        )
        direct = (
            observer is None
            and self.order == DEFAULT_ORDER
            and not self.keyed
            and not self.judges
            and policy.hedge is None
            and policy.bulkhead is None
            and policy.rate_limit is None
            and (parts.limit is None or self.slots is not None)
            and policy.metastability is None
            and self.total is None
            and not self.in_thread
            and not parts.fallback.keeps
            and parts.fallback.shadows is None
        )
        if self.limit is not None or self.total is not None:
            INTERVENTIONS.expect_deadlines()
        own = "limited" if self.limit is not None else "clocked" if self.timed else "plain"
        self.shape = "fast" if self.governed else own
        self.fast: Circuit | NeverCalm | FirstCall
        self.plain = self.clocked = self.limited = NEVER_CALM
        self.show(parts.circuit if direct else NEVER_CALM)
        self.bare = direct and not self.recovers and not self.governed
        self.run: Link | None = None
        self.arun: Callable[[Call], Any] | None = None

    def await_first_call(self, begin: Callable[[], object]) -> None:
        """Call `begin` when the next call comes, once; it must not raise."""
        if not isinstance(self.fast, FirstCall):
            self.show(FirstCall(self, begin))

    def show(self, circuit: Circuit | NeverCalm | FirstCall) -> None:
        """Put `circuit` where calls look for it."""
        self.fast = circuit
        setattr(self, self.shape, circuit)


def finish(lane: Lane, era: int, elapsed: float | None, attempt: int) -> None:
    """Count a success that is more than a number: slow, too late, or of a circuit that is no longer calm."""
    limit = lane.limit
    late = limit is not None and elapsed is not None and elapsed >= limit
    verdict = _FAILURE if late else _SUCCESS
    lane.circuit.settle(era, verdict, lane.clock(), elapsed, None, timed_out=late, measured=lane.measures)
    if late and limit is not None:
        lane.circuit.tell_timeout(limit, attempt)


def compose(lane: Lane, links: Mapping[str, Callable[..., Any]]) -> Any:
    """Return the chain of a policy's links, from the outermost to the operation, made of one driver's `links`."""
    parts = lane.parts
    observer = lane.observer
    link = links["attempt"](lane)
    if observer is not None:
        link = links["gate"](observer.attempts, parts.clock, link)
    for layer in reversed(lane.order):
        if layer == "bulkhead" and parts.bulkhead is not None:
            link = links["gate"](parts.bulkhead, parts.clock, link)
        elif layer == "rate_limit" and parts.rate_limit is not None:
            link = links["gate"](parts.rate_limit, parts.clock, link)
        elif layer == "limit" and parts.limit is not None:
            link = links["gate"](parts.limit, parts.clock, link)
        elif layer == "throttle" and parts.throttle is not None:
            link = links["gate"](parts.throttle, parts.clock, link)
        elif layer == "breaker":
            link = links["breaker"](link)
        elif layer == "hedge" and parts.hedge is not None:
            if parts.hedge.spans:
                link = links["scope"](parts.hedge.budget, link)
            link = links["hedge"](parts.hedge, parts.clock, link)
        elif layer == "retry" and parts.retry is not None:
            if parts.retry.spans:
                link = links["scope"](parts.retry.budget, link)
            link = links["retry"](parts.retry, parts.clock, link)
        elif layer == "fallback":
            if parts.metastability is not None:
                link = links["gate"](parts.metastability, parts.clock, link)
            link = links["fallback"](parts.fallback, parts.clock, link)
    return link if observer is None else links["gate"](observer.calls, parts.clock, link)


class Holder(Protocol):
    """What carries the lane in force: a pipeline. A call reads it once and keeps to it."""

    lane: Lane


def prepare(
    lane: Lane, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], fallback: Any, started: float
) -> Call:
    """Return a call that is ready for a chain: with its circuit and its deadline."""
    call = Call(lane.name, fn, args, kwargs, started)
    call.fallback = fallback
    call.circuit = lane.parts.choose(args, kwargs)
    deadline = inherited_deadline(lane.parts.clock, started)
    if lane.total is not None:
        own = started + lane.total
        deadline = own if deadline is None or own < deadline else deadline
    call.deadline = deadline
    if not lane.measures:
        call.measured = False
    if INTERVENTIONS.injectors:
        call.fn = INTERVENTIONS.inject(lane.name, fn)
    return call
