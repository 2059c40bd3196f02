"""Adapter for hyx."""

from __future__ import annotations

from typing import Any

from ..operations import ATTEMPTS, RECOVERY, THRESHOLD, TIMEOUT, TransientError
from .peer import Peer


def _circuit(number: int = 0) -> Any:
    from hyx.circuitbreaker import consecutive_breaker

    return consecutive_breaker(
        exceptions=Exception, failure_threshold=THRESHOLD, recovery_time_secs=RECOVERY, recovery_threshold=1
    )


def _breaker(operation: Any) -> Any:
    return _circuit()(operation)


def _retry(operation: Any, on: type[Exception] = Exception) -> Any:
    from hyx.retry import retry

    return retry(on=on, attempts=ATTEMPTS - 1, backoff=0)(operation)


def _combined(operation: Any, fallback: Any, timeout: bool) -> Any:
    from hyx.fallback import fallback as with_fallback
    from hyx.timeout import timeout as with_timeout

    async def answer(result: Any, x: int) -> Any:
        return await fallback(x)

    if timeout:
        operation = with_timeout(TIMEOUT)(operation)
    return with_fallback(answer, on=Exception)(_retry(_circuit()(operation), on=TransientError))


PEERS = (
    Peer(
        name="hyx",
        modules=("hyx",),
        distribution="hyx",
        import_line="import hyx.circuitbreaker",
        breaker_async=_breaker,
        retry_async=_retry,
        combined=_combined,
        circuit=_circuit,
    ),
)
