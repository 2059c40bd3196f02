"""Adapter for aioresilience."""

from __future__ import annotations

from typing import Any

from ..operations import ATTEMPTS, RECOVERY, THRESHOLD, TIMEOUT
from .peer import Peer


def _circuit(number: int = 0) -> Any:
    from aioresilience import CircuitBreaker, CircuitConfig

    config = CircuitConfig(failure_threshold=THRESHOLD, recovery_timeout=RECOVERY, success_threshold=1)
    return CircuitBreaker(name=f"circuit-{number}", config=config)


def _breaker(operation: Any) -> Any:
    from aioresilience import with_circuit_breaker

    return with_circuit_breaker(_circuit())(operation)


def _retry(operation: Any) -> Any:
    from aioresilience import RetryConfig, RetryPolicy, with_retry

    policy = RetryPolicy(config=RetryConfig(max_attempts=ATTEMPTS, initial_delay=0, jitter=0.0))
    return with_retry(policy)(operation)


def _combined(operation: Any, fallback: Any, timeout: bool) -> Any:
    from aioresilience import (
        FallbackConfig,
        FallbackHandler,
        TimeoutConfig,
        TimeoutManager,
        with_fallback_handler,
        with_timeout_manager,
    )

    if timeout:
        operation = with_timeout_manager(TimeoutManager(config=TimeoutConfig(timeout=TIMEOUT)))(operation)
    handler = FallbackHandler(config=FallbackConfig(fallback=fallback))
    return with_fallback_handler(handler)(_retry(_breaker(operation)))


PEERS = (
    Peer(
        name="aioresilience",
        modules=("aioresilience",),
        distribution="aioresilience",
        import_line="import aioresilience",
        breaker_async=_breaker,
        retry_async=_retry,
        combined=_combined,
        circuit=_circuit,
    ),
)
