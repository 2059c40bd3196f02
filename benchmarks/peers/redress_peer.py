"""Adapter for redress. Its circuit counts calls, not attempts, so a retried call takes three failures for one."""

from __future__ import annotations

from typing import Any

from ..operations import ATTEMPTS, RECOVERY, THRESHOLD, TIMEOUT
from .peer import Peer, caught


def _circuit(number: int = 0) -> Any:
    from redress import CircuitBreaker, ErrorClass

    return CircuitBreaker(
        failure_threshold=THRESHOLD,
        window_s=60,
        recovery_timeout_s=RECOVERY,
        trip_on={ErrorClass.TRANSIENT, ErrorClass.UNKNOWN},
    )


def _rules(kind: str, **options: Any) -> Any:
    import redress

    return getattr(redress, kind)(
        max_attempts=ATTEMPTS,
        deadline_s=TIMEOUT,
        classifier=lambda error: redress.ErrorClass.TRANSIENT,
        strategy=lambda context: 0.0,
        **options,
    )


def _called(policy: Any, operation: Any) -> Any:
    return lambda x: policy.call(lambda: operation(x))


def _breaker(operation: Any) -> Any:
    from redress import Policy

    return _called(Policy(circuit_breaker=_circuit()), operation)


def _breaker_async(operation: Any) -> Any:
    from redress import AsyncPolicy

    return _called(AsyncPolicy(circuit_breaker=_circuit()), operation)


def _combined(operation: Any, fallback: Any, timeout: bool) -> Any:
    from redress import AsyncPolicy

    options = {"attempt_timeout_s": TIMEOUT} if timeout else {}
    policy = AsyncPolicy(retry=_rules("AsyncRetry", **options), circuit_breaker=_circuit())

    async def guarded(x: int) -> Any:
        return await policy.call(lambda: operation(x))

    return caught(guarded, fallback)


PEERS = (
    Peer(
        name="redress",
        modules=("redress",),
        distribution="redress",
        import_line="import redress",
        breaker=_breaker,
        breaker_async=_breaker_async,
        retry=lambda operation: _called(_rules("Retry"), operation),
        retry_async=lambda operation: _called(_rules("AsyncRetry"), operation),
        combined=_combined,
        circuit=_circuit,
    ),
)
