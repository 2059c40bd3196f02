"""Programs that fork while threads are busy; each child checks that everything works there, and exits with 0."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scrollintel import (
    AdaptiveLimitConfig,
    Admission,
    AdmissionConfig,
    BudgetConfig,
    BulkheadConfig,
    CallTimeoutError,
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitState,
    Criticality,
    DegradationLevel,
    Event,
    EventHub,
    FallbackConfig,
    FaultToleranceManager,
    HedgeConfig,
    HostPool,
    Pipeline,
    Policy,
    RateLimitConfig,
    RetryConfig,
    StateChanged,
    TimeoutConfig,
    Value,
)
from scrollintel.core.clock import SYSTEM_CLOCK
from scrollintel.core.drivers.blocking import wait_for
from scrollintel.core.strategies.admission import Permit
from scrollintel.core.strategies.gate import Wait

CHILD_SECONDS = 10


def fails() -> None:
    """Fail."""
    raise ConnectionError("down")


def in_child(check: Callable[[], None]) -> None:
    """Fork, run a check in the child, and raise when it does not succeed in time."""
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(CHILD_SECONDS, exit=True)  # a child that hangs tells where, and ends
        code = 1
        try:
            check()
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise SystemExit(f"the child ended with {os.waitstatus_to_exitcode(status)}")


@contextmanager
def busy(*works: Callable[[], object]) -> Iterator[None]:
    """Run each piece of work again and again in a thread of its own, switching threads as often as possible."""
    stop = threading.Event()

    def repeat(work: Callable[[], object]) -> None:
        while not stop.is_set():
            work()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=repeat, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)
        sys.setswitchinterval(interval)


def whole_policy(number: int = 1) -> Policy:
    """Return a policy with every part that takes a lock."""
    return Policy(
        "shop",
        breaker=CircuitBreakerConfig("shop", failure_threshold=10**6 + number),
        retry=RetryConfig(max_attempts=2, base_delay=0, budget=BudgetConfig("shared")),
        bulkhead=BulkheadConfig(100, max_waiting=100),
        rate_limit=RateLimitConfig(1e6),
        limit=AdaptiveLimitConfig(),
        fallback=FallbackConfig(Value("answer"), stale_if_error=10),
    )


def locks() -> None:
    """Fork again and again while threads work in every part; the child uses all of them."""
    hub = EventHub()
    manager = FaultToleranceManager(hub=hub)
    registry = manager.registry
    pipeline = registry.pipeline(whole_policy())
    keyed = Pipeline(Policy("keyed", breaker=CircuitBreakerConfig("keyed"), key=lambda key: key, max_keys=5), hub=hub)
    manager.degradation.register_service("search")
    hub.subscribe(lambda event: None)
    numbers = iter(range(10**9))

    def use() -> None:
        pipeline.call(fails)
        pipeline.call(lambda: "ok")
        keyed.call(lambda key: key, str(next(numbers)))
        manager.execute_blocking(
            lambda: "ok",
            circuit_breaker_config=CircuitBreakerConfig(f"call {next(numbers) % 50}"),
            retry_config=RetryConfig(max_attempts=2),
        )
        pipeline.replace(whole_policy(next(numbers)))
        registry.pipeline(Policy(f"policy {next(numbers) % 50}", retry=RetryConfig(budget=BudgetConfig("shared"))))
        registry.snapshot()
        level = (DegradationLevel.SEVERE, DegradationLevel.NONE)[next(numbers) % 2]
        manager.degradation.set_level("search", level, reason="test")
        hub.subscribe(lambda event: None).cancel()
        breaker = CircuitBreaker(CircuitBreakerConfig("alone", failure_threshold=1), hub=hub)
        breaker.isolate()
        breaker.reset()

    with busy(use, use, use):
        for _ in range(25):
            in_child(use)
            time.sleep(0.002)


def listeners() -> None:
    """A listener goes on in the child with the child's events, and in the parent with the parent's."""
    hub = EventHub()
    seen: list[str] = []
    subscription = hub.subscribe(lambda event: seen.append(event.policy))
    hanging = threading.Event()

    def hang(event: Event) -> None:
        hanging.wait()

    hub.subscribe(hang, kinds=[StateChanged])

    def trip(name: str) -> None:
        circuit = CircuitBreaker(CircuitBreakerConfig(name, failure_threshold=1), hub=hub)
        try:
            circuit.call(fails)
        except ConnectionError:
            pass

    def delivered(name: str) -> None:
        end = time.monotonic() + 5
        while name not in seen:
            assert time.monotonic() < end
            time.sleep(0.001)

    trip("before")
    delivered("before")

    def check() -> None:
        trip("child")
        delivered("child")
        assert seen == ["before", "child"]
        subscription.cancel()
        trip("unheard")
        own: list[str] = []
        hub.subscribe(lambda event: own.append(event.policy), policy="own")
        trip("own")
        end = time.monotonic() + 5
        while own != ["own"]:
            assert time.monotonic() < end
            time.sleep(0.001)

    in_child(check)
    trip("parent")
    delivered("parent")
    assert seen == ["before", "parent"]


def workers() -> None:
    """Worker threads of the parent are not there in the child, which starts its own."""
    pipeline = Pipeline(Policy("work", timeout=TimeoutConfig(attempt=0.05, in_thread=True)))
    hedged = Pipeline(Policy("hedged", hedge=HedgeConfig(delay=0.01)))
    hang = threading.Event()
    for _ in range(3):
        try:
            pipeline.call(hang.wait)
        except CallTimeoutError:
            pass
    pipeline.call(lambda: None)
    generous = Pipeline(Policy("generous", timeout=TimeoutConfig(attempt=10, in_thread=True)))

    def check() -> None:
        assert generous.call(lambda: "ok") == "ok"
        assert hedged.call(lambda: "ok") == "ok"
        try:
            pipeline.call(threading.Event().wait)
        except CallTimeoutError:
            pass
        else:
            raise AssertionError
        assert asyncio.run(generous.acall(lambda: "ok")) == "ok"

    in_child(check)
    hang.set()
    assert generous.call(lambda: "ok") == "ok"


def timers() -> None:
    """Time limits of coroutines work in the child, also when the parent forks inside a running event loop."""
    pipeline = Pipeline(Policy("late", timeout=0.05))
    long = Pipeline(Policy("long", timeout=30.0))

    def check() -> None:
        try:
            asyncio.run(pipeline.acall(asyncio.sleep, 10))
        except CallTimeoutError:
            pass
        else:
            raise AssertionError
        assert asyncio.run(long.acall(asyncio.sleep, 0.01, "ok")) == "ok"

    async def main() -> None:
        waiting = asyncio.ensure_future(long.acall(asyncio.sleep, 0.2, "parent"))
        await asyncio.sleep(0.01)
        in_child(check)
        assert await waiting == "parent"

    asyncio.run(main())


def degradation() -> None:
    """The background evaluation of the parent is not there in the child and can be started there."""
    manager = FaultToleranceManager(hub=EventHub())
    degradation = manager.degradation
    degradation.register_service("search")
    degradation.start(interval=0.01)

    def check() -> None:
        assert degradation.level("search") is DegradationLevel.NONE
        degradation.set_level("search", DegradationLevel.SEVERE, reason="child")
        assert degradation.level("search") is DegradationLevel.SEVERE
        degradation.start(interval=0.01)
        degradation.stop()

    in_child(check)
    assert degradation.level("search") is DegradationLevel.NONE
    degradation.stop()


def state() -> None:
    """Circuits keep their state in the child, and what happens there does not reach the parent."""
    circuit = CircuitBreaker(CircuitBreakerConfig("db", failure_threshold=1))
    other = CircuitBreaker(CircuitBreakerConfig("other", failure_threshold=1))
    try:
        circuit.call(fails)
    except ConnectionError:
        pass

    def check() -> None:
        assert circuit.state is CircuitState.OPEN
        try:
            other.call(fails)
        except ConnectionError:
            pass
        assert other.state is CircuitState.OPEN

    in_child(check)
    assert other.state is CircuitState.CLOSED


def slots() -> None:
    """Slots of calls that run in the parent's other threads are free in the child; its own call keeps its slot."""
    pipeline = Pipeline(Policy("slots", bulkhead=BulkheadConfig(3, max_waiting=2)))
    release = threading.Event()
    threads = [threading.Thread(target=pipeline.call, args=(release.wait, 30), daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    while pipeline.snapshot().running != 2:
        time.sleep(0.001)

    def check() -> None:
        assert pipeline.snapshot().running == 1
        assert pipeline.call(lambda: pipeline.call(lambda: "both free")) == "both free"

    pipeline.call(in_child, check)
    release.set()
    for thread in threads:
        thread.join()
    assert pipeline.snapshot().running == 0


def adaptive_slots() -> None:
    """A forked child keeps the slot of its thread, loses those of others, and goes on with what was learnt."""
    pipeline = Pipeline(Policy("slots", limit=AdaptiveLimitConfig(initial_limit=2, max_limit=2, max_waiting=2)))
    release = threading.Event()
    holder = threading.Thread(target=pipeline.call, args=(release.wait, 30), daemon=True)
    holder.start()
    while pipeline.figures().limit_running != 1:
        time.sleep(0.001)

    def check() -> None:
        assert pipeline.figures().limit_running == 1
        assert pipeline.call(lambda: "free") == "free"
        assert pipeline.figures().limit_running == 1

    pipeline.call(in_child, check)
    release.set()
    holder.join()
    assert pipeline.figures().limit_running == 0


def servers() -> None:
    """Requests that the parent's other threads serve take no slot in the child; its own keeps its."""
    admissions = [
        Admission(AdmissionConfig(max_concurrent=2, max_waiting=1, max_wait=30)),
        Admission(AdmissionConfig(limit=AdaptiveLimitConfig(initial_limit=2, max_limit=2, max_waiting=1), max_wait=30)),
    ]
    release = threading.Event()

    def serve(admission: Admission) -> None:
        permit = admission.enter(Criticality.CRITICAL)
        if isinstance(permit, Wait):
            permit = wait_for(admission, SYSTEM_CLOCK, None, permit)
        assert isinstance(permit, Permit)
        release.wait(30)
        admission.leave(permit)

    for admission in admissions:
        own = admission.enter(Criticality.CRITICAL)
        threads = [threading.Thread(target=serve, args=(admission,), daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        while (admission.figures().running, admission.figures().waiting) != (2, 1):
            time.sleep(0.001)

        def check(admission: Admission = admission, own: Permit | Wait = own) -> None:
            assert (admission.figures().running, admission.figures().waiting) == (1, 0)
            second = admission.enter(Criticality.CRITICAL)
            assert isinstance(second, Permit) and isinstance(own, Permit)
            admission.leave(second)
            admission.leave(own)
            assert admission.figures().running == 0

        in_child(check)
        assert isinstance(own, Permit)
        admission.leave(own)
        release.set()
        for thread in threads:
            thread.join()
        release.clear()
        assert (admission.figures().running, admission.figures().waiting) == (0, 0)


def hosts() -> None:
    """Calls that the parent's other threads make to hosts weigh on no host in the child."""
    pool = HostPool("search", ["a", "b"])
    release = threading.Event()
    holders = [threading.Thread(target=pool.call, args=(lambda host: release.wait(30),), daemon=True) for _ in range(4)]
    for holder in holders:
        holder.start()
    while sum(host.in_flight for host in pool.snapshot().hosts) != 4:
        time.sleep(0.001)

    def check() -> None:
        assert [host.in_flight for host in pool.snapshot().hosts] == [0, 0]

    def own(host: str) -> None:
        in_child(check)

    pool.call(own)
    release.set()
    for holder in holders:
        holder.join()
    check()


def health_probes() -> None:
    """A question that runs in the parent is none of the child's, which asks its own."""
    asked: list[int] = []
    answer = threading.Event()

    def probe() -> None:
        asked.append(os.getpid())
        if len(asked) == 1:
            answer.wait(30)

    config = CircuitBreakerConfig(
        "db", failure_threshold=1, recovery_timeout=0.5, health_probe=probe, probe_interval=0.01, probe_timeout=30
    )
    circuit = CircuitBreaker(config)

    def fail() -> None:
        try:
            circuit.call(fails)
        except ConnectionError:
            pass

    def wait_for(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.001)

    def check() -> None:
        wait_for(lambda: circuit.state is CircuitState.HALF_OPEN)
        fail()
        wait_for(lambda: os.getpid() in asked)

    fail()
    wait_for(lambda: bool(asked))
    in_child(check)
    answer.set()


def open_circuits() -> None:
    """A child asks for circuits that were open when it was forked, whatever the parent does about them."""
    parent = os.getpid()

    def probe(key: str) -> bool:
        return os.getpid() != parent and key != "two"

    breaker = CircuitBreakerConfig(
        "db", failure_threshold=1, recovery_timeout=60, health_probe=probe, probe_interval=0.01
    )
    pipeline = Pipeline(Policy("db", breaker=breaker, key=lambda key: key))
    keys = ("one", "two", "three")

    def fail(key: str) -> None:
        raise ConnectionError(key)

    for key in keys:
        try:
            pipeline.call(fail, key)
        except ConnectionError:
            pass
    circuits = {key: pipeline.circuit(key) for key in keys}

    def check() -> None:
        end = time.monotonic() + 5
        asked = circuits["two"].snapshot().health_probes
        while circuits["two"].snapshot().health_probes < asked + 3:
            assert time.monotonic() < end
            time.sleep(0.001)
        assert [circuit.state is CircuitState.OPEN for circuit in circuits.values()] == [False, True, False]

    in_child(check)
    assert all(circuit.state is CircuitState.OPEN for circuit in circuits.values())


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (
        locks, listeners, workers, timers, degradation, state, slots, adaptive_slots, servers, hosts, health_probes,
        open_circuits,
    )
}  # fmt: skip

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]]()
