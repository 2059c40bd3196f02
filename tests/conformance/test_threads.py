"""Worker threads: what can be abandoned, how that is counted, and that no thread delays an exit."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable

import pytest

from scrollintel import (
    CallTimeoutError,
    CircuitBreakerConfig,
    CircuitState,
    FaultToleranceManager,
    RetryConfig,
    TimeoutConfig,
    remaining,
)
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger, Script

IN_THREAD = TimeoutConfig(attempt=5, in_thread=True)


@pytest.fixture(autouse=True)
def patience(clock: ManualClock) -> None:
    """Give threads all the real time that they need to end."""
    clock.patience = 5.0


class Hang:
    """A plain operation that hangs until it is let go; time moves on soon while a blocking caller waits for it."""

    def __init__(self, clock: ManualClock) -> None:
        clock.patience = 0.01
        self.started = threading.Event()
        self.go = threading.Event()
        self.thread: int | None = None

    def __call__(self) -> str:
        self.thread = threading.get_ident()
        self.started.set()
        assert self.go.wait(10)
        return "late"


def until(condition: Callable[[], bool]) -> None:
    """Yield to other threads until something is so."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.0005)


def test_in_thread_runs_elsewhere_and_returns(driver: Driver, build: Build) -> None:
    """The operation runs in a worker thread with the caller's context, and its result or error comes back."""
    pipeline = build(timeout=IN_THREAD)
    seen: list[object] = []

    def work(a: int, *, b: int) -> int:
        seen.extend((threading.get_ident(), remaining()))
        return a + b

    assert driver.call(pipeline, work, 1, b=2) == 3
    assert seen[0] != threading.get_ident()
    assert seen[1] == pytest.approx(5)
    error = ConnectionError("down")
    with pytest.raises(ConnectionError) as caught:
        driver.call(pipeline, Script(error))
    assert caught.value is error


def test_in_thread_late_operation_is_abandoned_and_counted(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A hung operation is left behind after its limit; the snapshot tells how many threads are still held."""
    pipeline = build(breaker=CircuitBreakerConfig("service", failure_threshold=1), timeout=IN_THREAD)
    hang = Hang(clock)
    if driver.asynchronous:

        async def main() -> None:
            task = asyncio.ensure_future(pipeline.acall(hang))
            while not hang.started.is_set():
                await asyncio.sleep(0.0005)
            await clock.aadvance(5)
            await task

        with pytest.raises(CallTimeoutError):
            driver.run(main)
    else:
        with pytest.raises(CallTimeoutError):
            pipeline.call(hang)
    assert clock.monotonic() == pytest.approx(1005)
    assert pipeline.circuit().state is CircuitState.OPEN
    assert pipeline.snapshot().abandoned_threads == 1
    assert (pipeline.snapshot().tally.failures, pipeline.snapshot().tally.timeouts) == (1, 1)
    hang.go.set()
    until(lambda: pipeline.snapshot().abandoned_threads == 0)
    assert pipeline.snapshot().tally.failures == 1


def test_in_thread_cancelled_caller_is_neutral_and_the_thread_is_counted(build: Build, clock: ManualClock) -> None:
    """Cancelling the caller leaves the thread behind and counts for nothing in the circuit."""
    pipeline = build(breaker=CircuitBreakerConfig("service", failure_threshold=1), timeout=IN_THREAD)
    hang = Hang(clock)

    async def main() -> None:
        task = asyncio.ensure_future(pipeline.acall(hang))
        while not hang.started.is_set():
            await asyncio.sleep(0.0005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert pipeline.snapshot().abandoned_threads == 1
    assert pipeline.snapshot().tally.failures == 0
    hang.go.set()
    until(lambda: pipeline.snapshot().abandoned_threads == 0)


def test_in_thread_coroutine_function_is_bounded_too(build: Build, clock: ManualClock) -> None:
    """A coroutine function under an in-thread policy is awaited by the loop, within the same limit."""
    pipeline = build(timeout=IN_THREAD)

    async def main() -> None:
        await pipeline.acall(clock.asleep, 3600)

    with pytest.raises(CallTimeoutError):
        asyncio.run(main())
    assert clock.monotonic() == pytest.approx(1005)


def test_in_thread_late_attempts_are_tried_again(build: Build, clock: ManualClock) -> None:
    """Each attempt has a thread and a limit of its own."""
    pipeline = build(timeout=IN_THREAD, retry=RetryConfig(max_attempts=3, base_delay=0))
    hang = Hang(clock)
    with pytest.raises(CallTimeoutError):
        pipeline.call(hang)
    assert pipeline.snapshot().abandoned_threads == 3
    hang.go.set()
    until(lambda: pipeline.snapshot().abandoned_threads == 0)


def test_in_thread_by_the_manager(driver: Driver, clock: ManualClock, ledger: Ledger) -> None:
    """`in_thread=True` moves a plain operation to a worker thread, under the breaker's limit."""
    manager = FaultToleranceManager(clock=clock, hub=ledger)
    seen: list[float | None] = []
    driver.execute(
        manager,
        lambda: seen.append(remaining()),
        circuit_breaker_config=CircuitBreakerConfig("db", timeout=7),
        in_thread=True,
    )
    assert seen == [pytest.approx(7)]


def test_in_thread_threads_are_used_again(driver: Driver, build: Build) -> None:
    """Calls one after the other share worker threads."""
    pipeline = build(timeout=IN_THREAD)
    seen = {driver.call(pipeline, threading.get_ident) for _ in range(50)}
    assert len(seen) < 10


@pytest.mark.parametrize("colour", ["blocking", "asynchronous"])
def test_interpreter_exits_although_a_worker_hangs(colour: str) -> None:
    """A program whose operation hangs for ever ends when its main thread does, with its own exit code."""
    program = f"""
        import sys, threading
        from scrollintel import CallTimeoutError, Policy, Pipeline, TimeoutConfig

        pipeline = Pipeline(Policy("hang", timeout=TimeoutConfig(attempt=0.05, in_thread=True)))
        colour = {colour!r}

        def hang():
            threading.Event().wait()

        try:
            if colour == "blocking":
                pipeline.call(hang)
            else:
                import asyncio

                asyncio.run(pipeline.acall(hang))
        except CallTimeoutError:
            print("abandoned", pipeline.snapshot().abandoned_threads)
            sys.exit(7)
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "abandoned 1\n", "")
