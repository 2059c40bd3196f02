"""The short way equals the chain, and both drivers equal each other: the same calls leave the same record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scrollintel import (
    AdaptiveLimitConfig,
    BudgetConfig,
    CircuitBreakerConfig,
    Pipeline,
    Policy,
    RetryConfig,
    ThrottleConfig,
    TimeoutConfig,
    Value,
)
from scrollintel.core.chance import drawing_from
from scrollintel.core.interventions import INTERVENTIONS
from scrollintel.testing import ManualClock
from tests.conformance.conftest import unchanged
from tests.conformance.driver import Ledger
from tests.thoroughness import examples

Step = tuple[str, float, float]
"""How an attempt ends, how long it takes, and how much time passes before the next call."""


def rate_window(kind: str, window: int) -> dict[str, Any]:
    """Return the fields of a circuit that judges rates and slowness."""
    return {
        "window_kind": kind, "window": window, "minimum_calls": 3, "failure_rate": 0.6,
        "slow_call_duration": 2.0, "slow_call_rate": 0.8,
    }  # fmt: skip


windows = st.sampled_from(
    [
        {},
        {"failure_threshold": 2},
        rate_window("count", 5),
        rate_window("time", 20),
        {"window_kind": "count_in_time", "window": 10, "failure_threshold": 2},
    ]
)


budgets = st.sampled_from(
    [None, None, BudgetConfig(reserve=2.0, ratio=0.5), BudgetConfig(reserve=2.0, across_layers=True)]
)
throttles = st.sampled_from([None, None, ThrottleConfig(window=20.0, min_requests=2)])
limits = st.sampled_from([None, None, AdaptiveLimitConfig(initial_limit=4), AdaptiveLimitConfig(initial_limit=2)])


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Return a policy that may take the short way."""
    breaker = CircuitBreakerConfig(
        "service",
        recovery_timeout=draw(st.sampled_from([3.0, 15.0])),
        success_threshold=draw(st.integers(1, 2)),
        timeout=draw(st.sampled_from([None, 4.0])),
        ignored_exceptions=[KeyError],
        **draw(windows),
    )
    retry = RetryConfig(
        max_attempts=draw(st.integers(1, 3)),
        base_delay=draw(st.sampled_from([0.0, 1.0])),
        jitter=False,
        max_elapsed=draw(st.sampled_from([None, 6.0])),
        retryable_exceptions=[OSError, TimeoutError],
        budget=draw(budgets),
    )
    return Policy(
        "service",
        breaker=draw(st.sampled_from([breaker, None])),
        retry=draw(st.sampled_from([retry, None])),
        fallback=draw(st.sampled_from([Value("answer"), None])),
        timeout=draw(st.sampled_from([None, None, TimeoutConfig(attempt=2.5)])),
        response_times=draw(st.booleans()),
        throttle=draw(throttles),
        limit=draw(limits),
    )


ends = st.sampled_from(["value", "value", "OSError", "OSError", "KeyError", "ValueError"])
seconds = st.sampled_from([0.0, 0.0, 0.004, 0.004, 0.5, 2.2, 3.0, 5.0])
pauses = st.sampled_from([0.0, 0.0, 0.002, 0.002, 0.02, 1.0, 4.0, 16.0])
steps = st.lists(st.tuples(ends, seconds, pauses), max_size=25)
ERRORS = {"OSError": OSError, "KeyError": KeyError, "ValueError": ValueError}


class Record:
    """One run of the steps: what callers saw, what was told, what was counted and when it was over."""

    def __init__(self, policy: Policy) -> None:
        self.clock = ManualClock()
        self.ledger = Ledger()
        self.pipeline = Pipeline(policy, clock=self.clock, hub=self.ledger)
        self.seen: list[object] = []

    def note(self, result: object) -> None:
        """Keep a value or an error as plain text, notes included."""
        if isinstance(result, BaseException):
            self.seen.append((type(result).__name__, str(result), getattr(result, "__notes__", [])))
        else:
            self.seen.append(result)

    def facts(self) -> dict[str, object]:
        """Return all there is to compare."""
        return {
            "seen": self.seen,
            "events": self.ledger.events,
            "snapshot": self.pipeline.snapshot(),
            "sleeps": self.clock.sleeps,
            "time": self.clock.monotonic(),
        }


def end_of(kind: str) -> str:
    """Return or raise what an attempt ends in."""
    if kind in ERRORS:
        raise ERRORS[kind](kind)
    return kind


def run_blocking(policy: Policy, script: list[Step]) -> dict[str, object]:
    """Run the steps through the blocking driver."""
    record = Record(policy)

    def operation(kind: str, takes: float) -> str:
        record.clock.advance(takes)
        return end_of(kind)

    for kind, takes, after in script:
        try:
            record.note(record.pipeline.call(operation, kind, takes))
        except Exception as error:
            record.note(error)
        record.clock.advance(after)
    return record.facts()


def run_asynchronous(policy: Policy, script: list[Step]) -> dict[str, object]:
    """Run the steps through the asynchronous driver, with operations that never suspend."""
    record = Record(policy)

    async def operation(kind: str, takes: float) -> str:
        record.clock.advance(takes)
        return end_of(kind)

    async def main() -> None:
        for kind, takes, after in script:
            try:
                record.note(await record.pipeline.acall(operation, kind, takes))
            except Exception as error:
                record.note(error)
            record.clock.advance(after)

    asyncio.run(main())
    return record.facts()


def run_decorated(policy: Policy, script: list[Step]) -> dict[str, object]:
    """Run the steps through a decorated function."""
    record = Record(policy)

    @record.pipeline
    def operation(kind: str, takes: float = 0.0) -> str:
        record.clock.advance(takes)
        return end_of(kind)

    for kind, takes, after in script:
        try:
            record.note(operation(kind, takes=takes))
        except Exception as error:
            record.note(error)
        record.clock.advance(after)
    return record.facts()


def through_the_chain(
    run: Callable[[Policy, list[Step]], dict[str, object]], policy: Policy, script: list[Step]
) -> Any:
    """Run with the short way closed."""
    INTERVENTIONS.change(add=unchanged)
    try:
        return run(policy, script)
    finally:
        INTERVENTIONS.change(remove=unchanged)


@settings(max_examples=examples(2000))
@given(policies(), steps)
def test_short_way_and_chain_and_both_drivers_leave_one_record(policy: Policy, script: list[Step]) -> None:
    """Results, errors with their notes, events, counts, response times, waits and state are equal on all ways."""
    with drawing_from(lambda: 0.5):
        expected = through_the_chain(run_blocking, policy, script)
        for run in (run_blocking, run_decorated, run_asynchronous):
            assert run(policy, script) == expected
        assert through_the_chain(run_asynchronous, policy, script) == expected


@settings(max_examples=examples(1000))
@given(policies(), steps, st.integers(0, 24))
def test_short_way_and_chain_agree_across_a_replacement(policy: Policy, script: list[Step], place: int) -> None:
    """Opening or closing the short way in the middle changes nothing."""
    with drawing_from(lambda: 0.5):
        expected = run_blocking(policy, script)
        record = Record(policy)

        def operation(kind: str, takes: float) -> str:
            record.clock.advance(takes)
            return end_of(kind)

        for number, (kind, takes, after) in enumerate(script):
            closed = (number + place) % 3 == 0
            if closed:
                INTERVENTIONS.change(add=unchanged)
            try:
                record.note(record.pipeline.call(operation, kind, takes))
            except Exception as error:
                record.note(error)
            finally:
                if closed:
                    INTERVENTIONS.change(remove=unchanged)
            record.clock.advance(after)
        assert record.facts() == expected
