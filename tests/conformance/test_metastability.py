"""A metastable failure through whole pipelines of both colours: what is shed, told and left alone."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from scrollintel import (
    CircuitBreakerConfig,
    EventHub,
    MetastabilityConfig,
    MetastableOver,
    MetastableShedding,
    MetastableSheddingError,
    MetastableSuspected,
    Pipeline,
    Policy,
    RetryConfig,
    request_context,
)
from scrollintel.core.chance import drawing_from
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger, Operation, Script


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Let the same calls be shed each time."""
    with drawing_from(Random(1).random):
        yield


QUICK = MetastabilityConfig(min_calls=4, learning=3.0, minimum_duration=4.0, shed_to=0.25)
PARTS: dict[str, Any] = {"retry": RetryConfig(base_delay=0.0), "metastability": QUICK}


def of_class(driver: Driver, criticality: str, operation: Operation) -> Operation:
    """Return an operation that runs as a request of a class."""

    def run() -> Any:
        with request_context(criticality=criticality):
            return operation()

    async def arun() -> Any:
        with request_context(criticality=criticality):
            return await operation()

    return arun if driver.asynchronous else run


def flow(driver: Driver, pipeline: Pipeline, clock: ManualClock, seconds: int, *results: object) -> list[Any]:
    """Let eight calls come each second and return how they ended."""
    ends: list[Any] = []
    for _ in range(seconds):
        for _ in range(8):
            ends.append(driver.error(pipeline, driver.make(Script(*results))))
            clock.advance(0.125)
    return ends


def test_metastability_sheds_calls_until_goodput_returns(
    driver: Driver, build: Build, clock: ManualClock, ledger: Ledger
) -> None:
    """Every act is an event; afterwards all calls pass again."""
    pipeline = build(**PARTS)
    flow(driver, pipeline, clock, 6, "good")
    ends = flow(driver, pipeline, clock, 8, ConnectionError())
    assert MetastableSheddingError in ends
    assert ends[0] is ConnectionError
    found = pipeline.snapshot().metastability
    assert found is not None
    assert (found.phase, found.usual_goodput) == ("shedding", 1.0)
    assert found.rejections == ends.count(MetastableSheddingError) == pipeline.snapshot().tally.rejections
    assert "An overload keeps itself alive" in str(pipeline.explain())
    flow(driver, pipeline, clock, 30, "good")
    assert set(flow(driver, pipeline, clock, 1, "good")) == {None}
    (suspected,) = ledger.of(MetastableSuspected)
    assert "goodput is 0% where 100% is usual" in suspected.reason
    shares = [event.share for event in ledger.of(MetastableShedding)]
    assert shares[0] == 0.25
    assert shares[-1] > shares[0]
    assert len(ledger.of(MetastableOver)) == 1


def test_metastability_admits_the_most_critical_calls(driver: Driver, build: Build, clock: ManualClock) -> None:
    """With a quarter of critical calls and a share of a quarter, these pass and the others do not."""
    pipeline = build(**PARTS)

    def mixed(seconds: int, *results: object) -> dict[str, list[Any]]:
        ends: dict[str, list[Any]] = {"critical": [], "sheddable": []}
        for number in range(seconds * 8):
            of = "sheddable" if number % 8 else "critical"
            operation = of_class(driver, of, driver.through(pipeline, driver.make(Script(*results))))
            try:
                driver.run(operation)
            except Exception as error:
                ends[of].append(type(error))
            clock.advance(0.125)
        return ends

    mixed(6, "good")
    mixed(6, ConnectionError())
    ends = mixed(2, ConnectionError())
    assert MetastableSheddingError not in ends["critical"]
    assert MetastableSheddingError in ends["sheddable"]


def test_metastability_stands_inside_the_fallback_and_around_blocks(
    driver: Driver, build: Build, clock: ManualClock
) -> None:
    """A fallback answers what is shed; a guarded block is counted and shed too."""
    pipeline = build(**PARTS, fallback=lambda: "instead")
    flow(driver, pipeline, clock, 6, "good")
    assert set(flow(driver, pipeline, clock, 8, ConnectionError())) == {None}
    assert pipeline.snapshot().tally.fallback_uses["<lambda>"] == 64
    with pytest.raises(MetastableSheddingError):
        for _ in range(50):
            driver.block(pipeline, lambda: None)


def test_metastability_errors_that_count_for_nothing_are_answers(
    driver: Driver, build: Build, clock: ManualClock, ledger: Ledger
) -> None:
    """What the breaker ignores is an answer of the dependency, so nothing is suspected."""
    breaker = CircuitBreakerConfig("service", ignored_exceptions=[KeyError])
    pipeline = build(**PARTS, breaker=breaker)
    flow(driver, pipeline, clock, 6, "good")
    flow(driver, pipeline, clock, 20, KeyError())
    assert ledger.of(MetastableSuspected) == []


def test_metastability_keeps_what_it_has_learnt_through_a_change(
    driver: Driver, build: Build, clock: ManualClock, ledger: Ledger
) -> None:
    """Another configuration goes on; one that only tells lets all calls pass at once."""
    pipeline = build(**PARTS)
    flow(driver, pipeline, clock, 6, "good")
    flow(driver, pipeline, clock, 8, ConnectionError())
    pipeline.replace(Policy("service", retry=PARTS["retry"], metastability=MetastabilityConfig(sheds=False)))
    assert set(flow(driver, pipeline, clock, 2, "good")) == {None}
    assert ledger.of(MetastableOver)[-1].reason == "shedding was switched off"
    found = pipeline.snapshot().metastability
    assert found is not None
    assert found.phase == "normal"
    assert found.usual_goodput > 0.9


def test_metastability_is_off_by_default() -> None:
    """A policy without it keeps the short way."""
    plain, watched = (
        Pipeline(Policy("service", retry=RetryConfig(), metastability=part), hub=EventHub()) for part in (None, QUICK)
    )
    assert plain.lane.fast is plain.lane.circuit
    assert watched.lane.fast is not watched.lane.circuit
