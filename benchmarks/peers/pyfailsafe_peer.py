"""Adapter for pyfailsafe. It has neither decorator nor timeout, and its fallback is the caller's try/except."""

from __future__ import annotations

from typing import Any

from ..operations import ATTEMPTS, RECOVERY, THRESHOLD
from .peer import Peer, caught, timed


def _guarded(operation: Any, *, breaker: bool, retry: bool) -> Any:
    from failsafe import CircuitBreaker, Failsafe, RetryPolicy

    parts: dict[str, Any] = {}
    if breaker:
        parts["circuit_breaker"] = CircuitBreaker(maximum_failures=THRESHOLD, reset_timeout_seconds=RECOVERY)
    if retry:
        parts["retry_policy"] = RetryPolicy(allowed_retries=ATTEMPTS - 1)
    failsafe = Failsafe(**parts)

    async def call(x: int) -> Any:
        return await failsafe.run(operation, x)

    return call


def _circuit(number: int) -> Any:
    from failsafe import CircuitBreaker, Failsafe

    return Failsafe(circuit_breaker=CircuitBreaker(maximum_failures=THRESHOLD, reset_timeout_seconds=RECOVERY))


PEERS = (
    Peer(
        name="pyfailsafe",
        modules=("failsafe",),
        distribution="pyfailsafe",
        import_line="import failsafe",
        breaker_async=lambda operation: _guarded(operation, breaker=True, retry=False),
        retry_async=lambda operation: _guarded(operation, breaker=False, retry=True),
        combined=lambda operation, fallback, timeout: caught(
            _guarded(timed(operation, timeout), breaker=True, retry=True), fallback
        ),
        circuit=_circuit,
    ),
)
