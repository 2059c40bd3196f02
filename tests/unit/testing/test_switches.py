"""Protection off, and retries without waiting: in both colours, nested, as decorators, and after errors."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator

import pytest

from scrollintel.core.circuit_breaker import CircuitBreaker
from scrollintel.core.config import CircuitBreakerConfig, Policy, RetryConfig
from scrollintel.core.errors import CircuitIsolatedError
from scrollintel.core.interventions import INTERVENTIONS
from scrollintel.core.manager import FaultToleranceManager
from scrollintel.core.pipeline import Pipeline
from scrollintel.core.registry import Registry
from scrollintel.testing import Fault, ManualClock, immediate_retries, inject, protection_disabled


@pytest.fixture(autouse=True)
def switches_are_back() -> Iterator[None]:
    """Check after each test that nothing stays switched."""
    yield
    assert (INTERVENTIONS.off, INTERVENTIONS.immediate, INTERVENTIONS.injectors) == (0, 0, ())
    assert not INTERVENTIONS.active


def isolated(clock: ManualClock) -> CircuitBreaker:
    """Return a breaker that refuses everything."""
    breaker = CircuitBreaker(CircuitBreakerConfig("shop"), clock=clock)
    breaker.isolate()
    return breaker


def flaky(clock: ManualClock) -> Pipeline:
    """Return a policy that backs off for a second and then two."""
    retry = RetryConfig(max_attempts=3, jitter=False, retryable_exceptions=[ConnectionError])
    return Pipeline(Policy("shop", retry=retry), clock=clock)


class Broken:
    """An operation that fails, in both colours, and counts."""

    def __init__(self) -> None:
        self.calls = 0

    def plain(self) -> str:
        """Fail."""
        self.calls += 1
        raise ConnectionError("refused")

    async def coroutine(self) -> str:
        """Fail as well."""
        return self.plain()


def test_protection_disabled_plain_call_runs_bare(clock: ManualClock) -> None:
    """Even an isolated circuit lets the operation pass, and protection is back afterwards."""
    breaker = isolated(clock)
    with protection_disabled():
        assert breaker.call(lambda: "answer") == "answer"
        assert breaker(lambda: "answer")() == "answer"
        with breaker:
            pass
    assert breaker.snapshot().tally.successes == 0
    with pytest.raises(CircuitIsolatedError):
        breaker.call(lambda: "answer")


def test_protection_disabled_coroutine_runs_bare(clock: ManualClock) -> None:
    """The same for coroutines, blocks of coroutines and plain functions that are awaited."""
    breaker = isolated(clock)

    async def answer() -> str:
        return "answer"

    async def main() -> None:
        with protection_disabled():
            assert await breaker.acall(answer) == "answer"
            assert await breaker.acall(lambda: "answer") == "answer"
            assert await breaker(answer)() == "answer"
            async with breaker:
                pass
        with pytest.raises(CircuitIsolatedError):
            await breaker.acall(answer)

    asyncio.run(main())


def test_protection_disabled_failure_is_neither_retried_nor_counted(clock: ManualClock) -> None:
    """The error of a bare operation surfaces from its only attempt, in a loop of attempts as well."""
    policy, broken = flaky(clock), Broken()
    with protection_disabled():
        with pytest.raises(ConnectionError) as caught:
            policy.call(broken.plain)
        with pytest.raises(ConnectionError):
            asyncio.run(policy.acall(broken.coroutine))
        with pytest.raises(ConnectionError):
            for attempt in policy.attempts():
                with attempt:
                    broken.plain()
    assert (broken.calls, clock.sleeps) == (3, [])
    assert not hasattr(caught.value, "__notes__")
    assert policy.snapshot().tally.failures == 0


def test_protection_disabled_manager_call_runs_bare(registry: Registry) -> None:
    """Calls that bring their configuration along run bare too, without their fallback."""
    manager, broken = FaultToleranceManager(registry=registry), Broken()
    with protection_disabled(), pytest.raises(ConnectionError):
        manager.execute_blocking(broken.plain, retry_config=RetryConfig(), fallback=lambda: "kept")
    with protection_disabled(), pytest.raises(ConnectionError):
        asyncio.run(manager.execute_with_fault_tolerance(broken.coroutine, fallback=lambda: "kept"))
    assert broken.calls == 2


def test_protection_disabled_leaves_injected_faults_out(clock: ManualClock) -> None:
    """A bare operation is not hit."""
    policy = flaky(clock)
    with inject("shop", Fault.error(ConnectionError)) as chaos, protection_disabled():
        assert policy.call(lambda: "answer") == "answer"
    assert chaos.attempts == 0


def test_immediate_retries_plain_call_does_not_wait(clock: ManualClock) -> None:
    """All attempts are made, none waits, and waiting is back afterwards."""
    policy, broken = flaky(clock), Broken()
    with immediate_retries(), pytest.raises(ConnectionError):
        policy.call(broken.plain)
    assert (broken.calls, clock.sleeps) == (3, [])
    with pytest.raises(ConnectionError):
        policy.call(broken.plain)
    assert clock.sleeps == [1.0, 2.0]


def test_immediate_retries_coroutine_does_not_wait(clock: ManualClock) -> None:
    """The same for coroutines and for loops of attempts."""
    policy, broken = flaky(clock), Broken()

    async def main() -> None:
        with immediate_retries():
            with pytest.raises(ConnectionError):
                await policy.acall(broken.coroutine)
            with pytest.raises(ConnectionError):
                async for attempt in policy.attempts():
                    async with attempt:
                        await broken.coroutine()

    asyncio.run(main())
    assert (broken.calls, clock.sleeps) == (6, [])


@pytest.mark.parametrize("make", [protection_disabled, immediate_retries])
def test_switch_nested_ends_with_the_outermost(make: type) -> None:
    """A switch inside a switch, or inside itself, ends nothing early."""
    switch = make()
    with switch:
        with make(), switch:
            pass
        assert INTERVENTIONS.off + INTERVENTIONS.immediate == 1
    assert INTERVENTIONS.off + INTERVENTIONS.immediate == 0


def test_switch_error_inside_restores() -> None:
    """An error that leaves the block takes the switch back."""
    with pytest.raises(KeyError), protection_disabled(), immediate_retries():
        raise KeyError
    assert (INTERVENTIONS.off, INTERVENTIONS.immediate) == (0, 0)


def test_switch_decorated_plain_function_is_switched_for_its_call_only(clock: ManualClock) -> None:
    """The decorator keeps name and signature, so that pytest still finds the fixtures."""
    breaker = isolated(clock)

    @protection_disabled()
    def test(number: int) -> int:
        """Return it."""
        assert INTERVENTIONS.off == 1
        return breaker.call(lambda: number)

    assert INTERVENTIONS.off == 0
    assert (test(7), test(8)) == (7, 8)
    assert (test.__name__, test.__doc__, list(inspect.signature(test).parameters)) == ("test", "Return it.", ["number"])
    assert INTERVENTIONS.off == 0


def test_switch_decorated_coroutine_function_is_switched_while_it_runs(clock: ManualClock) -> None:
    """It stays a coroutine function, and the switch holds until the coroutine has ended."""
    policy, broken = flaky(clock), Broken()

    @immediate_retries()
    async def test() -> None:
        await asyncio.sleep(0)
        with pytest.raises(ConnectionError):
            await policy.acall(broken.coroutine)

    assert inspect.iscoroutinefunction(test)
    asyncio.run(test())
    assert (broken.calls, clock.sleeps) == (3, [])


def test_switch_generator_function_is_refused() -> None:
    """A generator would run after the switch has gone back."""

    def generator() -> Iterator[int]:
        yield 1

    async def asynchronous() -> AsyncIterator[int]:
        yield 1

    for fn in (generator, asynchronous, Broken):
        with pytest.raises(TypeError, match="outlasts"):
            protection_disabled()(fn)
