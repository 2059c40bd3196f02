"""What a type checker sees of the public names; run by `make types`, never executed.

A line that must not type-check carries an ignore comment: should it check one day, the unused comment is an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import assert_type

from scrollintel import (
    AdaptiveLimitConfig,
    Attempts,
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitSnapshot,
    CircuitState,
    DegradationLevel,
    Event,
    EventHub,
    FaultToleranceManager,
    GracefulDegradation,
    Guard,
    Outcome,
    Pipeline,
    PipelineBuilder,
    Policy,
    PolicySnapshot,
    RetryConfig,
    Subscription,
    ThrottleConfig,
    ft_manager,
    protect,
    remaining,
)

CONFIG = CircuitBreakerConfig("db")


def plain(number: int, *, text: str = "") -> bytes:
    """Stand for a blocking operation."""
    return text.encode() * number


async def coroutine(number: int, *, text: str = "") -> bytes:
    """Stand for an asynchronous operation."""
    return text.encode() * number


def nothing() -> bytes:
    """Stand for an operation without arguments."""
    return b""


async def nothing_later() -> bytes:
    """Stand for a coroutine function without arguments."""
    return b""


async def decorators() -> None:
    """A decorated function keeps its parameters, its result and its colour."""
    policy = protect(
        "db", breaker=CONFIG, retry=RetryConfig(), timeout=1.0, bulkhead=3, limit=AdaptiveLimitConfig(),
        throttle=ThrottleConfig(), fallback=[nothing],
    )  # fmt: skip
    assert_type(policy, Pipeline)
    assert_type(policy(plain)(3, text="a"), bytes)
    assert_type(await policy(coroutine)(3, text="a"), bytes)
    assert_type(CircuitBreaker(CONFIG)(plain)(3), bytes)
    policy(plain)("3")  # type: ignore[arg-type]
    policy(plain)(3, other="a")  # type: ignore[call-arg]

    @protect(Policy("shop"))
    def decorated(number: int) -> list[str]:
        return [str(number)]

    assert_type(decorated(3), list[str])

    class Service:
        @protect("shop")
        def method(self, number: int) -> str:
            return str(number)

        @protect("shop")
        async def later(self, number: int) -> str:
            return str(number)

    assert_type(Service().method(3), str)
    assert_type(await Service().later(3), str)


async def calls() -> None:
    """`call` and `acall` give the result of the operation, and check its arguments."""
    for owner in (protect("db"), Pipeline(Policy("db"))):
        assert_type(owner.call(plain, 3, text="a"), bytes)
        assert_type(await owner.acall(coroutine, 3, text="a"), bytes)
        assert_type(await owner.acall(plain, 3), bytes)
        owner.call(plain, "3")  # type: ignore[arg-type]
        await owner.acall(coroutine, "3")  # type: ignore[call-overload]
    breaker = CircuitBreaker(CONFIG)
    assert_type(breaker.call(plain, 3), bytes)
    assert_type(await breaker.acall(coroutine, 3), bytes)
    assert_type(await breaker.acall(plain, 3), bytes)


async def manager() -> None:
    """The manager gives the operation's result in both colours."""
    assert_type(ft_manager, FaultToleranceManager)
    assert_type(await ft_manager.execute_with_fault_tolerance(nothing_later), bytes)
    assert_type(await ft_manager.execute_with_fault_tolerance(nothing, circuit_breaker_config=CONFIG), bytes)
    assert_type(
        await ft_manager.execute_with_fault_tolerance(
            operation=nothing_later, circuit_breaker_config=CONFIG, retry_config=RetryConfig(), fallback=nothing
        ),
        bytes,
    )
    assert_type(ft_manager.execute_blocking(nothing, retry_config=RetryConfig(), in_thread=True), bytes)
    assert_type(ft_manager.circuit_breaker("db"), CircuitBreaker)
    assert_type(ft_manager.snapshot(), dict[str, PolicySnapshot])
    await ft_manager.execute_with_fault_tolerance(nothing, retry_config=CONFIG)  # type: ignore[call-overload]


async def blocks() -> None:
    """Blocks and loops can be used in both colours."""
    policy = protect("db")
    assert_type(policy.guard(), Guard)
    assert_type(policy.attempts(), Attempts)
    with policy.guard():
        pass
    async with policy.guard():
        pass
    for attempt in policy.attempts():
        with attempt:
            assert_type(attempt.number, int)
    async for attempt in policy.attempts():
        async with attempt:
            assert_type(attempt.number, int)
    with CircuitBreaker(CONFIG) as breaker:
        assert_type(breaker, CircuitBreaker)
    async with CircuitBreaker(CONFIG) as breaker:
        assert_type(breaker.state, CircuitState)
    assert_type(breaker.snapshot(), CircuitSnapshot)
    assert_type(remaining(), float | None)


def returns_in_a_block() -> int:
    """A guarded block does not swallow errors, so code after it need not return; a loop of attempts may."""
    with protect("db").guard():
        return 1


def builders() -> None:
    """The builder is fluent."""
    builder = Pipeline.builder("db").retry(max_attempts=3).breaker(CONFIG).timeout(1.0)
    assert_type(builder, PipelineBuilder)
    assert_type(builder.build(), Pipeline)
    assert_type(builder.policy(), Policy)


def configurations() -> None:
    """Configurations take what the documentation says."""
    RetryConfig(3, 1.0, 60.0, 2.0, True, [ConnectionError, TimeoutError])
    RetryConfig(retryable_exceptions=("ConnectionError",), retry_after=lambda seen: 1.0)
    CircuitBreakerConfig("db", 5, 60, 3, None)
    CircuitBreakerConfig("db", result_predicate=lambda response: response.status_code == 503)
    RetryConfig(retry_predicate=lambda error: error.errno == 5, result_predicate=lambda value: value["code"] == 429)
    CircuitBreakerConfig("db", failure_threshold="5")  # type: ignore[arg-type]
    CircuitBreakerConfig(failure_threshold=5)  # type: ignore[call-arg]

    def explain(outcome: Outcome) -> str:
        assert_type(outcome.error, BaseException | None)
        return outcome.policy

    protect("db", fallback=explain)


def events() -> None:
    """A listener takes an event, and its subscription can be ended."""
    seen: list[Event] = []
    assert_type(EventHub().subscribe(seen.append), Subscription)

    def wrong(event: int) -> None:
        """Take something else."""

    EventHub().subscribe(wrong)  # type: ignore[arg-type]


async def degradation() -> None:
    """Degraded execution gives the operation's result."""
    found = GracefulDegradation()
    assert_type(await found.execute("search", coroutine, 3, text="a"), bytes)
    assert_type(await found.execute("search", plain, 3), bytes)
    assert_type(found.execute_blocking("search", plain, 3), bytes)
    assert_type(found.is_enabled("search"), bool)
    assert_type(found.level("search"), DegradationLevel)


def colours(fn: Callable[[], Awaitable[int]]) -> Callable[[], Awaitable[int]]:
    """A function that is only known to return an awaitable keeps that type."""
    decorated = protect("db")(fn)
    assert_type(decorated, Callable[[], Awaitable[int]])
    return decorated
