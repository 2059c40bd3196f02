"""A health probe may end an open period early and never extends it; a hung one holds nothing."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from scrollintel import CircuitBreaker, CircuitBreakerConfig, CircuitOpenError, CircuitState, Pipeline, levels
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Script

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
DOWN = ConnectionError("down")


class Health:
    """A service whose health can be asked for."""

    def __init__(self) -> None:
        self.well = False
        self.asked: list[tuple[Any, ...]] = []

    def __call__(self, *key: Any) -> bool:
        self.asked.append(key)
        if not self.well and len(self.asked) % 2:
            raise ConnectionError("refused")
        return self.well


def guarded(build: Build, probe: Callable[..., Any], **changes: Any) -> Pipeline:
    """Return a policy that opens at the first failure for a minute, and asks every four seconds or so."""
    config = {
        "failure_threshold": 1,
        "recovery_timeout": 60.0,
        "success_threshold": 1,
        "probe_interval": 4.0,
        **changes,
    }
    return build(breaker=CircuitBreakerConfig("service", health_probe=probe, **config))


def fail(driver: Driver, pipeline: Pipeline) -> None:
    """Let a call fail."""
    assert driver.error(pipeline, driver.make(Script(DOWN))) is ConnectionError


def test_health_probe_ends_an_open_period_early(driver: Driver, build: Build, clock: ManualClock) -> None:
    """Calls are admitted as soon as the service says that it is well, and they decide."""
    health = Health()
    pipeline = guarded(build, health)
    fail(driver, pipeline)
    assert health.asked == []
    clock.advance(12)
    assert 2 <= len(health.asked) <= 4
    view = pipeline.circuit().snapshot()
    assert (view.state, view.health_probes, view.health_probe_failures) == (OPEN, *[len(health.asked)] * 2)
    assert view.health_probe_error is not None
    health.well = True
    clock.advance(5.1)
    view = pipeline.circuit().snapshot()
    assert (view.state, view.reason) == (HALF_OPEN, "the health probe says that the service is well")
    assert driver.call(pipeline, driver.make(Script("ok"))) == "ok"
    assert pipeline.circuit().state is CLOSED
    asked = len(health.asked)
    clock.advance(1000)
    assert len(health.asked) == asked


def test_health_probe_never_extends_an_open_period(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A service that says it is ill is tried when the open period is over, as without a probe."""
    health = Health()
    pipeline = guarded(build, health)
    fail(driver, pipeline)
    clock.advance(59.9)
    assert driver.error(pipeline, driver.make(Script("ok"))) is CircuitOpenError
    clock.advance(0.1)
    assert driver.call(pipeline, driver.make(Script("ok"))) == "ok"


def test_health_probe_that_lies_is_asked_less_often(driver: Driver, build: Build, clock: ManualClock) -> None:
    """With growing open periods a probe that says yes to a broken service gets one call for each longer interval."""
    health = Health()
    health.well = True
    pipeline = guarded(build, health, open_backoff=2.0)
    begun = clock.monotonic()
    for _ in range(6):
        fail(driver, pipeline)
        while pipeline.circuit().state is OPEN:
            clock.advance(0.5)
    assert clock.monotonic() - begun >= 0.75 * 4 * (1 + 2 + 4 + 8 + 15 + 15)


def test_health_probe_hears_which_key(driver: Driver, build: Build, clock: ManualClock) -> None:
    """Each circuit of a key or level is asked for by its key; that of the service has none."""
    health = Health()
    config = CircuitBreakerConfig("service", failure_threshold=1, health_probe=health, probe_interval=4.0)
    plain = build(breaker=config, key=lambda host: host)
    driver.error(plain, driver.make(Script(DOWN)), "a")
    clock.advance(5)
    tree = build(breaker=config, key=levels(host=lambda host: host))
    driver.error(tree, driver.make(Script(DOWN)), "b")
    tree.circuit().restore_open(60.0, "a test")
    health.asked.clear()
    clock.advance(5)
    assert set(health.asked) == {("a",), ("host=b",), ()}


def test_health_probe_of_a_replaced_policy(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A probe that comes with another configuration is asked in the open period that runs; one that goes is not."""
    health = Health()
    pipeline = guarded(build, health)
    policy, config = pipeline.policy, pipeline.policy.breaker
    assert config is not None
    without = CircuitBreakerConfig("service", failure_threshold=1, success_threshold=1)
    pipeline.replace(type(policy)("service", breaker=without))
    fail(driver, pipeline)
    clock.advance(10)
    assert health.asked == []
    pipeline.replace(policy)
    clock.advance(6)
    assert health.asked
    pipeline.replace(type(policy)("service", breaker=without))
    health.asked.clear()
    clock.advance(20)
    assert health.asked == []


def test_health_probe_may_be_a_coroutine_function(driver: Driver, build: Build, clock: ManualClock) -> None:
    """It is awaited under its time limit."""
    well = False

    async def probe() -> bool:
        await asyncio.sleep(0)
        return well

    pipeline = guarded(build, probe)
    fail(driver, pipeline)
    clock.advance(10)
    assert pipeline.circuit().state is OPEN
    well = True
    clock.advance(6)
    assert pipeline.circuit().state is HALF_OPEN


def test_idle_circuit_tells_that_it_is_half_open(driver: Driver, build: Build, clock: ManualClock) -> None:
    """Nobody calls, and whoever looks sees that the open period is over."""
    breaker = CircuitBreaker(CircuitBreakerConfig("idle", failure_threshold=1), clock=clock)
    with pytest.raises(ZeroDivisionError):
        breaker.call(lambda: 1 // 0)
    assert "state=open" in repr(breaker)
    clock.advance(60)
    assert "state=half_open" in repr(breaker)


# ------------------------------------------------------------------------------------------- real threads and time


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def probes() -> list[threading.Thread]:
    """Return the threads that ask or wait to ask."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("scrollintel-health-probe")]


def real(probe: Callable[..., Any], **changes: Any) -> CircuitBreaker:
    """Return a breaker on the system's clock that asks twenty times a second."""
    config = {"failure_threshold": 1, "recovery_timeout": 60.0, "probe_interval": 0.05, "probe_timeout": 0.1, **changes}
    breaker = CircuitBreaker(CircuitBreakerConfig("real", health_probe=probe, **config))
    with pytest.raises(ZeroDivisionError):
        breaker.call(lambda: 1 // 0)
    return breaker


@pytest.mark.parametrize("asynchronous", [False, True])
def test_health_probe_runs_beside_the_calls_and_ends(asynchronous: bool) -> None:
    """One thread asks while the circuit is open, and is gone when it no longer is."""
    well = threading.Event()

    async def later() -> bool:
        await asyncio.sleep(0)
        return well.is_set()

    breaker = real(later if asynchronous else well.is_set)
    until(lambda: breaker.snapshot().health_probes >= 2)
    assert breaker.state is OPEN
    well.set()
    until(lambda: breaker.state is HALF_OPEN)
    until(lambda: not probes())


class Stepping(ManualClock):
    """A clock without timers, on which the thread that asks takes one step at a time, as long as it has wished."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Any:
        """Have no timers, so that threads ask."""

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        """Wait for leave, and let the time pass."""
        self.reached.release()
        self.go.acquire()
        self.advance(seconds or 0.0)
        return event.is_set()


def test_health_probe_by_threads_keeps_its_interval() -> None:
    """Questions are an interval apart, spread by a quarter, and not as much later as the thread looks seldom."""
    clock = Stepping()
    asked: list[float] = []

    def unwell() -> bool:
        asked.append(clock.monotonic())
        return False

    config = CircuitBreakerConfig("real", health_probe=unwell, failure_threshold=1, recovery_timeout=600.0)
    breaker = CircuitBreaker(config, clock=clock)
    with pytest.raises(ZeroDivisionError):
        breaker.call(lambda: 1 // 0)
    while len(asked) < 20:
        assert clock.reached.acquire(timeout=20)
        until(lambda: not any(thread.name == "scrollintel-health-probe" for thread in probes()))
        clock.go.release()
    breaker.close()
    clock.go.release(10)
    until(lambda: not probes())
    gaps = [later - before for before, later in pairwise(asked)]
    assert min(gaps) > 3.74 and max(gaps) < 6.26


def test_health_probe_that_hangs_holds_one_thread_and_nothing_else() -> None:
    """It is given up and told as an error; no second one starts, calls go on, and time ends the open period."""
    go = threading.Event()
    asked = []

    def hang() -> None:
        asked.append(1)
        go.wait(20)

    breaker = real(hang, recovery_timeout=0.6)
    until(lambda: breaker.snapshot().health_probe_failures == 1)
    error = breaker.snapshot().health_probe_error
    assert error is not None and error.type == "TimeoutError"
    until(lambda: breaker.state is HALF_OPEN)
    with pytest.raises(ZeroDivisionError):
        breaker.call(lambda: 1 // 0)  # opens again while the first question still hangs
    time.sleep(0.3)
    assert len(asked) == 1
    assert len(probes()) == 2
    go.set()
    until(lambda: len(asked) > 1 or breaker.state is HALF_OPEN)
    breaker.close()
    until(lambda: not probes())


def test_health_probe_that_hangs_as_a_coroutine_is_cancelled() -> None:
    """A coroutine that does not answer in time leaves no thread behind."""
    cancelled = threading.Event()

    async def hang() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    breaker = real(hang)
    until(cancelled.is_set)
    until(lambda: breaker.snapshot().health_probe_failures >= 1)
    breaker.close()
    until(lambda: not probes())


def test_health_probe_ends_with_its_circuit() -> None:
    """A circuit that nobody holds is collected, and its thread ends."""
    breaker: CircuitBreaker | None = real(lambda: False)
    assert breaker is not None
    circuit = weakref.ref(breaker._circuit)
    until(lambda: bool(probes()))
    breaker = None
    until(lambda: gc.collect() >= 0 and circuit() is None)
    until(lambda: not probes())
