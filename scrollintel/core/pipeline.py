"""A policy at work: the ordered links around an operation, in every form in which they can be used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Protocol, TypeVar, overload

from .clock import SYSTEM_CLOCK, Clock
from .config.breaker import CircuitBreakerConfig
from .config.policy import Policy
from .drivers.direct import asynchronous_invoke, invoke
from .drivers.parts import Parts
from .drivers.plan import FirstCall, Lane
from .errors import ConfigError, Violation
from .guard import Attempts, Guard
from .hub import DEFAULT_HUB, EventHub
from .locks import CONFIGURING
from .machines.sketch import LatencySketch
from .strategies.breaker import Circuit
from .strategies.budget import Budgets
from .strategies.observer import Observer
from .wrapping import wrap

if TYPE_CHECKING:
    from .builder import PipelineBuilder
    from .explaining.account import Explanation
    from .snapshot import CircuitSnapshot, PolicySnapshot, Tally

P = ParamSpec("P")
R = TypeVar("R")
CircuitSource = Callable[[CircuitBreakerConfig], Circuit]


class Home(Protocol):
    """What a registry does for its pipelines."""

    on_first_call: Callable[[], object] | None

    def circuit(self, config: CircuitBreakerConfig) -> Circuit:
        """Return the circuit of that name."""

    def in_force(self, policy: Policy) -> Policy:
        """Return what holds instead of the policy that code gave."""

    def arrived(self, circuit: Circuit) -> object:
        """Hear of a new circuit."""

    def observer(self, name: str) -> Observer | None:
        """Return who watches the calls of the policy of that name."""


class PolicyFigures(NamedTuple):
    """The figures of a policy beside those of its circuits, cheap enough to be read each second.

    `running` and `waiting` are those of the bulkhead, `permits` those of the rate limit, `budget` the tokens of the
    retry budget; None where the policy has no such part. `rejections` are those of bulkhead, rate limit, adaptive limit
    and throttle, `given_up` the calls whose retries ended without success. `slots`, `capacity` and `reserve` are what
    bulkhead, rate limit and budget hold at most. `limit`, `limit_running` and `limit_waiting` are those of the adaptive
    limit, of all keys together; `throttled` is the share of ordinary attempts that the throttle refuses. The last two
    split `rejections`.
    """

    name: str
    revision: int
    running: int | None
    waiting: int | None
    permits: float | None
    budget: float | None
    retries: int
    hedges: int
    fallbacks: int
    abandoned_threads: int
    rejections: int
    given_up: int
    slots: int | None = None
    capacity: float | None = None
    reserve: float | None = None
    limit: int | None = None
    limit_running: int | None = None
    limit_waiting: int | None = None
    throttled: float | None = None
    limit_rejections: int = 0
    throttle_rejections: int = 0


def _refused(parts: Parts) -> int:
    """Return how many attempts and calls the layers beside the circuits refused."""
    layers = (parts.metastability, parts.throttle, parts.rate_limit, parts.bulkhead, parts.limit)
    return sum(layer.rejections for layer in layers if layer is not None)


class Pipeline:
    """One policy, ready to protect any number of operations at once.

    It is a decorator, and offers the same protection to a single call (`call`, `acall`), to a block (`guard`)
    and to a loop (`attempts`).

    Arguments:
        policy: The configuration.
        clock: Where time comes from; the system's by default.
        hub: Where events go; the shared one by default.
        budgets: Named budgets to share with other pipelines; its own by default.
        circuits: Gives the circuit for a breaker configuration, to share circuits by name; its own by default.
        home: The registry that it belongs to, which then gives the circuits; none by default.

    Attributes:
        own: The configuration that code gave; a registry may put another one in force.
        revision: Counts the configurations in force, from 1.
    """

    __slots__ = ("__weakref__", "_budgets", "_circuits", "_clock", "_home", "_hub", "lane", "own", "revision")

    def __init__(
        self,
        policy: Policy,
        *,
        clock: Clock = SYSTEM_CLOCK,
        hub: EventHub = DEFAULT_HUB,
        budgets: Budgets | None = None,
        circuits: CircuitSource | None = None,
        home: Home | None = None,
    ) -> None:
        _check_policy(policy)
        self._clock = clock
        self._hub = hub
        self._budgets = Budgets() if budgets is None else budgets
        self._circuits = circuits if home is None else home.circuit
        self._home = home
        self.revision = 1
        self.own = policy
        self.lane = self._compile(self._in_force(policy), None)

    def __repr__(self) -> str:
        return f"Pipeline({self.name!r}, revision={self.revision})"

    @property
    def name(self) -> str:
        """Name of the policy."""
        return self.lane.name

    @property
    def hub(self) -> EventHub:
        """Where its events go."""
        return self._hub

    @property
    def policy(self) -> Policy:
        """The configuration in force."""
        return self.lane.policy

    # ------------------------------------------------------------------ ways to use it

    def __call__(self, fn: Callable[P, R], /) -> Callable[P, R]:
        """Decorate a plain function, coroutine function, method or callable object.

        The wrapper keeps name, signature and colour; `wrapper.pipeline` is this pipeline.

        Raises:
            UnprotectedError: for generators, classes and what else a call does not cover.
        """
        protected: Callable[P, R] = wrap(self, fn)
        return protected

    def call(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a plain function and return its result; blocks while it waits.

        A function that runs inline cannot be interrupted: a time limit bounds waits and further attempts,
        reaches nested calls and `remaining()`, and counts a late return as a failure while its result is kept.
        With `TimeoutConfig(in_thread=True)` a late function is abandoned instead.

        Raises:
            RejectedError: when the function was not started.
            CallTimeoutError: when a worker thread is late.
            Exception: what the function raised last, unwrapped.
        """
        result: R = invoke(self, fn, args, kwargs)
        return result

    @overload
    async def acall(self, fn: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    async def acall(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    async def acall(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Await a coroutine function, or run a plain one, and return its result.

        Raises:
            RejectedError: when the operation was not started.
            CallTimeoutError: when it did not finish in time; it was cancelled.
            Exception: what it raised last, unwrapped.
        """
        return await asynchronous_invoke()(self, fn, args, kwargs)

    def guard(self) -> Guard:
        """Return a `with` / `async with` block under the gates and the time limit of the policy.

        Retries, hedging and fallbacks take no part, because a block cannot be run again.
        """
        return Guard(self._begun())

    def attempts(self) -> Attempts:
        """Return the rounds of a `for` / `async for` loop: `for attempt in p.attempts(): with attempt: ...`."""
        return Attempts(self._begun())

    @classmethod
    def builder(cls, name: str, /) -> PipelineBuilder:
        """Return a builder that adds layers in order, outermost first."""
        from .builder import PipelineBuilder

        return PipelineBuilder(name)

    # ------------------------------------------------------------------ operators

    def replace(self, policy: Policy) -> tuple[str, ...]:
        """Go on under another configuration and return the names of the parts that changed.

        Calls in flight end under the old one. Parts whose configuration stays keep their state, and a circuit
        keeps its state through every change but of its mode.

        Raises:
            ConfigError: when the new policy has another name; nothing changes then.
        """
        _check_policy(policy)
        if policy.name != self.name:
            raise ConfigError("Policy", [Violation("name", policy.name, f"{self.name!r}, the name of this pipeline")])
        with CONFIGURING:
            changed = self._put(self._in_force(policy))
            self.own = policy
        return changed

    def refresh(self) -> tuple[str, ...]:
        """Go on under what the registry puts in force now, and return the names of the parts that changed."""
        with CONFIGURING:
            return self._put(self._in_force(self.own))

    def observe(self, observer: Observer | None) -> None:
        """Let `observer` watch every later call, in place of whoever did; None for nobody. Nothing else changes."""
        with CONFIGURING:
            if self.lane.observer is not observer:
                self.lane = self._ready(Lane(self.lane.parts, observer))

    def _put(self, policy: Policy) -> tuple[str, ...]:
        old = self.lane.policy
        changed = tuple(f.name for f in fields(policy) if getattr(old, f.name) != getattr(policy, f.name))
        if not changed:
            return ()
        self.lane = self._compile(policy, self.lane)
        self.revision += 1
        revision = self.revision
        if self._hub.watched:
            from .events import PolicyReplaced

            self._hub.emit(PolicyReplaced(policy=self.name, at=self._clock.time(), changed=changed, revision=revision))
        return changed

    def circuit(self, key: str | None = None) -> Circuit:
        """Return the circuit, or that of a key; operators isolate, close and reset it.

        Raises:
            KeyError: when the policy has no circuit for `key` (yet).
        """
        parts = self.lane.parts
        if key is None:
            return parts.circuit
        found = None if parts.keyed is None else parts.keyed.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def snapshot(self) -> PolicySnapshot:
        """Return how the policy stands now."""
        from .snapshot import PolicySnapshot
        from .strategies.readings import summarise

        lane = self.lane
        parts = lane.parts
        circuits = [parts.circuit] if parts.keyed is None else parts.keyed.views()
        views = tuple(circuit.snapshot() for circuit in circuits)
        has_breaker = lane.policy.breaker is not None
        single = views[0] if parts.keyed is None else None
        failures = [view.last_failure for view in views if view.last_failure is not None]
        waits = [view.retry_after for view in views if view.retry_after is not None]
        sketches = [sketch for circuit in circuits if (sketch := circuit.sketch()) is not None]
        retry = parts.retry
        return PolicySnapshot(
            name=lane.name,
            revision=self.revision,
            state=single.state if single is not None and has_breaker else None,
            since=single.since if single is not None and has_breaker else None,
            tally=self._tally(views, parts),
            response_times=summarise(LatencySketch().merge(sketches)),
            last_failure=max(failures, key=lambda failure: failure.at) if failures else None,
            retry_after=min(waits) if waits else None,
            circuits=views if has_breaker else (),
            running=None if parts.bulkhead is None else parts.bulkhead.running,
            waiting=None if parts.bulkhead is None else parts.bulkhead.waiting,
            permits=None if parts.rate_limit is None else parts.rate_limit.available(),
            budget=None if retry is None or retry.budget is None else retry.budget.tokens,
            limits=() if parts.limit is None else parts.limit.snapshots(),
            throttled=None if parts.throttle is None else parts.throttle.share(),
            abandoned_threads=parts.abandoned.value,
            metastability=None if parts.metastability is None else parts.metastability.snapshot(),
            fallbacks=() if parts.fallback.shadows is None else parts.fallback.shadows.snapshots(),
        )

    def explain(self) -> Explanation:
        """Return in plain sentences why the policy is as it is, from which calls, and what comes next."""
        from .explaining.policy import explain_policy

        return explain_policy(self.policy, self.snapshot(), self._clock.time())

    def figures(self) -> PolicyFigures:
        """Return the figures beside those of the circuits."""
        parts = self.lane.parts
        bulkhead, rate, retry, hedge = parts.bulkhead, parts.rate_limit, parts.retry, parts.hedge
        limit, throttle = parts.limit, parts.throttle
        return PolicyFigures(
            name=self.name,
            revision=self.revision,
            running=None if bulkhead is None else bulkhead.running,
            waiting=None if bulkhead is None else bulkhead.waiting,
            permits=None if rate is None else rate.available(),
            budget=None if retry is None or retry.budget is None else retry.budget.tokens,
            retries=0 if retry is None else retry.retries.value,
            hedges=0 if hedge is None else hedge.hedges.value,
            fallbacks=sum(dict(parts.fallback.uses).values()),
            abandoned_threads=parts.abandoned.value,
            rejections=_refused(parts),
            given_up=0 if retry is None else retry.given_up.value,
            slots=None if bulkhead is None else bulkhead.config.max_concurrent,
            capacity=None if rate is None else rate.config.capacity,
            reserve=None if retry is None or retry.budget is None else retry.budget.config.reserve,
            limit=None if limit is None else limit.limit,
            limit_running=None if limit is None else limit.running,
            limit_waiting=None if limit is None else limit.waiting,
            throttled=None if throttle is None else throttle.share(),
            limit_rejections=0 if limit is None else limit.rejections,
            throttle_rejections=0 if throttle is None else throttle.rejections,
        )

    # ------------------------------------------------------------------ inside

    def _begun(self) -> Lane:
        """Return the lane for a block, whose start is a call as well."""
        lane = self.lane
        if isinstance(lane.fast, FirstCall):
            lane.fast.begin()
        return lane

    def _in_force(self, policy: Policy) -> Policy:
        return policy if self._home is None else self._home.in_force(policy)

    def _compile(self, policy: Policy, before: Lane | None) -> Lane:
        circuit = None
        if self._circuits is not None and policy.breaker is not None:
            circuit = self._circuits(policy.breaker)
        home = self._home
        arrived = None if home is None else home.arrived
        old = None if before is None else before.parts
        parts = Parts(policy, self._clock, self._hub, self._budgets, circuit=circuit, before=old, arrived=arrived)
        observer = None if home is None else home.observer(policy.name)
        if observer is None and before is not None:
            observer = before.observer  # somebody watches this pipeline alone
        return self._ready(Lane(parts, observer))

    def _ready(self, lane: Lane) -> Lane:
        home = self._home
        if home is not None and home.on_first_call is not None:
            lane.await_first_call(home.on_first_call)
        return lane

    @staticmethod
    def _tally(views: Iterable[CircuitSnapshot], parts: Parts) -> Tally:
        from .snapshot import sum_tallies

        retired = [] if parts.keyed is None else [parts.keyed.retired]
        total = sum_tallies([*(view.tally for view in views), *retired])
        uses = dict(parts.fallback.uses)
        return replace(
            total,
            rejections=total.rejections + _refused(parts),
            retries=0 if parts.retry is None else parts.retry.retries.value,
            hedges=0 if parts.hedge is None else parts.hedge.hedges.value,
            fallbacks=sum(uses.values()),
            fallback_uses=uses,
        )


def _check_policy(policy: object) -> None:
    if not isinstance(policy, Policy):
        raise ConfigError("Pipeline", [Violation("policy", policy, "a Policy")])
