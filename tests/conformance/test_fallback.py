"""Fallback chains: order, arity, kept results, which error surfaces."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from scrollintel import (
    CircuitBreakerConfig,
    FallbackConfig,
    FallbackFailed,
    FallbackUsed,
    FaultToleranceManager,
    Outcome,
    RetryConfig,
    TimeoutConfig,
    Value,
)
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger, Script

DOWN = ConnectionError("down")


def takes_nothing() -> str:
    """Answer without looking."""
    return "nothing"


def takes_outcome(outcome: Outcome) -> str:
    """Answer with the class of the error."""
    return type(outcome.error).__name__


def takes_optional(outcome: Outcome | None = None) -> str:
    """Answer whether an outcome was given."""
    return "with" if outcome else "without"


def takes_any(*outcomes: object) -> str:
    """Answer with the number of arguments."""
    return f"{len(outcomes)} arguments"


class Methods:
    """Fallbacks that are methods."""

    def bound(self, outcome: Outcome) -> str:
        """Answer with the policy's name."""
        return outcome.policy

    def plain(self) -> str:
        """Answer without looking."""
        return "method"

    @staticmethod
    def static(outcome: Outcome) -> str:
        """Answer with the number of attempts."""
        return str(outcome.attempts)

    @classmethod
    def of_class(cls, outcome: Outcome) -> str:
        """Answer with the arguments of the call."""
        return str(outcome.args)

    def __call__(self, outcome: Outcome) -> str:
        """Answer as a callable object."""
        return "object"


@pytest.mark.parametrize(
    ("fallback", "answer"),
    [
        (takes_nothing, "nothing"),
        (takes_outcome, "ConnectionError"),
        (takes_optional, "without"),
        (takes_any, "0 arguments"),
        (lambda outcome: outcome.failed, True),
        (lambda: "lambda", "lambda"),
        (Methods().bound, "service"),
        (Methods().plain, "method"),
        (Methods.static, "1"),
        (Methods.of_class, "(7,)"),
        (Methods(), "object"),
        (functools.partial(takes_outcome), "ConnectionError"),
        (functools.partial(lambda a, outcome: a, 5), 5),
        (Value([1]), [1]),
        (list, []),
        (dict, {}),
    ],
)
def test_fallback_takes_nothing_or_one_outcome(
    driver: Driver, build: Build, fallback: Callable[..., Any], answer: object
) -> None:
    """Whether a fallback wants the outcome is read from its signature, for every kind of callable."""
    assert driver.call(build(fallback=fallback), driver.make(Script(DOWN)), 7) == answer


def test_fallback_chain_skips_those_that_fail_and_counts_uses(driver: Driver, build: Build, ledger: Ledger) -> None:
    """The first fallback that does not raise answers; the others are told as failed."""
    pipeline = build(fallback=[Script(KeyError("a")), Script(OSError("b")), takes_nothing, takes_outcome])
    for _ in range(2):
        assert driver.call(pipeline, driver.make(Script(DOWN))) == "nothing"
    assert pipeline.snapshot().tally.fallback_uses == {"takes_nothing": 2}
    assert [(e.index, e.error) for e in ledger.of(FallbackFailed)] == [(0, "KeyError"), (1, "OSError")] * 2
    assert [(e.index, e.kind, e.error) for e in ledger.of(FallbackUsed)] == [
        (2, "takes_nothing", "ConnectionError")
    ] * 2


def test_fallback_all_failing_keeps_the_first_error(driver: Driver, build: Build) -> None:
    """The operation's own error surfaces, with a note about each fallback that raised."""
    error = ConnectionError("down")
    with pytest.raises(ConnectionError) as caught:
        driver.call(build(fallback=[Script(KeyError("a")), Script(OSError("b"))]), driver.make(Script(error)))
    assert caught.value is error
    assert [note for note in error.__notes__ if "KeyError" in note or "OSError" in note].__len__() == 2
    assert caught.value.__cause__ is None


def test_fallback_is_not_asked_on_success(driver: Driver, build: Build) -> None:
    """A good result needs no fallback."""
    fallback = Script("never")
    assert driver.call(build(fallback=fallback), driver.make(Script("ok"))) == "ok"
    assert fallback.calls == 0


def test_fallback_answers_after_all_retries(driver: Driver, build: Build, clock: ManualClock) -> None:
    """The outcome tells attempts, elapsed time and arguments."""
    seen: list[Outcome] = []
    pipeline = build(retry=RetryConfig(jitter=False), fallback=seen.append)
    driver.call(pipeline, driver.takes(1, Script(DOWN)), "a", b=2)
    (outcome,) = seen
    assert outcome.attempts == 3
    assert outcome.elapsed == pytest.approx(6)
    assert (outcome.args, outcome.kwargs, outcome.error) == (("a",), {"b": 2}, DOWN)


def test_fallback_only_for_named_errors_and_conditions(driver: Driver, build: Build) -> None:
    """`on` names the errors, `when` decides on the outcome."""
    named = build(fallback=FallbackConfig(takes_nothing, on=[ConnectionError]))
    assert driver.call(named, driver.make(Script(DOWN))) == "nothing"
    with pytest.raises(ValueError, match="bad"):
        driver.call(named, driver.make(Script(ValueError("bad"))))
    decided = build(fallback=FallbackConfig(takes_nothing, when=lambda outcome: outcome.value == "empty"))
    assert driver.call(decided, driver.make(Script("empty"))) == "nothing"
    assert driver.call(decided, driver.make(Script("full"))) == "full"
    with pytest.raises(ConnectionError):
        driver.call(decided, driver.make(Script(DOWN)))


def test_fallback_replaces_a_bad_result(driver: Driver, build: Build) -> None:
    """A returned value may be replaced; when every fallback fails the value itself comes back."""
    config = FallbackConfig(takes_nothing, result_predicate=lambda value: value == 503)
    assert driver.call(build(fallback=config), driver.make(Script(503))) == "nothing"
    broken = FallbackConfig(Script(KeyError("x")), result_predicate=lambda value: value == 503)
    assert driver.call(build(fallback=broken), driver.make(Script(503))) == 503


def test_fallback_exit_of_the_process_is_not_answered(driver: Driver, build: Build) -> None:
    """What is no `Exception` passes every fallback."""
    fallback = Script("never")
    with pytest.raises(GeneratorExit):
        driver.call(build(fallback=fallback), driver.make(Script(GeneratorExit())))
    assert fallback.calls == 0


def test_stale_result_answers_by_key_and_age(driver: Driver, build: Build, clock: ManualClock, ledger: Ledger) -> None:
    """Good results are kept by key and given again while they are young enough, before the chain."""
    config = FallbackConfig(takes_nothing, stale_if_error=30, stale_key=lambda name: name, stale_entries=2)
    pipeline = build(fallback=config)
    for name in ("a", "b"):
        driver.call(pipeline, driver.make(lambda name: name.upper()), name)
    clock.advance(30)
    failing = driver.make(Script(DOWN))
    assert driver.call(pipeline, failing, "a") == "A"
    assert driver.call(pipeline, failing, "c") == "nothing"
    clock.advance(0.5)
    assert driver.call(pipeline, failing, "b") == "nothing"
    assert pipeline.snapshot().tally.fallback_uses == {"stale": 1, "takes_nothing": 2}
    assert [event.kind for event in ledger.of(FallbackUsed)] == ["stale", "takes_nothing", "takes_nothing"]


def test_stale_results_are_bounded(driver: Driver, build: Build) -> None:
    """The result that was kept longest ago gives way."""
    config = FallbackConfig(stale_if_error=30, stale_key=lambda name: name, stale_entries=2)
    pipeline = build(fallback=config)
    for name in ("a", "b", "a", "c"):
        driver.call(pipeline, driver.make(lambda name: name), name)
    failing = driver.make(Script(DOWN))
    assert [driver.call(pipeline, failing, name) for name in ("a", "c")] == ["a", "c"]
    with pytest.raises(ConnectionError):
        driver.call(pipeline, failing, "b")


@pytest.mark.parametrize("key", [lambda name: [name], lambda: "takes nothing"])
def test_stale_key_that_cannot_be_made_hides_no_error(driver: Driver, build: Build, key: Any) -> None:
    """Nothing is kept under it, the chain answers, and without one the caller gets the error of the call."""
    failing = driver.make(Script(DOWN))
    pipeline = build(fallback=FallbackConfig(takes_nothing, stale_if_error=30, stale_key=key))
    assert driver.call(pipeline, driver.make(lambda name: name), "a") == "a"
    assert driver.call(pipeline, failing, "a") == "nothing"
    with pytest.raises(ConnectionError):
        driver.call(build("alone", fallback=FallbackConfig(stale_if_error=30, stale_key=key)), failing, "a")


def test_stale_none_is_a_result(driver: Driver, build: Build) -> None:
    """A kept None is given like any other value."""
    pipeline = build(fallback=FallbackConfig(takes_nothing, stale_if_error=30))
    driver.call(pipeline, driver.make(Script(None)))
    assert driver.call(pipeline, driver.make(Script(DOWN))) is None


def test_fallback_runs_outside_the_deadline(driver: Driver, build: Build, clock: ManualClock) -> None:
    """The fallback of a call whose time is over still answers."""
    pipeline = build(timeout=TimeoutConfig(total=5), fallback=driver.takes(60, lambda: "late but there"))
    operation = driver.takes(10, Script(TimeoutError("socket")))
    if driver.asynchronous:
        assert driver.call(pipeline, operation) == "late but there"
    else:
        assert driver.call(pipeline, operation) == "late but there"
    assert clock.monotonic() >= 1065


def test_fallback_list_of_one_call_is_tried_in_order(driver: Driver, clock: ManualClock, ledger: Ledger) -> None:
    """A call may bring several fallbacks along, a constant among them."""
    manager = FaultToleranceManager(clock=clock, hub=ledger)
    got = driver.execute(
        manager,
        driver.make(Script(DOWN)),
        circuit_breaker_config=CircuitBreakerConfig("db"),
        fallback=[Script(KeyError("a")), Value("constant")],
    )
    assert got == "constant"
    assert manager.snapshot()["db"].tally.fallback_uses == {"value": 1}


def test_fallback_coroutine_in_a_blocking_call_counts_as_failed(build: Build, ledger: Ledger) -> None:
    """Nothing can await a coroutine fallback in blocking code; it is closed, told as failed, and the next is asked."""

    async def coroutine() -> str:
        return "never"

    assert build(fallback=[coroutine, takes_nothing]).call(Script(DOWN)) == "nothing"
    assert ledger.of(FallbackFailed)[0].error == "UnprotectedError"


def test_fallback_coroutine_is_awaited(build: Build) -> None:
    """The asynchronous driver awaits a coroutine fallback."""
    import asyncio

    async def coroutine(outcome: Outcome) -> str:
        await asyncio.sleep(0)
        return "awaited"

    async def main() -> str:
        return str(await build(fallback=coroutine).acall(Script(DOWN)))

    assert asyncio.run(main()) == "awaited"
