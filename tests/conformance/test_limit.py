"""The adaptive limit in a policy: slots for both drivers, criticality, keys, and nothing lost by any end."""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from scrollintel import (
    AdaptiveLimitConfig,
    CallRejected,
    CircuitBreakerConfig,
    LimitChanged,
    LimitReachedError,
    LimitSnapshot,
    Pipeline,
    RateLimitConfig,
    RateLimitedError,
    RetryConfig,
    TimeoutConfig,
    Value,
    request_context,
)
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger, Script

ONE = AdaptiveLimitConfig(initial_limit=1, max_limit=1, max_waiting=0)


def state(pipeline: Pipeline) -> LimitSnapshot:
    """Return how the one limit stands."""
    (limit,) = pipeline.snapshot().limits
    return limit


def until(condition: Callable[[], bool]) -> None:
    """Yield to other threads until something is so."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.0005)


def test_limit_refuses_beyond_its_slots_and_is_told(driver: Driver, build: Build, ledger: Ledger) -> None:
    """A nested call is one more; the refusal is neutral for the circuit and is not retried."""
    pipeline = build(limit=ONE, breaker=CircuitBreakerConfig("service"), retry=RetryConfig(base_delay=0))
    script = Script("inner")
    with pytest.raises(LimitReachedError, match="adaptive limit"):
        driver.call(pipeline, driver.through(pipeline, driver.make(script)))
    assert script.calls == 0
    assert (state(pipeline).running, state(pipeline).limit) == (0, 1)
    tally = pipeline.snapshot().tally
    assert (tally.rejections, tally.failures, tally.retries) == (1, 0, 0)
    assert [event.layer for event in ledger.of(CallRejected)] == ["limit"]
    figures = pipeline.figures()
    assert (figures.limit, figures.limit_running, figures.limit_waiting) == (1, 0, 0)
    assert figures.limit_rejections == figures.rejections == 1
    assert driver.call(pipeline, driver.make(Script("ok"))) == "ok"


@pytest.mark.parametrize("error", [ConnectionError("down"), TimeoutError("late"), GeneratorExit()])
def test_limit_slot_comes_back_after_every_end(driver: Driver, build: Build, error: BaseException) -> None:
    """Errors and exits free the slot."""
    pipeline = build(limit=ONE)
    for _ in range(3):
        with pytest.raises(type(error)):
            driver.call(pipeline, driver.make(Script(error)))
    assert state(pipeline).running == 0


def test_limit_fallback_answers_a_refusal(driver: Driver, build: Build) -> None:
    """A refused call is answered by the fallback."""
    pipeline = build(limit=ONE, fallback=Value("busy"))
    assert driver.call(pipeline, driver.through(pipeline, driver.make(Script("inner")))) == "busy"


def test_limit_learns_and_shrinks_by_time_limits(
    driver: Driver, build: Build, clock: ManualClock, ledger: Ledger
) -> None:
    """Response times give the baseline; attempts that are late shrink the limit, which is told once a second."""
    pipeline = build(limit=AdaptiveLimitConfig(), timeout=1.0)
    for _ in range(30):
        driver.call(pipeline, driver.takes(0.1))
    assert state(pipeline).baseline == pytest.approx(0.1, rel=0.05)
    for _ in range(20):
        if driver.asynchronous:
            driver.error(pipeline, driver.takes(3.0))
        else:
            driver.error(pipeline, driver.make(Script(TimeoutError("late"))))
            clock.advance(0.5)
    assert state(pipeline).limit <= 5
    changes = ledger.of(LimitChanged)
    assert changes
    assert all(event.new < event.old for event in changes)
    assert all(later.at - earlier.at >= 1.0 for earlier, later in itertools.pairwise(changes))
    assert changes[-1].key is None


def test_limit_ignores_errors_that_do_not_tell_of_overload(driver: Driver, build: Build, clock: ManualClock) -> None:
    """Fast errors neither shrink the limit nor make the dependency look fast, unless the configuration says so."""
    plain = build(limit=AdaptiveLimitConfig())
    told = build(
        "told", limit=AdaptiveLimitConfig(overload_predicate=lambda error: "503" in str(error),
                                          result_predicate=lambda value: value == 503),
    )  # fmt: skip
    for pipeline in (plain, told):
        for _ in range(30):
            driver.call(pipeline, driver.takes(0.1))
        baseline = state(pipeline).baseline
        for number in range(60):
            clock.advance(0.2)
            if number % 2:
                driver.call(pipeline, driver.make(Script(503 if pipeline is told else ConnectionError)))
            else:
                driver.error(pipeline, driver.make(Script(ConnectionError("503"))))
        if pipeline is told:
            assert state(pipeline).baseline == baseline
    assert state(plain).limit == 20
    assert state(told).limit <= 5


def test_limit_failed_results_are_no_response_times(driver: Driver, build: Build) -> None:
    """What the breaker calls a failure, such as a response with status 500, may be fast and says nothing."""
    breaker = CircuitBreakerConfig("service", failure_threshold=1000, result_predicate=lambda value: value == 500)
    pipeline = build(limit=AdaptiveLimitConfig(), breaker=breaker)
    for _ in range(30):
        driver.call(pipeline, driver.takes(0.1))
    for _ in range(500):
        driver.call(pipeline, driver.takes(0.001, lambda: 500))
    assert state(pipeline).baseline == pytest.approx(0.1, rel=0.05)


def test_limit_refusal_of_an_inner_layer_is_neutral(driver: Driver, build: Build) -> None:
    """A nested policy that refuses says nothing about the load, and no slot is lost."""
    inner = build("inner", rate_limit=RateLimitConfig(0.001))
    driver.call(inner, driver.make(Script("ok")))
    pipeline = build(limit=ONE)
    for _ in range(50):
        assert driver.error(pipeline, driver.through(inner, driver.make(Script("ok")))) is RateLimitedError
    assert (state(pipeline).running, state(pipeline).limit) == (0, 1)


def test_limit_each_key_has_its_own(driver: Driver, build: Build, ledger: Ledger) -> None:
    """A key that is at its limit leaves the others alone; `per_key=False` shares one; the number of keys is bounded."""
    pipeline = build(limit=ONE, key=lambda host, *rest: host, max_keys=2)
    nested = driver.through(pipeline, driver.make(lambda host: host))

    def outer(host: str, inner: str) -> object:
        return nested(inner)

    if driver.asynchronous:

        async def awaited(host: str, inner: str) -> object:
            return await nested(inner)

        operation: Callable[..., object] = awaited
    else:
        operation = outer
    assert driver.call(pipeline, operation, "a", "b") == "b"
    with pytest.raises(LimitReachedError):
        driver.call(pipeline, operation, "a", "a")
    assert [(event.layer, event.key) for event in ledger.of(CallRejected)] == [("limit", "a")]
    for number in range(20):
        driver.call(pipeline, driver.make(lambda host: host), f"host {number}")
    assert len(pipeline.snapshot().limits) == 2
    shared = build("shared", limit=AdaptiveLimitConfig(initial_limit=1, max_limit=1, max_waiting=0, per_key=False),
                   key=lambda host: host)  # fmt: skip
    with pytest.raises(LimitReachedError):
        driver.call(shared, driver.make(lambda host: shared.lane.parts.limit.enter(_call(shared, "b"))), "a")


def _call(pipeline: Pipeline, key: str) -> object:
    from scrollintel.core.drivers.plan import prepare

    return prepare(pipeline.lane, str, (key,), {}, None, 0.0)


def test_limit_of_the_key_used_longest_ago_gives_way(build: Build, clock: ManualClock) -> None:
    """Those that hold calls stay, those that were not used for long go together, and a full house shares one."""
    pipeline = build(limit=ONE, key=lambda key, *rest: key, max_keys=3, key_idle=60.0)

    def keys() -> list[str | None]:
        return sorted(str(limit.key) for limit in pipeline.snapshot().limits)

    def use(key: str, inside: Callable[[], object] = int) -> None:
        pipeline.call(lambda key: inside(), key)

    for key in "abca":
        use(key)
        clock.advance(1.0)
    use("d")
    assert keys() == ["a", "c", "d"], "b was used longest ago"
    use("c", lambda: (use("a"), use("e")))
    assert keys() == ["a", "c", "e"], "c holds a call, a was used last"
    clock.advance(60.0)
    use("f")
    assert keys() == ["f"]
    use("f", lambda: use("g", lambda: use("h", lambda: (use("i"), use("j")))))
    assert keys() == ["(others)", "f", "g", "h"]


def test_limit_of_a_new_key_costs_the_same_however_many_there_are(build: Build) -> None:
    """No call looks at the limits of all keys, not even when many of those hold calls."""
    pipeline = build(limit=ONE, key=lambda key, *rest: key, max_keys=2000)

    async def main() -> int:
        end = asyncio.Event()
        tasks = [asyncio.create_task(pipeline.acall(lambda key: end.wait(), f"held {number}")) for number in range(500)]
        await asyncio.sleep(0)
        for number in range(1500):
            pipeline.call(lambda key: None, f"key {number}")
        pipeline.call(lambda key: None, "new")
        steps = itertools.count()
        sys.setprofile(lambda frame, event, argument: next(steps))
        try:
            pipeline.call(lambda key: None, "newer")
        finally:
            sys.setprofile(None)
        end.set()
        await asyncio.gather(*tasks)
        return next(steps)

    assert asyncio.run(main()) < 500


def test_limit_keeps_what_it_knows_when_the_policy_is_replaced(driver: Driver, build: Build) -> None:
    """A new configuration clamps the limit; the baseline stays, and so does everything when nothing changed."""
    pipeline = build(limit=AdaptiveLimitConfig())
    for _ in range(30):
        driver.call(pipeline, driver.takes(0.1))
    before = state(pipeline)
    policy = pipeline.policy
    for changed in (
        AdaptiveLimitConfig(max_limit=5, initial_limit=5),
        AdaptiveLimitConfig("aimd", max_limit=5, initial_limit=2),
    ):
        pipeline.replace(type(policy)("service", limit=changed))
        assert state(pipeline).baseline == before.baseline
        assert state(pipeline).limit == 5
    pipeline.replace(type(policy)("service"))
    assert pipeline.snapshot().limits == ()


def test_limit_blocks_and_loops_take_slots(driver: Driver, build: Build) -> None:
    """`guard` and `attempts` hold a slot while their block runs."""
    pipeline = build(limit=ONE)
    for use in (driver.block, driver.loop):
        assert use(pipeline, lambda: state(pipeline).running) == 1
        assert state(pipeline).running == 0


def test_limit_serves_the_more_critical_first(build: Build) -> None:
    """Threads and tasks stand in one line by criticality; a full line sends the least critical away."""
    pipeline = build(limit=AdaptiveLimitConfig(initial_limit=1, max_limit=1, max_waiting=3))
    served: list[str] = []
    release = threading.Event()

    async def tasks() -> None:
        async def one(name: str) -> None:
            served.append(name)

        async def stand(name: str, criticality: str, place: int) -> asyncio.Task[None]:
            with request_context(criticality=criticality):
                task = asyncio.ensure_future(pipeline.acall(one, name))
            while state(pipeline).waiting < place:
                await asyncio.sleep(0)
            return task

        first = await stand("sheddable", "sheddable", 1)
        with ThreadPoolExecutor(1) as pool:

            def blocking() -> None:
                with request_context(criticality="sheddable_plus"):
                    pipeline.call(served.append, "thread")

            second = pool.submit(blocking)
            while state(pipeline).waiting < 2:
                await asyncio.sleep(0)
            third = await stand("critical", "critical", 3)
            fourth = asyncio.ensure_future(pipeline.acall(one, "critical too"))
            with pytest.raises(LimitReachedError):
                await first
            with request_context(criticality="sheddable"), pytest.raises(LimitReachedError):
                await pipeline.acall(one, "too late")
            release.set()
            await asyncio.gather(third, fourth)
            second.result(5)

    holder = threading.Thread(target=lambda: pipeline.call(release.wait, 5))
    holder.start()
    until(lambda: state(pipeline).running == 1)
    asyncio.run(tasks())
    holder.join()
    assert served == ["critical", "critical too", "thread"]
    assert (state(pipeline).running, state(pipeline).waiting) == (0, 0)
    assert pipeline.figures().limit_rejections == 2


def test_limit_waiting_thread_that_is_sent_away_is_refused(build: Build) -> None:
    """Eviction reaches a blocked thread at once, not when its wait is over."""
    pipeline = build(limit=AdaptiveLimitConfig(initial_limit=1, max_limit=1, max_waiting=1, max_wait=None))
    release = threading.Event()
    results: list[object] = []

    def sheddable() -> None:
        with request_context(criticality="sheddable"):
            try:
                results.append(pipeline.call(int))
            except LimitReachedError as error:
                results.append(type(error))

    threads = [threading.Thread(target=pipeline.call, args=(release.wait, 5)), threading.Thread(target=sheddable)]
    threads[0].start()
    until(lambda: state(pipeline).running == 1)
    threads[1].start()
    until(lambda: state(pipeline).waiting == 1)
    critical = threading.Thread(target=pipeline.call, args=(results.append, "critical"))
    critical.start()
    threads[1].join(5)
    assert results == [LimitReachedError]
    release.set()
    for thread in (*threads, critical):
        thread.join(5)
    assert results == [LimitReachedError, "critical"]


def test_limit_wait_ends_at_its_limit_and_at_the_deadline(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A call that waits in vain is refused after `max_wait`, or when its deadline is near, and leaves the line."""
    clock.patience = 0.01
    pipeline = build(limit=AdaptiveLimitConfig(initial_limit=1, max_limit=1, max_waiting=1, max_wait=5.0))
    limited = build("limited", timeout=TimeoutConfig(total=3))
    for waits, longest in (
        (driver.through(pipeline, driver.make(Script("inner"))), 5),
        (driver.through(limited, driver.through(pipeline, driver.make(Script("inner")))), 3),
    ):
        began = clock.monotonic()
        if driver.asynchronous:

            async def holder(waits: Callable[[], object] = waits, longest: int = longest) -> None:
                task = asyncio.ensure_future(waits())  # type: ignore[arg-type]
                await clock.aadvance(longest)
                with pytest.raises((LimitReachedError, TimeoutError)):
                    await task

            driver.call(pipeline, holder)
        else:

            def blocking(waits: Callable[[], object] = waits) -> None:
                with pytest.raises(LimitReachedError):
                    waits()

            driver.call(pipeline, blocking)
        assert clock.monotonic() - began == pytest.approx(longest)
        assert (state(pipeline).running, state(pipeline).waiting) == (0, 0)


def test_limit_no_slot_is_lost_by_cancellation(build: Build) -> None:
    """Threads and tasks, waiters and runners, cancelled at any moment: in the end every slot is free."""
    pipeline = build(limit=AdaptiveLimitConfig(initial_limit=3, max_limit=3, max_waiting=6, max_wait=None))

    async def work() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def tasks(seed: int) -> None:
        source = random.Random(seed)
        running: list[asyncio.Task[None]] = []
        for _ in range(300):
            with request_context(criticality=source.choice(["critical_plus", "critical", "sheddable"])):
                running.append(asyncio.ensure_future(pipeline.acall(work)))
            if source.random() < 0.5:
                await asyncio.sleep(0)
            if source.random() < 0.5:
                source.choice(running).cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def threads() -> None:
        for _ in range(300):
            try:
                pipeline.call(time.sleep, 0)
            except LimitReachedError:
                time.sleep(0)

    workers = [
        *(threading.Thread(target=lambda seed=seed: asyncio.run(tasks(seed))) for seed in range(2)),
        *(threading.Thread(target=threads) for _ in range(2)),
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert (state(pipeline).running, state(pipeline).waiting) == (0, 0)
    assert pipeline.call(lambda: "ok") == "ok"


def test_limit_dead_dependency_holds_no_more_than_its_slots(build: Build) -> None:
    """Every call hangs: the slots are taken, a few wait for a moment, and everybody else is refused at once."""
    pipeline = build(limit=AdaptiveLimitConfig(initial_limit=4, max_waiting=2, max_wait=0.05))

    async def main() -> tuple[int, int]:
        never = asyncio.Event()
        calls = [asyncio.ensure_future(pipeline.acall(never.wait)) for _ in range(100)]
        await asyncio.sleep(0.2)
        left = [call for call in calls if not call.done()]
        refused = sum(isinstance(call.exception(), LimitReachedError) for call in calls if call.done())
        for call in left:
            call.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return len(left), refused

    pipeline = Pipeline(pipeline.policy)  # on the system's clock
    assert asyncio.run(main()) == (4, 96)
    assert state(pipeline).running == 0
