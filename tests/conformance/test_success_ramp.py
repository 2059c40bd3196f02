"""Traffic that returns by success after an outage: on both drivers, under threads, tasks and cancellation."""

from __future__ import annotations

import asyncio
import threading

import pytest

from scrollintel import CircuitBreakerConfig, CircuitRampingError, CircuitState, Pipeline, RejectedError
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Script

RAMP = CircuitBreakerConfig(
    "service", failure_threshold=2, success_threshold=1, recovery_timeout=10.0, timeout=5.0, probe_margin=1.0,
    ramp_kind="success", ramp_limit=8,
)  # fmt: skip


def closed_again(driver: Driver, build: Build, clock: ManualClock) -> Pipeline:
    """Return a policy whose circuit has just closed."""
    pipeline = build(breaker=RAMP)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            driver.call(pipeline, driver.make(Script(ConnectionError("down"))))
    clock.advance(10)
    assert driver.call(pipeline, driver.make(Script("ok"))) == "ok"
    assert pipeline.circuit().state is CircuitState.CLOSED
    return pipeline


def test_success_ramp_admits_one_at_a_time_and_then_more(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A call inside another one is refused by the ramp until successes have made room for two."""
    pipeline = closed_again(driver, build, clock)

    def inside() -> object:
        circuit = pipeline.circuit()
        return circuit.snapshot().ramp_allowed, circuit.snapshot().probes_in_flight

    assert driver.call(pipeline, driver.make(inside)) == (1, 1)
    nested = driver.through(pipeline, driver.make(Script("ok")))
    assert driver.call(pipeline, nested) == "ok"
    assert pipeline.circuit().snapshot().ramp_allowed == 4
    for _ in range(4):
        driver.call(pipeline, driver.make(Script("ok")))
    assert pipeline.circuit().snapshot().ramp_allowed is None
    assert pipeline.circuit().calm_era >= 0


def test_success_ramp_refuses_what_does_not_fit(driver: Driver, build: Build, clock: ManualClock) -> None:
    """The refusal is the ramp's and may be tried again at once."""
    pipeline = closed_again(driver, build, clock)
    nested = driver.through(pipeline, driver.make(Script("ok")))
    with pytest.raises(CircuitRampingError) as caught:
        driver.call(pipeline, nested)
    assert caught.value.retry_after == 0.0
    view = pipeline.circuit().snapshot()
    assert (view.ramp_allowed, view.probes_in_flight, view.tally.rejections) == (1, 0, 1)


def test_success_ramp_is_no_evidence_for_the_next_opening(driver: Driver, build: Build, clock: ManualClock) -> None:
    """What opens the circuit is told by its failures; successes of the ramp are ordinary ones."""
    config = CircuitBreakerConfig(
        "service", window_kind="count", window=4, minimum_calls=4, failure_rate=0.5, success_threshold=1,
        recovery_timeout=10.0, ramp_kind="success",
    )  # fmt: skip
    pipeline = build(breaker=config)
    pipeline.circuit().restore_open(0.0, "a test")
    for result in ("probe", ConnectionError("down"), "ok", "ok", ConnectionError("down")):
        driver.error(pipeline, driver.make(Script(result)))
    evidence = pipeline.circuit().snapshot().evidence
    assert evidence is not None
    told = [(call.outcome, call.error) for call in evidence.calls]
    assert told == [
        ("failure", "ConnectionError"), ("success", None), ("success", None), ("failure", "ConnectionError"),
    ]  # fmt: skip


def test_success_ramp_outlives_a_cancelled_call(build: Build, clock: ManualClock) -> None:
    """A cancelled call gives its place back at whatever turn it is cancelled."""
    for steps in range(6):
        pipeline = build(breaker=RAMP)
        pipeline.circuit().restore_open(0.0, "a test")

        async def main(pipeline: Pipeline = pipeline, steps: int = steps) -> None:
            assert await pipeline.acall(asyncio.sleep, 0, "ok") == "ok"
            task = asyncio.ensure_future(pipeline.acall(asyncio.Event().wait))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

        asyncio.run(main())
        view = pipeline.circuit().snapshot()
        assert (view.state, view.probes_in_flight, view.ramp_allowed) == (CircuitState.CLOSED, 0, 1)


def test_success_ramp_under_tasks_never_holds_more_than_it_allows(build: Build, clock: ManualClock) -> None:
    """Sixty tasks at once: as many run as successes have made room for, and the ramp ends."""
    pipeline = build(breaker=RAMP)
    pipeline.circuit().restore_open(0.0, "a test")
    running = most = 0

    async def work() -> None:
        nonlocal running, most
        running += 1
        allowed = pipeline.circuit().snapshot().ramp_allowed
        most = max(most, running)
        assert allowed is None or running <= allowed
        await asyncio.sleep(0)
        running -= 1

    async def client() -> None:
        for _ in range(50):
            try:
                await pipeline.acall(work)
            except RejectedError:
                await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(client() for _ in range(60)))

    asyncio.run(main())
    view = pipeline.circuit().snapshot()
    assert (view.ramp_allowed, view.probes_in_flight, most) == (None, 0, 60)


def test_success_ramp_under_threads_loses_no_place(build: Build) -> None:
    """Eight threads with failing and good calls: every place is back at the end, and calls pass."""
    pipeline = build(
        breaker=CircuitBreakerConfig(
            "service", failure_threshold=1_000_000, success_threshold=1, ramp_kind="success", ramp_limit=1000
        )
    )
    pipeline.circuit().restore_open(0.0, "a test")
    pipeline.call(int)
    barrier = threading.Barrier(8)

    def client(number: int) -> None:
        barrier.wait()
        for turn in range(300):
            try:
                pipeline.call(int, "no number" if (turn + number) % 7 == 0 else "1")
            except (RejectedError, ValueError):
                pass

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    view = pipeline.circuit().snapshot()
    assert view.probes_in_flight == 0
    assert view.ramp_allowed is not None
    assert view.tally.successes + view.tally.failures + view.tally.rejections == 8 * 300 + 1
    assert pipeline.call(int, "1") == 1
