"""Adapter for pyresilience."""

from __future__ import annotations

from typing import Any

from ..operations import ATTEMPTS, RECOVERY, THRESHOLD, TIMEOUT
from .peer import Peer


def _circuit_config() -> Any:
    from pyresilience import CircuitBreakerConfig

    return CircuitBreakerConfig(failure_threshold=THRESHOLD, recovery_timeout=RECOVERY, success_threshold=1)


def _retry_config() -> Any:
    from pyresilience import RetryConfig

    return RetryConfig(max_attempts=ATTEMPTS, delay=0, jitter=False)


def _resilient(operation: Any, **parts: Any) -> Any:
    from pyresilience import resilient

    return resilient(**parts)(operation)


def _combined(operation: Any, fallback: Any, timeout: bool) -> Any:
    from pyresilience import FallbackConfig, TimeoutConfig

    async def answer(error: BaseException) -> Any:
        return await fallback(0)

    return _resilient(
        operation,
        retry=_retry_config(),
        circuit_breaker=_circuit_config(),
        fallback=FallbackConfig(handler=answer),
        timeout=TimeoutConfig(seconds=TIMEOUT) if timeout else None,
    )


def _circuit(number: int) -> Any:
    from pyresilience._circuit_breaker import CircuitBreaker

    return CircuitBreaker(_circuit_config())


PEERS = (
    Peer(
        name="pyresilience",
        modules=("pyresilience",),
        distribution="pyresilience",
        import_line="import pyresilience",
        breaker=lambda operation: _resilient(operation, circuit_breaker=_circuit_config()),
        breaker_async=lambda operation: _resilient(operation, circuit_breaker=_circuit_config()),
        retry=lambda operation: _resilient(operation, retry=_retry_config()),
        retry_async=lambda operation: _resilient(operation, retry=_retry_config()),
        combined=_combined,
        circuit=_circuit,
    ),
)
