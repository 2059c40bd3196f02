"""What is refused because it could not be protected: at decoration, or at the call."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from scrollintel import (
    CircuitBreakerConfig,
    CircuitState,
    Pipeline,
    RetryConfig,
    TimeoutConfig,
    UnprotectedError,
    Value,
)
from tests.conformance.conftest import Build


@pytest.fixture(params=["short", "chain"])
def pipeline(request: pytest.FixtureRequest, build: Build) -> Pipeline:
    """Return a policy that takes the short way, and one that never does."""
    extra: dict[str, Any] = {} if request.param == "short" else {"bulkhead": 10}
    return build(breaker=CircuitBreakerConfig("service", failure_threshold=100), **extra)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"response_times": False, "timeout": None},
        {"retry": RetryConfig(base_delay=0)},
        {"fallback": Value("hidden")},
        {"timeout": TimeoutConfig(attempt=5, in_thread=True)},
        {"bulkhead": 5, "retry": RetryConfig(base_delay=0), "fallback": Value("hidden")},
    ],
    ids=["plain", "untimed", "retry", "fallback", "in_thread", "chain"],
)
def test_coroutine_returned_to_the_blocking_driver_is_refused(build: Build, options: dict[str, Any]) -> None:
    """A coroutine that nobody would await is closed and refused, once, and never counted, retried or papered over."""
    pipeline = build(breaker=CircuitBreakerConfig("service", failure_threshold=1), **options)
    calls = 0

    async def coroutine() -> None:
        """Do nothing."""

    def returns_coroutine() -> Any:
        nonlocal calls
        calls += 1
        return coroutine()

    with pytest.raises(UnprotectedError, match="coroutine"):
        pipeline.call(returns_coroutine)
    assert calls == 1
    assert pipeline.circuit().state is CircuitState.CLOSED
    assert pipeline.snapshot().tally.failures == 0


def generator() -> Iterator[int]:
    """Yield."""
    yield 1


async def async_generator() -> AsyncIterator[int]:
    """Yield."""
    yield 1


class CallableGenerator:
    """An object whose call is a generator."""

    def __call__(self) -> Iterator[int]:
        """Yield."""
        yield 1

    def method(self) -> Iterator[int]:
        """Yield."""
        yield 1


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (generator, "generator function"),
        (async_generator, "async generator function"),
        (functools.partial(generator), "generator function"),
        (CallableGenerator(), "generator function"),
        (CallableGenerator().method, "generator function"),
        (classmethod(generator), "generator function"),
        (staticmethod(async_generator), "async generator function"),
        (CallableGenerator, "class"),
        (property(lambda self: 1), "property"),
        (functools.partialmethod(generator), "not callable"),
        (functools.cached_property(lambda self: 1), "not callable"),
        (7, "not callable"),
        (None, "not callable"),
    ],
)
def test_decoration_is_refused_with_a_reason(pipeline: Pipeline, target: Any, reason: str) -> None:
    """What a protected call would not cover is refused when it is decorated, with the way out."""
    with pytest.raises(UnprotectedError, match=reason) as caught:
        pipeline(target)
    assert isinstance(caught.value, TypeError)
    assert ";" in str(caught.value)


@pytest.mark.parametrize("target", [generator, async_generator, functools.partial(generator)])
def test_call_of_a_generator_function_is_refused(pipeline: Pipeline, target: Any) -> None:
    """A single call of a generator function is refused as well: its failures would come later."""
    with pytest.raises(UnprotectedError, match="generator"):
        pipeline.call(target)
    with pytest.raises(UnprotectedError, match="generator"):
        asyncio.run(pipeline.acall(target))
    assert pipeline.snapshot().tally.successes == 0
