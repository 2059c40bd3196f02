"""One budget for the retries and hedges of nested layers, on both drivers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from scrollintel import BudgetConfig, ConfigError, FallbackConfig, HedgeConfig, Pipeline, RetryConfig, RetryGivenUp
from scrollintel.core.retry_scope import RETRIES
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import AsynchronousDriver, Driver, Ledger, Script

DOWN = ConnectionError("down")
LAYERS = ("outer", "middle", "inner")
SPANNING = BudgetConfig(across_layers=True)


def retrying(budget: BudgetConfig | None = SPANNING, **more: Any) -> RetryConfig:
    """Return three attempts without a pause."""
    return RetryConfig(base_delay=0.0, budget=budget, **more)


def nest(driver: Driver, pipelines: list[Pipeline], operation: Any) -> Any:
    """Return `operation` inside all but the first of `pipelines`, which are the outermost first."""
    for pipeline in reversed(pipelines[1:]):
        operation = driver.through(pipeline, operation)
    return operation


def count_calls(driver: Driver, pipelines: list[Pipeline], script: Script, requests: int) -> int:
    """Return how often the innermost operation ran for so many requests."""
    operation = driver.through(pipelines[0], nest(driver, pipelines, driver.make(script)))

    async def coroutines() -> None:
        for _ in range(requests):
            with contextlib.suppress(ConnectionError):
                await operation()

    def functions() -> None:
        for _ in range(requests):
            with contextlib.suppress(ConnectionError):
                operation()

    driver.run(coroutines if driver.asynchronous else functions)
    return script.calls


@pytest.mark.parametrize("kind", [Driver, AsynchronousDriver])
@pytest.mark.parametrize(("spanning", "healthy_before"), [(LAYERS, 500), (("outer",), 0)], ids=["all", "outermost"])
def test_outage_through_three_layers_costs_at_most_a_tenth_more(
    kind: type[Driver], clock: ManualClock, build: Build, spanning: tuple[str, ...], healthy_before: int
) -> None:
    """10,000 requests, three layers of three attempts, everything down, no breaker: at most 11,000 calls."""
    driver = kind(clock)
    pipelines = [build(name, retry=retrying(SPANNING if name in spanning else BudgetConfig())) for name in LAYERS]
    count_calls(driver, pipelines, Script("ok"), healthy_before)
    calls = count_calls(driver, pipelines, Script(DOWN), 10_000)
    driver.finish()
    assert 10_000 < calls <= 11_000
    assert calls <= 10_010  # nothing but the reserve: an outage earns nothing


def test_layers_that_do_not_ask_multiply_as_ever(driver: Driver, build: Build) -> None:
    """Without a budget across layers, three layers of three attempts make 27."""
    pipelines = [build(name, retry=retrying(None)) for name in LAYERS]
    assert count_calls(driver, pipelines, Script(DOWN), 1) == 27


def test_inner_layers_stand_down_while_an_outer_one_retries(driver: Driver, build: Build, ledger: Ledger) -> None:
    """3 attempts of the innermost layer, then one for each retry of the others: 7 in place of 27."""
    pipelines = [build(name, retry=retrying()) for name in LAYERS]
    assert count_calls(driver, pipelines, Script(DOWN), 1) == 7
    reasons = [(event.policy, event.reason) for event in ledger.of(RetryGivenUp)]
    assert reasons == [
        ("inner", "attempts"),
        ("inner", "outer"),
        ("inner", "outer"),
        ("middle", "attempts"),
        ("inner", "outer"),
        ("middle", "outer"),
        ("inner", "outer"),
        ("middle", "outer"),
        ("outer", "attempts"),
    ]
    assert [pipeline.snapshot().budget for pipeline in pipelines] == [4.0, 6.0, 8.0]


@pytest.mark.parametrize("middle", [None, SPANNING], ids=["plain", "spanning"])
def test_error_that_an_inner_layer_cannot_pay_for_is_not_retried_outside(
    driver: Driver, build: Build, ledger: Ledger, middle: BudgetConfig | None
) -> None:
    """The inner budget is empty, the outer one is full, and the operation is called once all the same."""
    inner = build("inner", retry=retrying(BudgetConfig(reserve=0.5)))
    pipelines = [build("outer", retry=retrying()), build("middle", retry=retrying(middle)), inner]
    assert count_calls(driver, pipelines, Script(DOWN), 1) == 1
    assert [(event.policy, event.reason) for event in ledger.of(RetryGivenUp)] == [
        ("inner", "budget"), ("middle", "budget"), ("outer", "budget"),
    ]  # fmt: skip
    assert vars(DOWN).keys() <= {"__notes__"}


def test_error_made_of_one_that_was_given_up_is_not_retried_either(driver: Driver, build: Build) -> None:
    """An operation that translates the error of an inner layer hides nothing."""
    outer, inner = build("outer", retry=retrying()), build("inner", retry=retrying(BudgetConfig(reserve=0.5)))
    script = Script(DOWN)

    if driver.asynchronous:

        async def translating() -> None:
            try:
                await inner.acall(script)
            except ConnectionError as error:
                raise RuntimeError("orders are away") from error
    else:

        def translating() -> None:  # type: ignore[misc]  # the other colour
            try:
                inner.call(script)
            except ConnectionError as error:
                raise RuntimeError("orders are away") from error

    assert driver.error(outer, translating) is RuntimeError
    assert script.calls == 1


def test_error_of_another_call_is_retried_after_one_that_was_given_up(driver: Driver, build: Build) -> None:
    """What was given up and answered says nothing about what fails later in the same attempt."""
    outer = build("outer", retry=retrying())
    inner = build("inner", retry=retrying(BudgetConfig(reserve=0.5)), fallback=FallbackConfig(lambda: "kept"))
    other = Script(TimeoutError("slow"), "ok")

    if driver.asynchronous:

        async def both() -> Any:
            return await inner.acall(Script(DOWN)), other()
    else:

        def both() -> Any:
            return inner.call(Script(DOWN)), other()

    assert driver.call(outer, both) == ("kept", "ok")


class WithoutAnAnswer(Exception):
    """What `requests` raises when no answer came."""

    response = None


class NotAsked(Exception):
    """What raises when its answer is asked for too soon."""

    @property
    def response(self) -> object:
        """Raise."""
        raise RuntimeError("there is no answer")


@pytest.mark.parametrize("error", [WithoutAnAnswer("down"), NotAsked("down")])
def test_error_without_an_answer_is_not_one_that_was_given_up(driver: Driver, build: Build, error: Exception) -> None:
    """The layer inside has given up a call that returned None; another one that fails is tried again."""
    inner = build("inner", retry=retrying(BudgetConfig(reserve=0.5), result_predicate=lambda value: value is None))
    outer = build("outer", retry=retrying())
    failing = Script(error)
    nothing, operation = driver.through(inner, driver.make(Script(None))), driver.make(failing)

    def call() -> object:
        nothing()
        return operation()

    async def acall() -> object:
        await nothing()
        return await operation()

    with pytest.raises(type(error)):
        driver.call(outer, acall if driver.asynchronous else call)
    assert failing.calls == 3


def test_inner_layer_without_a_budget_pays_from_the_outer_one(driver: Driver, build: Build) -> None:
    """A plain retry inside takes its price from the layer that has asked for it, and stops when that is empty."""
    outer, inner = (
        build("outer", retry=retrying(BudgetConfig(reserve=1, across_layers=True))),
        build(retry=retrying(None)),
    )
    assert count_calls(driver, [outer, inner], Script(DOWN), 1) == 2
    assert outer.snapshot().budget == 0.0


def test_price_is_taken_from_all_budgets_or_from_none(driver: Driver, build: Build) -> None:
    """When the inner budget cannot pay, the outer one keeps its token."""
    outer, inner = build("outer", retry=retrying()), build(retry=retrying(BudgetConfig(reserve=0.5)))
    count_calls(driver, [outer, inner], Script(DOWN), 1)
    assert outer.snapshot().budget == 10.0


def test_layers_that_name_the_same_budget_pay_once_and_earn_once(driver: Driver, clock: ManualClock) -> None:
    """One bucket of five pays five further attempts, and a call through three layers is one call."""
    from scrollintel import Policy, Registry

    registry = Registry(clock=clock)
    named = BudgetConfig("checkout", reserve=5, across_layers=True)
    pipelines = [registry.pipeline(Policy(name, retry=retrying(named))) for name in LAYERS]
    assert count_calls(driver, pipelines, Script(DOWN), 1) == 1 + 5
    count_calls(driver, pipelines, Script("ok"), 10)
    assert pipelines[0].snapshot().budget == pytest.approx(1.0)


def test_refused_attempt_gives_back_what_it_took_from_every_budget(driver: Driver, build: Build) -> None:
    """A retry that a rate limit refuses has not been made."""
    from scrollintel import RateLimitConfig

    outer = build("outer", retry=retrying())
    inner = build("inner", retry=retrying(), rate_limit=RateLimitConfig(1, period=1000.0))
    driver.error(outer, nest(driver, [outer, inner], driver.make(Script(DOWN))))
    assert (outer.snapshot().budget, inner.snapshot().budget) == (10.0, 10.0)


def test_loop_of_attempts_spans_the_layers_inside(driver: Driver, build: Build) -> None:
    """A block that is tried again makes the calls in it stand down like any outer layer."""
    outer, inner = build("outer", retry=retrying()), build("inner", retry=retrying())
    script = Script(DOWN)
    seen: list[int] = []

    async def coroutines() -> None:
        async for attempt in outer.attempts():
            async with attempt:
                seen.append(attempt.number)
                await inner.acall(driver.make(script))

    def functions() -> None:
        for attempt in outer.attempts():
            with attempt:
                seen.append(attempt.number)
                inner.call(driver.make(script))

    with pytest.raises(ConnectionError):
        driver.run(coroutines if driver.asynchronous else functions)
    assert (seen, script.calls) == ([1, 2, 3], 3 + 1 + 1)
    assert RETRIES.get() is None


def test_hedge_inside_a_retry_sends_nothing_extra(driver: Driver, build: Build) -> None:
    """While the outer layer is in its second attempt, a hedged call inside stays a single one."""
    outer = build("outer", retry=retrying(max_attempts=2))
    inner = build("inner", hedge=HedgeConfig(delay=0.0, max_hedges=1))
    script = Script(DOWN)
    driver.error(outer, driver.through(inner, driver.make(script)))
    assert script.calls == 2 + 1
    assert inner.snapshot().tally.hedges == 1


def test_layers_inside_a_further_hedge_stand_down(driver: Driver, build: Build) -> None:
    """The second attempt of a race is an extra one, so what runs in it makes no further ones."""
    outer = build("outer", hedge=HedgeConfig(delay=0.0, max_hedges=1, budget=SPANNING))
    inner = build("inner", retry=retrying())
    script = Script(DOWN)
    driver.error(outer, driver.through(inner, driver.make(script)))
    assert script.calls == 3 + 1


def test_call_after_the_attempt_is_on_nobodys_books(build: Build) -> None:
    """A task that an attempt started lives on and retries by its own rules."""
    outer, inner = build("outer", retry=retrying()), build("inner", retry=retrying())
    left_behind = Script(DOWN)
    tasks: list[asyncio.Task[Any]] = []

    async def later() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await inner.acall(left_behind)

    async def main() -> None:
        results = iter([DOWN, "ok"])

        async def operation() -> object:
            result = next(results)
            if result == "ok":
                tasks.append(asyncio.ensure_future(later()))
                return result
            raise DOWN

        await outer.acall(operation)
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert left_behind.calls == 3


def test_budget_across_layers_has_one_rule_for_deposits() -> None:
    """With gRPC's rule a retry has no price, so there is nothing that nested layers could share."""
    with pytest.raises(ConfigError, match="across_layers"):
        BudgetConfig(across_layers=True, deposit_on_success=True)
