"""The manual clock: alone, with threads, with asyncio, and under the engine's own timers."""

from __future__ import annotations

import asyncio
import threading

import pytest

from scrollintel.core.clock import Clock
from scrollintel.core.config import CircuitBreakerConfig, HedgeConfig, Policy, RetryConfig, TimeoutConfig
from scrollintel.core.errors import CallTimeoutError
from scrollintel.core.pipeline import Pipeline
from scrollintel.testing import ManualClock


def held() -> ManualClock:
    """Return a clock that only `advance` moves."""
    return ManualClock(auto_advance=False)


def in_thread(run: object) -> threading.Thread:
    """Start `run` in a thread that does not outlive the tests."""
    thread = threading.Thread(target=run, daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread


def until_pending(clock: ManualClock, number: int) -> None:
    """Wait, in reality and for a moment, until `number` timers stand on the clock."""
    never = threading.Event()
    for _ in range(5000):
        if clock.pending >= number:
            return
        never.wait(0.001)
    raise AssertionError(f"{clock.pending} timers instead of {number}")


# ---------------------------------------------------------------------- alone


def test_clock_new_stands_at_its_documented_start() -> None:
    """Both scales begin where the documentation says, and stand still."""
    clock: Clock = ManualClock()
    assert (clock.monotonic(), clock.time()) == (1000.0, 1_700_000_000.0)
    assert (clock.monotonic(), clock.time()) == (1000.0, 1_700_000_000.0)


def test_clock_advance_moves_both_scales() -> None:
    """Monotonic and wall time go together."""
    clock = ManualClock(start=5.0, wall=50.0)
    clock.advance(2.5)
    assert (clock.monotonic(), clock.time()) == (7.5, 52.5)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_clock_advance_impossible_time_is_refused(seconds: float) -> None:
    """Time goes forward by finite steps."""
    with pytest.raises(ValueError, match="finite and not negative"):
        ManualClock().advance(seconds)


def test_clock_advance_calls_due_timers_in_order_each_at_its_time() -> None:
    """A callback sees its own time, not the end of the advance; equal times keep the order of scheduling."""
    clock = ManualClock(start=0.0)
    seen: list[tuple[str, float]] = []
    for name, at in (("late", 3.0), ("early", 1.0), ("first", 2.0), ("second", 2.0), ("never", 9.0)):
        clock.call_later(at, lambda name=name: seen.append((name, clock.monotonic())))  # type: ignore[misc]
    clock.advance(5.0)
    assert seen == [("early", 1.0), ("first", 2.0), ("second", 2.0), ("late", 3.0)]
    assert clock.monotonic() == 5.0
    assert clock.pending == 1


def test_clock_timers_of_one_time_keep_the_order_of_scheduling() -> None:
    """However many fall due at once, the first scheduled is the first called."""
    clock = ManualClock()
    seen: list[int] = []
    for number in range(50):
        clock.call_later(1.0, lambda number=number: seen.append(number))  # type: ignore[misc]
    clock.advance(1.0)
    assert seen == list(range(50))


def test_clock_callback_that_schedules_another_is_followed_in_the_same_advance() -> None:
    """A chain of timers runs as far as the advance reaches."""
    clock = ManualClock(start=0.0)
    seen: list[float] = []

    def tick() -> None:
        seen.append(clock.monotonic())
        clock.call_later(1.0, tick)

    clock.call_later(1.0, tick)
    clock.advance(3.5)
    assert seen == [1.0, 2.0, 3.0]


def test_clock_timer_taken_back_is_not_called() -> None:
    """`cancel` takes a timer back, twice as well as once."""
    clock = ManualClock()
    seen: list[int] = []
    timer = clock.call_later(1.0, lambda: seen.append(1))
    timer.cancel()
    timer.cancel()
    clock.advance(2.0)
    assert (seen, clock.pending) == ([], 0)


def test_clock_timer_due_now_is_called_at_once() -> None:
    """A limit that has passed already needs no further advance."""
    clock = ManualClock()
    seen: list[int] = []
    clock.call_later(0.0, lambda: seen.append(1)).cancel()
    assert seen == [1]


def test_clock_many_cancelled_timers_do_not_pile_up() -> None:
    """A limit that was taken back leaves no memory behind, however many there are."""
    clock = ManualClock()
    kept = clock.call_later(5.0, lambda: None)
    for _ in range(10_000):
        clock.call_later(30.0, lambda: None).cancel()
    assert len(clock._timers) < 200
    assert clock.pending == 1
    kept.cancel()
    assert clock.pending == 0


# ---------------------------------------------------------------------- blocking


def test_clock_sleep_auto_advance_moves_the_clock_and_is_recorded() -> None:
    """Sleeping costs no real time, and what was asked for can be checked."""
    clock = ManualClock(start=0.0)
    clock.sleep(2.0)
    clock.sleep(0.0)
    clock.sleep(60.0)
    assert (clock.monotonic(), clock.sleeps) == (62.0, [2.0, 0.0, 60.0])


def test_clock_sleep_held_blocks_until_another_thread_advances() -> None:
    """Without auto_advance a sleeper wakes at its time and not before."""
    clock = held()
    woken = threading.Event()

    def sleeper() -> None:
        clock.sleep(10.0)
        woken.set()

    thread = in_thread(sleeper)
    until_pending(clock, 1)
    clock.advance(9.0)
    assert not woken.wait(0.01)
    clock.advance(1.0)
    assert woken.wait(5.0)
    thread.join(5.0)
    assert clock.sleeps == [10.0]


def test_clock_concurrent_advances_lose_no_time() -> None:
    """Steps of several threads add up, and every timer is called once."""
    clock = ManualClock(start=0.0)
    called: list[float] = []
    for number in range(100):
        clock.call_later(number + 0.5, lambda: called.append(clock.monotonic()))

    def mover() -> None:
        for _ in range(100):
            clock.advance(1.0)

    threads = [in_thread(mover) for _ in range(4)]
    for thread in threads:
        thread.join(10.0)
    assert len(called) == 100
    assert called == sorted(called)
    assert 100.0 <= clock.monotonic() <= 400.0


def test_clock_wait_event_set_returns_at_once() -> None:
    """A set event costs no time on the clock."""
    clock = ManualClock(start=0.0)
    event = threading.Event()
    event.set()
    assert clock.wait(event, 5.0)
    assert clock.wait(event, None)
    assert clock.monotonic() == 0.0


def test_clock_wait_event_never_set_moves_to_the_end() -> None:
    """After a moment of real patience the wait is over on the clock, with every timer on the way."""
    clock = ManualClock(start=0.0, patience=0.0)
    seen: list[float] = []
    clock.call_later(2.0, lambda: seen.append(clock.monotonic()))
    assert not clock.wait(threading.Event(), 5.0)
    assert (clock.monotonic(), seen) == (5.0, [2.0])


def test_clock_wait_event_set_by_a_timer_ends_there() -> None:
    """A timer that sets the event ends the wait at the time of that timer."""
    clock = ManualClock(start=0.0, patience=0.0)
    event = threading.Event()
    clock.call_later(2.0, event.set)
    assert clock.wait(event, 5.0)
    assert clock.monotonic() == 2.0


def test_clock_wait_event_set_by_another_thread_is_noticed() -> None:
    """Real work in another thread gets real time before the clock moves on."""
    clock = ManualClock(start=0.0, patience=30.0)
    event = threading.Event()
    timer = threading.Timer(0.01, event.set)
    timer.start()
    assert clock.wait(event, 5.0)
    assert clock.monotonic() == 0.0
    timer.join()


def test_clock_wait_held_ends_when_another_thread_advances() -> None:
    """Without auto_advance the end of the wait comes from outside."""
    clock = held()
    results: list[bool] = []
    thread = in_thread(lambda: results.append(clock.wait(threading.Event(), 5.0)))
    thread.join(0.02)
    assert thread.is_alive()
    clock.advance(5.0)
    thread.join(5.0)
    assert results == [False]


# ---------------------------------------------------------------------- asyncio


def test_clock_asleep_auto_advance_wakes_in_the_order_of_times() -> None:
    """Tasks that sleep at the same time share one time scale."""
    clock = ManualClock(start=0.0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.asleep(nap)
            woken.append((name, clock.monotonic()))

    async def main() -> None:
        await asyncio.gather(sleeper("slow", 5.0), sleeper("steps", 1.0, 1.0, 4.0), sleeper("none", 0.0))

    asyncio.run(main())
    assert woken == [("none", 0.0), ("steps", 1.0), ("steps", 2.0), ("slow", 5.0), ("steps", 6.0)]
    assert clock.sleeps == [5.0, 1.0, 0.0, 1.0, 4.0]


def test_clock_asleep_cancelled_leaves_nothing_behind() -> None:
    """A sleeper that is cancelled takes its timer along, and moves the clock no further, to nobody's timer."""
    clock = ManualClock(start=0.0)
    clock.call_later(9.0, lambda: None)

    async def main() -> None:
        task = asyncio.ensure_future(clock.asleep(5.0))
        await asyncio.sleep(0)
        assert clock.pending == 2
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(20):
            await asyncio.sleep(0)

    asyncio.run(main())
    assert (clock.pending, clock.monotonic()) == (1, 0.0)


def test_clock_asleep_held_wakes_when_a_task_advances() -> None:
    """`aadvance` gives the tasks it wakes their turns, so their effects are there when it returns."""
    clock = ManualClock(start=0.0, auto_advance=False)
    woken: list[float] = []

    async def sleeper() -> None:
        for _ in range(3):
            await clock.asleep(10.0)
            woken.append(clock.monotonic())

    async def main() -> None:
        task = asyncio.ensure_future(sleeper())
        await clock.aadvance(9.0)
        assert woken == []
        await clock.aadvance(11.0)
        assert woken == [10.0, 20.0]
        await clock.aadvance(10.0)
        await task

    asyncio.run(main())
    assert (woken, clock.monotonic()) == ([10.0, 20.0, 30.0], 30.0)


def test_clock_asleep_held_wakes_when_a_thread_advances() -> None:
    """The clock may be moved from outside the event loop."""
    clock = held()

    def mover() -> None:
        until_pending(clock, 1)
        clock.advance(10.0)

    async def main() -> None:
        thread = in_thread(mover)
        await asyncio.wait_for(clock.asleep(10.0), 5.0)
        thread.join(5.0)

    asyncio.run(main())
    assert clock.monotonic() == 1010.0


def test_clock_second_event_loop_sleeps_as_the_first() -> None:
    """One clock serves several event loops, one after the other."""
    clock = ManualClock(start=0.0)
    for _ in range(3):
        asyncio.run(clock.asleep(1.0))
    assert clock.monotonic() == 3.0


# ---------------------------------------------------------------------- under the engine


def test_clock_retry_backs_off_without_real_waiting() -> None:
    """The sleeps of a policy can be read from the clock."""
    clock = ManualClock()
    config = RetryConfig(max_attempts=4, base_delay=1.0, jitter=False, retryable_exceptions=[ConnectionError])
    policy = Pipeline(Policy("shop", retry=config), clock=clock)

    def broken() -> None:
        raise ConnectionError("refused")

    async def abroken() -> None:
        raise ConnectionError("refused")

    with pytest.raises(ConnectionError):
        policy.call(broken)
    with pytest.raises(ConnectionError):
        asyncio.run(policy.acall(abroken))
    assert clock.sleeps == [1.0, 2.0, 4.0] * 2
    assert clock.monotonic() == 1014.0


def test_clock_attempt_timeout_fires_when_advanced_past_it() -> None:
    """An operation that never answers is cancelled by its 30 s limit, at the 30th second."""
    clock = held()
    policy = Pipeline(Policy("shop", timeout=30.0), clock=clock)
    ended: list[float] = []

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(clock.monotonic())

    async def main() -> None:
        task = asyncio.ensure_future(policy.acall(hangs))
        await clock.aadvance(29.0)
        assert not task.done()
        await clock.aadvance(2.0)
        with pytest.raises(CallTimeoutError):
            await task

    asyncio.run(main())
    assert ended == [1030.0]


def test_clock_attempt_timeout_fires_after_a_plain_advance() -> None:
    """`advance` alone is enough when the test awaits something afterwards."""
    clock = held()
    policy = Pipeline(Policy("shop", timeout=30.0), clock=clock)

    async def main() -> None:
        task = asyncio.ensure_future(policy.acall(asyncio.Event().wait))
        await asyncio.sleep(0)
        clock.advance(31.0)
        with pytest.raises(CallTimeoutError):
            await task

    asyncio.run(main())


def test_clock_attempt_timeout_ends_a_longer_sleep_on_time() -> None:
    """With auto_advance the limit comes before the end of the sleep, and the clock shows the limit."""
    clock = ManualClock(start=0.0)
    policy = Pipeline(Policy("shop", timeout=30.0), clock=clock)

    async def main() -> None:
        with pytest.raises(CallTimeoutError):
            await policy.acall(clock.asleep, 40.0)

    asyncio.run(main())
    assert (clock.monotonic(), clock.pending) == (30.0, 0)


def test_clock_worker_thread_that_hangs_is_abandoned_on_the_clock() -> None:
    """The limit of a blocking call in a worker thread follows the manual clock."""
    clock = ManualClock(start=0.0, patience=0.0)
    policy = Pipeline(Policy("shop", timeout=TimeoutConfig(30.0, in_thread=True)), clock=clock)
    release = threading.Event()
    with pytest.raises(CallTimeoutError):
        policy.call(release.wait)
    release.set()
    assert clock.monotonic() == 30.0


def test_clock_hedge_starts_after_its_delay() -> None:
    """A further attempt starts at its delay, and the first good answer wins at its own time."""
    clock = ManualClock(start=0.0)
    policy = Pipeline(Policy("shop", hedge=HedgeConfig(delay=0.1, budget=None)), clock=clock)
    naps = iter([5.0, 1.0])
    begun: list[float] = []

    async def answer() -> float:
        begun.append(clock.monotonic())
        nap = next(naps)
        await clock.asleep(nap)
        return nap

    assert asyncio.run(policy.acall(answer)) == 1.0
    assert begun == [0.0, 0.1]
    assert clock.monotonic() == pytest.approx(1.1)


def test_clock_circuit_probes_after_its_recovery_timeout() -> None:
    """A circuit's open period passes on the manual clock."""
    clock = ManualClock()
    config = CircuitBreakerConfig("shop", failure_threshold=1, recovery_timeout=60.0, success_threshold=1)
    policy = Pipeline(Policy("shop", breaker=config), clock=clock)
    with pytest.raises(ZeroDivisionError):
        policy.call(lambda: 1 // 0)
    clock.advance(60.0)
    assert policy.call(lambda: "back") == "back"
