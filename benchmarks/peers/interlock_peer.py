"""Adapter for interlock-cb. It has no consecutive count; five calls with nothing but failures mean the same."""

from __future__ import annotations

from typing import Any

from ..operations import ATTEMPTS, RECOVERY, THRESHOLD, TIMEOUT, TransientError
from .peer import Peer, by_key


def _circuit(number: int = 0) -> Any:
    from interlock import CircuitBreaker, Config

    config = Config(
        window_size=THRESHOLD,
        minimum_number_of_calls=THRESHOLD,
        failure_rate_threshold=1.0,
        wait_duration_in_open=RECOVERY,
        permitted_calls_in_half_open=1,
    )
    return CircuitBreaker(name=f"circuit-{number}", config=config)


def _breaker(operation: Any) -> Any:
    return _circuit()(operation)


def _retry(operation: Any) -> Any:
    import tenacity
    from interlock.pipeline import Pipeline

    pipeline = Pipeline.builder().retry(attempts=ATTEMPTS, wait=tenacity.wait_none()).build()
    return lambda x: pipeline.call(operation, x)


def _combined(operation: Any, fallback: Any, timeout: bool) -> Any:
    import tenacity
    from interlock.integrations.tenacity import retry_unless_open
    from interlock.pipeline import Pipeline

    builder = Pipeline.builder().fallback(lambda error: None)
    builder = builder.retry(attempts=ATTEMPTS, retry=retry_unless_open(TransientError), wait=tenacity.wait_none())
    builder = builder.circuit_breaker(_circuit())
    if timeout:
        builder = builder.timeout(TIMEOUT)
    pipeline = builder.build()
    return lambda x: pipeline.call(operation, x)


PEERS = (
    Peer(
        name="interlock-cb",
        modules=("interlock", "tenacity"),
        distribution="interlock-cb",
        import_line="import interlock",
        breaker=_breaker,
        breaker_async=_breaker,
        retry=_retry,
        retry_async=_retry,
        combined=_combined,
        circuit=_circuit,
        keyed=by_key(_circuit),
    ),
)
