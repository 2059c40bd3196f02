"""What holds after any mix of success, error, timeout, cancellation, replacement and broken listeners."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scrollintel import (
    BudgetConfig,
    BulkheadConfig,
    CircuitBreakerConfig,
    CircuitState,
    Event,
    EventHub,
    HedgeConfig,
    Jitter,
    Pipeline,
    Policy,
    RateLimitConfig,
    RetryConfig,
    TimeoutConfig,
)
from scrollintel.core.config import Backoff
from scrollintel.testing import ManualClock
from tests.conformance.driver import Script
from tests.thoroughness import examples


class BrokenListener:
    """A listener that fails on every event."""

    def __call__(self, event: Event) -> None:
        raise RuntimeError("the listener is broken")


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy that may also give None."""
    return st.none() | strategy


circuits = st.builds(
    CircuitBreakerConfig,
    st.just("service"),
    failure_threshold=st.integers(1, 3),
    recovery_timeout=st.sampled_from([5.0, 20.0]),
    success_threshold=st.integers(1, 3),
    timeout=optional(st.sampled_from([4.0, 30.0])),
    probes=st.integers(1, 3),
    probe_lease=st.sampled_from([3.0, 60.0]),
)
retries = st.builds(
    RetryConfig,
    max_attempts=st.integers(1, 3),
    base_delay=st.sampled_from([0.0, 2.0]),
    jitter=st.sampled_from(Jitter),
    retry_rejected=st.booleans(),
    budget=optional(
        st.builds(BudgetConfig, ratio=st.sampled_from([0.0, 0.3]), reserve=st.sampled_from([1.0, 2.5]))
        | st.just(BudgetConfig.grpc(max_tokens=3))
    ),
)
policies = st.builds(
    Policy,
    st.just("service"),
    breaker=circuits,
    retry=optional(retries),
    timeout=optional(st.just(TimeoutConfig(attempt=4.0, total=15.0))),
    bulkhead=optional(st.sampled_from([BulkheadConfig(1), BulkheadConfig(2, 2), BulkheadConfig(2, 3, 5.0)])),
    rate_limit=optional(st.sampled_from([RateLimitConfig(3, period=10), RateLimitConfig(1, period=3, max_wait=10)])),
    hedge=optional(st.just(HedgeConfig(delay=3, max_hedges=2, budget=BudgetConfig(ratio=0.2, reserve=2)))),
)


@dataclass
class World:
    """One pipeline in one event loop, and the operations that are running in it."""

    pipeline: Pipeline
    clock: ManualClock
    tasks: list[asyncio.Task[object]] = field(default_factory=list)
    running: dict[int, tuple[asyncio.Future[object], int]] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def operation(self) -> object:
        """Wait until somebody decides how this attempt ends."""
        circuit = self.pipeline.circuit()
        parts = self.pipeline.policy
        waits = (parts.bulkhead is not None and parts.bulkhead.max_waiting) or parts.rate_limit is not None  # type: ignore[union-attr]
        if not waits:
            assert circuit.state not in (CircuitState.OPEN, CircuitState.ISOLATED), "admitted before its time"
        number = next(self.numbers)
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.running[number] = (future, circuit.machine.era if circuit.state is CircuitState.HALF_OPEN else -1)
        try:
            return await future
        finally:
            del self.running[number]

    def check(self) -> None:
        """Check what must hold at any moment."""
        policy, view = self.pipeline.policy, self.pipeline.snapshot()
        circuit = view.circuits[0]
        assert policy.breaker is not None
        assert circuit.probes_in_flight <= policy.breaker.probes
        era = self.pipeline.circuit().machine.era
        if circuit.state is CircuitState.HALF_OPEN and not policy.hedge:
            assert sum(admitted == era for _, admitted in self.running.values()) <= policy.breaker.probes
        if isinstance(policy.bulkhead, BulkheadConfig):
            assert 0 <= (view.running or 0) <= 2
            assert 0 <= (view.waiting or 0) <= 3
        budget = None if policy.retry is None else policy.retry.budget
        if budget is not None:
            assert view.budget is not None
            assert 0.0 <= view.budget <= budget.reserve

    async def act(self, action: tuple[str, int]) -> None:
        """Do one thing and let everybody have their turns."""
        kind, number = action
        if kind == "call":
            self.tasks.append(asyncio.ensure_future(self.pipeline.acall(self.operation)))
        elif kind == "advance":
            await self.clock.aadvance(float(number))
        elif kind == "cancel" and self.tasks:
            self.tasks[number % len(self.tasks)].cancel()
        elif kind == "trip":
            for future, _ in list(self.running.values()):
                if not future.done():
                    future.set_exception(ConnectionError("down"))
        elif kind == "recover":
            assert self.pipeline.policy.breaker is not None
            await self.clock.aadvance(self.pipeline.policy.breaker.recovery_timeout)
        elif kind in ("succeed", "fail") and self.running:
            future, _ = list(self.running.values())[number % len(self.running)]
            if not future.done():
                if kind == "succeed":
                    future.set_result(number)
                else:
                    future.set_exception(ConnectionError("down"))
        elif kind == "operate":
            circuit = self.pipeline.circuit()
            (circuit.isolate, circuit.close, circuit.reset)[number % 3]()
        elif kind == "replace":
            policy = self.pipeline.policy
            self.pipeline.replace(Policy("service", breaker=policy.breaker, bulkhead=BulkheadConfig(1 + number % 2, 3)))
        for _ in range(6):
            await asyncio.sleep(0)

    async def end(self) -> None:
        """End everything that still runs, one half by cancelling and the other by time."""
        for task in self.tasks[::2]:
            task.cancel()
        for _ in range(200):
            for future, _ in list(self.running.values()):
                if not future.done():
                    future.set_result("end")
            await self.clock.aadvance(10)
            if all(task.done() for task in self.tasks):
                break
        assert all(task.done() for task in self.tasks)
        for _ in range(10):
            await asyncio.sleep(0)
        for task in self.tasks:
            if not task.cancelled():
                task.exception()


kinds = [
    "call", "call", "call", "call", "advance", "succeed", "fail", "trip", "recover", "cancel", "operate", "replace",
]  # fmt: skip
actions = st.lists(st.tuples(st.sampled_from(kinds), st.integers(0, 12)), max_size=40)


@settings(max_examples=examples(300))
@given(policies, actions)
def test_invariants_hold_after_any_mix_of_ends(policy: Policy, steps: list[tuple[str, int]]) -> None:
    """Bounds hold at every step, and in the end no slot, place, probe or timer is left."""
    clock = ManualClock(auto_advance=False)
    hub = EventHub()
    subscription = hub.subscribe(BrokenListener())
    world = World(Pipeline(policy, clock=clock, hub=hub), clock)

    async def main() -> None:
        for step in steps:
            await world.act(step)
            world.check()
        await world.end()

    try:
        asyncio.run(main())
    finally:
        subscription.cancel()
    view = world.pipeline.snapshot()
    assert (view.running or 0, view.waiting or 0) == (0, 0)
    assert view.circuits[0].probes_in_flight == 0
    assert world.running == {}
    assert clock.pending == 0


ends = st.sampled_from(["succeed", "fail", "ignore", "late", "exit", "refused"])


@given(policies, st.lists(st.tuples(ends, st.integers(0, 12)), max_size=30))
def test_invariants_blocking_calls_lose_nothing(policy: Policy, steps: list[tuple[str, int]]) -> None:
    """After any row of blocking calls everything is free, and every attempt that ran is counted once."""
    clock = ManualClock(patience=0.0)
    parts = {name: getattr(policy, name) for name in ("breaker", "retry", "timeout", "bulkhead", "rate_limit")}
    pipeline = Pipeline(Policy("service", **parts), clock=clock, hub=EventHub())
    inner = Pipeline(Policy("inner", bulkhead=1), clock=clock, hub=EventHub())
    attempts = 0

    def operation(end: str) -> object:
        nonlocal attempts
        attempts += 1
        if end == "late":
            clock.advance(6)
        elif end == "exit":
            raise GeneratorExit
        elif end == "refused":
            return inner.call(inner.call, Script("never"))
        elif end != "succeed":
            raise ConnectionError(end)
        return end

    for end, seconds in steps:
        try:
            pipeline.call(operation, end)
        except (Exception, GeneratorExit):
            pass
        clock.advance(float(seconds))
        view = pipeline.snapshot()
        tally = view.tally
        assert tally.successes + tally.failures + tally.ignored + tally.abandoned + tally.late >= attempts
        assert (view.running or 0, view.waiting or 0, view.circuits[0].probes_in_flight) == (0, 0, 0)
        assert inner.snapshot().running == 0


@given(
    st.builds(
        RetryConfig,
        max_attempts=st.integers(1, 40),
        base_delay=st.floats(0, 50),
        max_delay=st.floats(50, 1e6),
        exponential_base=st.floats(1, 1000),
        jitter=st.sampled_from(Jitter),
        backoff=st.sampled_from(Backoff),
    )
)
def test_invariants_backoff_stays_in_its_bounds(config: RetryConfig) -> None:
    """Every wait lies between nothing and the cap, whatever the schedule and the jitter."""
    clock = ManualClock()
    pipeline = Pipeline(Policy("service", retry=config), clock=clock, hub=EventHub())
    try:
        pipeline.call(Script(ConnectionError("down")))
    except ConnectionError:
        pass
    assert all(0.0 <= wait <= config.max_delay for wait in clock.sleeps)


@given(
    st.builds(
        BudgetConfig,
        ratio=st.floats(0, 1),
        reserve=st.floats(0.5, 20),
        cost=st.floats(0.1, 5),
        threshold=st.floats(0, 1),
    ),
    st.lists(st.booleans(), max_size=60),
    st.integers(2, 6),
)
def test_invariants_budget_is_never_overdrawn(budget: BudgetConfig, calls: list[bool], attempts: int) -> None:
    """The bucket stays between empty and full, and retries never exceed what calls and reserve have paid for."""
    retry = RetryConfig(max_attempts=attempts, base_delay=0, budget=budget)
    pipeline = Pipeline(Policy("service", retry=retry), clock=ManualClock(), hub=EventHub())
    for good in calls:
        try:
            pipeline.call(Script("ok") if good else Script(ConnectionError("down")))
        except ConnectionError:
            pass
        tokens = pipeline.snapshot().budget
        assert tokens is not None
        assert 0.0 <= tokens <= budget.reserve + 1e-6
    paid = (budget.reserve + budget.ratio * len(calls)) / budget.cost
    assert pipeline.snapshot().tally.retries <= paid + 1e-3
