"""Fallbacks that run beside calls now and then, in both colours: what runs, what is counted, what is told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from scrollintel import (
    Criticality,
    FallbackCold,
    FallbackConfig,
    FallbackSnapshot,
    FallbackWarm,
    Outcome,
    Pipeline,
    Policy,
    Value,
    check,
    current_request,
    remaining,
    shadowable,
)
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger, Script

RARE = 1e-9
"""A share that no draw meets."""


def one(pipeline: Pipeline) -> FallbackSnapshot:
    """Return what is known of the only fallback."""
    (found,) = pipeline.snapshot().fallbacks
    return found


def until(driver: Driver, reached: Callable[[], bool]) -> None:
    """Wait for threads and tasks that nobody waits for."""
    end = time.monotonic() + 10.0
    while not reached():
        assert time.monotonic() < end
        if driver.asynchronous:
            driver.run(asyncio.sleep, 0.001)
        else:
            time.sleep(0.001)


def call(driver: Driver, pipeline: Pipeline, value: object = "real", *args: object) -> Any:
    """Make a call that succeeds, and wait for the run beside it."""
    result = driver.call(pipeline, driver.make(lambda *args: value), *args)
    until(driver, lambda: one(pipeline).runs == sum((one(pipeline).worked, one(pipeline).failed, one(pipeline).late)))
    return result


def warm(fallback: Callable[..., Any], **fields: Any) -> FallbackConfig:
    """Return a configuration whose only fallback runs beside every call."""
    return FallbackConfig(shadowable(fallback), **{"shadow_rate": 1.0, **fields})


def test_warm_fallback_runs_beside_calls_and_its_answer_is_thrown_away(driver: Driver, build: Build) -> None:
    """It sees the arguments and the real value, and what it gives is compared with that."""
    seen: list[Outcome] = []

    def replica(outcome: Outcome) -> object:
        seen.append(outcome)
        return outcome.args[0]

    pipeline = build(fallback=warm(replica, shadow_compare=lambda real, other: real == other))
    assert call(driver, pipeline, "a", "a") == "a"
    assert call(driver, pipeline, "a", "b") == "a"
    assert [(one.args, one.value, one.error) for one in seen] == [
        (("a",), "a", None),
        (("b",), "a", None),
    ]
    found = one(pipeline)
    assert (found.kind, found.runs, found.worked, found.compared, found.agreed) == ("replica", 2, 2, 2, 1)
    assert found.agreement == 0.5
    assert not found.cold
    assert pipeline.snapshot().tally.fallbacks == 0
    assert "Fallback 'replica' ran beside 2 calls: 2 worked" in str(pipeline.explain())


def test_warm_fallback_of_the_colour_of_the_driver(driver: Driver, build: Build) -> None:
    """A coroutine function runs in a task; the blocking driver could not await it, and says so before it has to."""

    async def replica() -> str:
        await asyncio.sleep(0)
        return "kept"

    pipeline = build(fallback=warm(replica))
    assert call(driver, pipeline) == "real"
    assert one(pipeline).worked == driver.asynchronous
    assert one(pipeline).failed == (not driver.asynchronous)


def test_warm_fallback_needs_a_mark_and_a_success(driver: Driver, build: Build) -> None:
    """What is not marked never runs beside a call, and beside one that failed nothing does."""
    ran: list[str] = []
    marked = shadowable(lambda: ran.append("marked"))
    chain = [lambda: ran.append("unmarked"), marked, Value(None)]
    pipeline = build(fallback=FallbackConfig(chain, shadow_rate=1.0))
    assert call(driver, pipeline) == "real"
    assert ran == ["marked"]
    driver.call(pipeline, driver.make(Script(ConnectionError())))
    assert ran == ["marked", "unmarked"]
    assert build("other", fallback=FallbackConfig(chain[0], shadow_rate=1.0)).snapshot().fallbacks == ()


def test_warm_fallback_is_reported_before_it_is_needed(
    driver: Driver, build: Build, ledger: Ledger, clock: ManualClock
) -> None:
    """Three failures make it cold, one success warm; each is told once, and never by its text."""
    script = Script(
        ValueError("ann@example.org"), ValueError("ann@example.org"), ValueError("x"), ValueError("x"), "good"
    )
    pipeline = build(fallback=warm(script))
    for _ in range(4):
        assert call(driver, pipeline) == "real"
    (cold,) = ledger.of(FallbackCold)
    assert (cold.index, cold.kind, cold.reason) == (0, "Script", "its last 3 runs did not work")
    assert one(pipeline).cold
    assert "ann@" not in str(pipeline.explain())
    assert "is cold: its last 4 runs did not work. The next outage would find it so." in str(pipeline.explain())
    assert "cold_fallback" in check(pipeline).codes
    call(driver, pipeline)
    assert len(ledger.of(FallbackWarm)) == 1
    assert one(pipeline).last_worked == clock.time()
    assert "cold_fallback" not in check(pipeline).codes


def test_warm_fallback_runs_in_time_however_few_calls_come(driver: Driver, build: Build, clock: ManualClock) -> None:
    """The share is never met; half of `cold_after` later it runs beside the next call all the same."""
    pipeline = build(fallback=warm(lambda: None, shadow_rate=RARE, cold_after=100.0))
    call(driver, pipeline)
    assert one(pipeline).runs == 0
    clock.advance(51.0)
    call(driver, pipeline)
    call(driver, pipeline)
    assert one(pipeline).runs == 1
    clock.advance(99.0)
    assert not one(pipeline).cold
    clock.advance(2.0)
    assert one(pipeline).cold
    assert one(pipeline).reason == "it has not worked for 101 s"


def test_warm_fallback_that_answers_a_real_call_has_worked(driver: Driver, build: Build, clock: ManualClock) -> None:
    """Real answers and real failures count for its warmth as well."""
    answers = Script("instead", KeyError(), KeyError(), KeyError(), "instead")
    pipeline = build(fallback=warm(answers, shadow_rate=RARE))
    failing = driver.make(Script(ConnectionError()))
    assert driver.call(pipeline, failing) == "instead"
    assert one(pipeline).last_worked == clock.time()
    for _ in range(3):
        assert driver.error(pipeline, failing) is ConnectionError
    assert one(pipeline).cold
    assert driver.call(pipeline, failing) == "instead"
    assert not one(pipeline).cold


def test_warm_fallback_that_hangs_holds_its_places_and_no_call(
    driver: Driver, build: Build, clock: ManualClock, ledger: Ledger
) -> None:
    """At most two run at once; late ones have not worked, and their threads keep their places until they return."""
    released = threading.Event()
    began: list[int] = []

    def hang() -> None:
        began.append(1)
        released.wait(30)

    pipeline = build(fallback=warm(hang, shadow_limit=2, shadow_timeout=5.0, cold_after=50.0))
    try:
        for _ in range(6):
            assert driver.call(pipeline, driver.make(lambda: "real")) == "real"
            if driver.asynchronous:
                driver.run(asyncio.sleep, 0)
        until(driver, lambda: len(began) == 2)
        clock.advance(6.0)
        until(driver, lambda: one(pipeline).late == 2)
        driver.call(pipeline, driver.make(lambda: "real"))
        clock.advance(50.0)
        assert one(pipeline).cold
        assert len(began) == 2
        assert len(ledger.of(FallbackCold)) == 1
    finally:
        released.set()
    until(driver, lambda: driver.call(pipeline, driver.make(lambda: "real")) == "real" and len(began) > 2)


def test_warm_fallback_has_a_context_of_its_own(driver: Driver, build: Build) -> None:
    """Its own time limit, and the first to be shed by what it calls."""
    seen: list[Any] = []

    def replica() -> None:
        seen.append((remaining(), current_request().criticality))

    call(driver, build(fallback=warm(replica, shadow_timeout=3.0), timeout=50.0))
    (found,) = seen
    assert found == (pytest.approx(3.0), Criticality.SHEDDABLE)


def test_warm_fallback_keeps_what_is_known_through_a_change(driver: Driver, build: Build) -> None:
    """A fallback that stays keeps its counts; one that never ran beside calls costs nothing."""

    def replica() -> None:
        """Do nothing."""

    pipeline = build(fallback=warm(replica))
    call(driver, pipeline)
    pipeline.replace(Policy("service", fallback=warm(replica, shadow_rate=0.5, cold_after=10.0)))
    assert one(pipeline).worked == 1
    pipeline.replace(Policy("service", fallback=FallbackConfig(replica)))
    assert pipeline.snapshot().fallbacks == ()
    assert pipeline.lane.fast is pipeline.lane.circuit


def test_warm_fallback_that_cannot_be_marked_is_refused() -> None:
    """A builtin takes no mark; the text says what to do."""
    with pytest.raises(TypeError, match="wrap it in a function"):
        shadowable(len)
