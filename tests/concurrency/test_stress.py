"""Real threads and tasks in numbers: what is counted is exact, and no limit is ever exceeded."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from scrollintel.core.config.breaker import CircuitBreakerConfig, WindowKind
from scrollintel.core.config.bulkhead import BulkheadConfig
from scrollintel.core.config.fallback import FallbackConfig, Value
from scrollintel.core.config.policy import Policy
from scrollintel.core.config.rate_limit import RateLimitConfig
from scrollintel.core.config.retry import BudgetConfig, RetryConfig
from scrollintel.core.errors import BulkheadFullError, CircuitOpenError, RateLimitedError
from scrollintel.core.hub import EventHub
from scrollintel.core.pipeline import Pipeline
from scrollintel.core.registry import Registry
from scrollintel.core.states import CircuitState
from scrollintel.core.strategies.admission import Admission
from scrollintel.core.strategies.outliers import HostPool
from scrollintel.testing import ManualClock

THREADS = 64
TASKS = 10_000


@pytest.fixture(autouse=True)
def many_switches() -> Iterator[None]:
    """Let the interpreter change threads as often as it can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


class Crowd:
    """How many are inside at once, and the most there ever were."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.inside = 0
        self.most = 0

    def __enter__(self) -> None:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.inside -= 1


def in_threads(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """Run `work(number)` in many threads that begin together, and return what they return."""
    together = threading.Barrier(threads)

    def run(number: int) -> Any:
        together.wait()
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def pipeline(clock: ManualClock, hub: EventHub, **parts: Any) -> Pipeline:
    """Return a pipeline on the manual clock."""
    return Pipeline(Policy("p", **parts), clock=clock, hub=hub)


def test_breaker_successes_of_64_threads_are_all_counted(clock: ManualClock, hub: EventHub) -> None:
    """64 threads make 200 calls each; every success and every duration is counted once."""
    subject = pipeline(clock, hub, breaker=CircuitBreakerConfig("p"))
    protected = subject(lambda: 1)
    made = sum(in_threads(lambda number: sum(protected() for _ in range(200))))
    view = subject.snapshot()
    assert made == THREADS * 200
    assert view.tally.successes == made
    assert view.response_times.count == made
    assert (view.tally.failures, view.tally.late, view.tally.rejections) == (0, 0, 0)


def test_breaker_mixed_results_of_64_threads_are_all_counted(clock: ManualClock, hub: EventHub) -> None:
    """Threads that succeed and fail in turn, with snapshots in between, leave exact counts on both ways."""
    breaker = CircuitBreakerConfig("p", failure_threshold=10**9, response_times=False)
    subject = pipeline(clock, hub, breaker=breaker, response_times=False)

    def operation(fails: bool) -> None:
        if fails:
            raise ValueError

    protected = subject(operation)

    def work(number: int) -> int:
        failed = 0
        for turn in range(100):
            try:
                protected((number + turn) % 5 == 0)
            except ValueError:
                failed += 1
            if turn % 50 == 0:
                subject.snapshot()
        return failed

    failed = sum(in_threads(work))
    tally = subject.snapshot().tally
    assert (tally.failures, tally.successes) == (failed, THREADS * 100 - failed)


@pytest.mark.parametrize("kind", [WindowKind.CONSECUTIVE, WindowKind.COUNT, WindowKind.TIME, WindowKind.COUNT_IN_TIME])
def test_breaker_opened_by_64_failing_threads_opens_once(clock: ManualClock, hub: EventHub, kind: WindowKind) -> None:
    """All threads fail together: one transition, and every call is a failure, late, or refused."""
    subject = pipeline(clock, hub, breaker=CircuitBreakerConfig("p", window_kind=kind))

    def operation() -> None:
        raise ValueError

    protected = subject(operation)

    def work(number: int) -> str:
        try:
            protected()
        except (ValueError, CircuitOpenError) as error:
            return type(error).__name__
        return "returned"

    ends = in_threads(work)
    view = subject.circuit().snapshot()
    assert [change.new for change in view.history] == [CircuitState.OPEN]
    assert view.tally.failures + view.tally.late == ends.count("ValueError")
    assert view.tally.rejections == ends.count("CircuitOpenError")
    assert len(ends) == ends.count("ValueError") + ends.count("CircuitOpenError")


@pytest.mark.parametrize("limit", [1, 3])
def test_breaker_probes_of_64_threads_never_exceed_the_limit(clock: ManualClock, hub: EventHub, limit: int) -> None:
    """Round after round the circuit opens and all threads rush for the probes; the limit holds in each."""
    breaker = CircuitBreakerConfig("p", failure_threshold=1, probes=limit, success_threshold=10**6)
    subject = pipeline(clock, hub, breaker=breaker)
    crowd = Crowd()
    everybody = threading.Barrier(THREADS)

    def operation() -> None:
        with crowd:
            everybody.wait()  # stays inside until all others are refused

    def work(number: int) -> bool:
        try:
            subject.call(operation)
        except CircuitOpenError:
            everybody.wait()
            return False
        return True

    for _ in range(5):
        subject.circuit().reset()
        with pytest.raises(ZeroDivisionError):
            subject.call(lambda: 1 / 0)
        clock.advance(60.0)
        assert sum(in_threads(work)) == limit
        view = subject.circuit().snapshot()
        assert (view.probes_in_flight, view.tally.rejections) == (0, THREADS - limit)
    assert crowd.most == limit


def combined(clock: ManualClock, hub: EventHub, slots: int) -> Pipeline:
    """Return a policy with everything that one would combine."""
    return pipeline(
        clock,
        hub,
        breaker=CircuitBreakerConfig("p", failure_threshold=10**9),
        retry=RetryConfig(3, base_delay=0.01, retryable_exceptions=[ConnectionError], budget=BudgetConfig(reserve=1e6)),
        bulkhead=BulkheadConfig(slots, TASKS),
        rate_limit=RateLimitConfig(1e9),
        fallback=FallbackConfig(Value("fallback")),
        timeout=30.0,
    )


def test_combined_policy_of_10_000_tasks_counts_every_call(clock: ManualClock, hub: EventHub) -> None:
    """Tasks that succeed, are retried, fall back or are cancelled leave exact counts and no slot behind."""
    slots = 50
    subject = combined(clock, hub, slots)
    crowd = Crowd()
    attempts = [0] * TASKS

    async def operation(number: int) -> str:
        with crowd:
            attempts[number] += 1
            await asyncio.sleep(0)
            if number % 10 == 1 and attempts[number] == 1:
                raise ConnectionError  # succeeds on the second attempt
            if number % 10 == 2:
                raise ValueError  # not retried, answered by the fallback
            if number % 10 == 3:
                raise asyncio.CancelledError  # gives up by itself
            return "good"

    async def main() -> list[object]:
        protected = subject(operation)
        return await asyncio.gather(*(protected(number) for number in range(TASKS)), return_exceptions=True)

    ends = asyncio.run(main())
    tenth = TASKS // 10
    assert ends.count("good") == 7 * tenth + tenth
    assert ends.count("fallback") == tenth
    assert sum(isinstance(end, asyncio.CancelledError) for end in ends) == tenth
    view = subject.snapshot()
    tally = view.tally
    assert (tally.successes, tally.failures, tally.abandoned) == (8 * tenth, 2 * tenth, tenth)
    assert (tally.retries, tally.fallbacks, tally.rejections, tally.late) == (tenth, tenth, 0, 0)
    assert sum(attempts) == tally.successes + tally.failures + tally.abandoned
    assert (view.running, view.waiting) == (0, 0)
    assert crowd.most == slots


def test_bulkhead_shared_by_threads_and_tasks_never_exceeds_its_slots(clock: ManualClock, hub: EventHub) -> None:
    """Blocking callers in threads and tasks in four loops share five slots: none is lost, none is given twice."""
    slots, calls = 5, 50
    clock = ManualClock(auto_advance=False)
    subject = pipeline(clock, hub, bulkhead=BulkheadConfig(slots, 1000))
    crowd = Crowd()

    def blocking() -> int:
        with crowd:
            return 1

    async def asynchronous() -> int:
        with crowd:
            await asyncio.sleep(0)
            return 1

    async def tasks() -> int:
        return sum(await asyncio.gather(*(subject.acall(asynchronous) for _ in range(calls))))

    def work(number: int) -> int:
        if number % 4 == 0:
            return asyncio.run(tasks())
        return sum(subject.call(blocking) for _ in range(calls))

    made = sum(in_threads(work, 16))
    view = subject.snapshot()
    assert made == 16 * calls == view.tally.successes
    assert crowd.most <= slots
    assert (view.running, view.waiting, view.tally.rejections) == (0, 0, 0)


def test_bulkhead_without_a_line_refuses_exactly_those_who_find_it_full(clock: ManualClock, hub: EventHub) -> None:
    """64 threads rush for eight slots: eight run, 56 are refused and counted, and all slots are free again."""
    subject = pipeline(clock, hub, bulkhead=8)
    everybody = threading.Barrier(THREADS)

    def work(number: int) -> bool:
        try:
            subject.call(everybody.wait)  # stays inside until all others are refused
        except BulkheadFullError:
            everybody.wait()
            return False
        return True

    assert sum(in_threads(work)) == 8
    view = subject.snapshot()
    assert (view.running, view.tally.successes, view.tally.rejections) == (0, 8, THREADS - 8)


def test_rate_limit_of_64_threads_gives_out_each_permit_once(clock: ManualClock, hub: EventHub) -> None:
    """On a clock that stands still exactly the saved-up permits are given out."""
    subject = pipeline(clock, hub, rate_limit=RateLimitConfig(1.0, burst=100.0))

    def work(number: int) -> int:
        passed = 0
        for _ in range(20):
            try:
                passed += subject.call(lambda: 1)
            except RateLimitedError:
                pass
        return passed

    assert sum(in_threads(work)) == 100
    tally = subject.snapshot().tally
    assert (tally.successes, tally.rejections) == (100, THREADS * 20 - 100)


def test_budget_of_64_threads_is_never_overdrawn(clock: ManualClock, hub: EventHub) -> None:
    """Calls that always fail share a budget of 30 retries, which pays exactly 30."""
    budget = BudgetConfig(ratio=0.0, reserve=30.0)
    subject = pipeline(clock, hub, retry=RetryConfig(10, base_delay=0.0, budget=budget))

    def operation() -> None:
        raise ValueError

    def work(number: int) -> None:
        with pytest.raises(ValueError):
            subject.call(operation)

    in_threads(work)
    view = subject.snapshot()
    assert (view.tally.retries, view.budget) == (30, 0.0)
    assert view.tally.failures == THREADS + 30


def test_registry_policies_replaced_under_load_lose_no_call(clock: ManualClock, hub: EventHub) -> None:
    """While 32 threads call, others replace the policy again and again; every call is counted under one circuit."""
    registry = Registry(clock=clock, hub=hub)
    breaker = CircuitBreakerConfig("p", failure_threshold=10**9)
    policies = [
        Policy("p", breaker=breaker),
        Policy("p", breaker=breaker, bulkhead=BulkheadConfig(100)),
        Policy("p", breaker=breaker, retry=RetryConfig(2, base_delay=0.0), fallback=FallbackConfig(Value(1))),
    ]
    subject = registry.pipeline(policies[0])

    def work(number: int) -> int:
        if number % 16 == 0:
            for turn in range(100):
                registry.replace(policies[(number + turn) % 3])
            return 0
        return sum(subject.call(lambda: 1) for _ in range(100))

    made = sum(in_threads(work, 34))
    view = subject.snapshot()
    assert made == 31 * 100
    assert view.tally.successes == made
    assert view.running in (None, 0)
    assert registry.circuits() == [subject.circuit()]


def test_hub_events_of_64_threads_arrive_once_and_in_order(clock: ManualClock, hub: EventHub) -> None:
    """Every refusal is told once, and numbers rise at the listener."""
    heard: list[int] = []
    hub.subscribe(lambda event: heard.append(event.sequence), queue_size=100_000)
    subject = pipeline(clock, hub, breaker=CircuitBreakerConfig("p"))
    subject.circuit().isolate()

    def work(number: int) -> None:
        for _ in range(50):
            with pytest.raises(CircuitOpenError):
                subject.call(lambda: 1)

    in_threads(work)
    assert hub.flush(30.0)
    assert heard == sorted(set(heard))
    assert len(heard) == 1 + THREADS * 50


def test_pools_and_servers_are_listed_while_others_are_made(registry: Registry) -> None:
    """A reporter or exporter looks at any moment; what is made meanwhile is in the list or not, and nothing raises."""
    over = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            try:
                seen = [len(registry.pools()) + len(registry.servers()) for _ in range(2_000)]
            finally:
                over.set()
            return max(seen)
        while not over.is_set():
            kept = [(HostPool("p", ["a"], hub=registry.hub), Admission(hub=registry.hub)) for _ in range(50)]
        return len(kept)

    assert in_threads(work, threads=3)[0] > 0
