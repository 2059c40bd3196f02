"""A policy compiled: its parts in their order, and what a call through it has to do beside its operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Protocol

from ..call import Call, inherited_deadline
from ..config.order import DEFAULT_ORDER
from ..interventions import INTERVENTIONS
from ..outcome import Verdict
from ..strategies.breaker import Circuit
from ..strategies.budget import Budget
from ..strategies.observer import Observer
from .parts import Parts

Link = Callable[[Call], Any]
_SUCCESS, _FAILURE = Verdict.SUCCESS, Verdict.FAILURE


class NeverCalm:
    """Stands for the circuit where every call needs the chain."""

    __slots__ = ()
    calm_era = -1

    def refuse_if_open(self) -> None:
        """Refuse nothing."""


NEVER_CALM = NeverCalm()
NO_CIRCUITS: Mapping[str, Circuit] = {}


def _no_key(*args: object, **kwargs: object) -> None:
    """Stand for the key of a policy that has none."""


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
        self._circuit.refuse_if_open()


class Lane:
    """One revision of a policy, compiled: what a call reads once at its start and keeps to its end.

    Attributes:
        fast: The circuit when a calm one needs no chain, because there is nothing but breaker, retry, fallback
            and attempt timeout in the default order; otherwise one that is never calm.
        bare: True when nothing but the circuit decides, so that its refusal is the call's.
        shape: What a call of the lane does beside the operation: nothing ("plain"), read the clock ("clocked"), set a
            deadline as well ("limited"), find the circuit of its key first ("keyed"), or anything ("fast").
        plain, clocked, limited: `fast` under the name of the shape, never calm under the others: functions that were
            compiled for one shape look there.
        keyed: The circuits by key when a calm one of them needs no chain, otherwise none.
        key_of: Gives the key of a call's arguments.
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
        "key_of", "keyed", "limit", "limited", "measures", "name", "observer", "order", "parts", "plain", "policy",
        "purses", "recovers", "run", "shape", "slots", "throttle", "timed", "total",
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
        self.keyed: Mapping[str, Circuit] = NO_CIRCUITS
        self.key_of: Callable[..., object] = policy.key or _no_key
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
        if parts.keyed is not None:
            direct = direct and not self.governed and self.measures and parts.keyed.by_text is not None
        self.shape = self._shape(direct)
        self.fast: Circuit | NeverCalm | FirstCall
        self.plain = self.clocked = self.limited = NEVER_CALM
        self.show(parts.circuit if direct and self.shape != "keyed" else NEVER_CALM)
        self.bare = direct and not self.recovers and not self.governed
        self.run: Link | None = None
        self.arun: Callable[[Call], Any] | None = None

    def _shape(self, direct: bool) -> str:
        """Return the shape of a lane; `direct` when a calm circuit needs no chain."""
        if self.parts.keyed is not None:
            return "keyed" if direct else "fast"
        if self.governed:
            return "fast"
        return "limited" if self.limit is not None else "clocked" if self.timed else "plain"

    def await_first_call(self, begin: Callable[[], object]) -> None:
        """Call `begin` when the next call comes, once; it must not raise."""
        if not isinstance(self.fast, FirstCall):
            self.show(FirstCall(self, begin))

    def show(self, circuit: Circuit | NeverCalm | FirstCall) -> None:
        """Put `circuit` where calls look for it."""
        self.fast = circuit
        if self.shape != "keyed":
            setattr(self, self.shape, circuit)
        elif self.parts.keyed is not None:
            by_text = self.parts.keyed.by_text
            self.keyed = NO_CIRCUITS if by_text is None or isinstance(circuit, FirstCall) else by_text


def finish(lane: Lane, circuit: Circuit, era: int, elapsed: float | None, attempt: int) -> None:
    """Count a success that is more than a number: slow, too late, or of a circuit that is no longer calm."""
    limit = lane.limit
    late = limit is not None and elapsed is not None and elapsed >= limit
    verdict = _FAILURE if late else _SUCCESS
    circuit.settle(era, verdict, lane.clock(), elapsed, None, timed_out=late, measured=lane.measures)
    if late and limit is not None:
        circuit.tell_timeout(limit, attempt)


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
