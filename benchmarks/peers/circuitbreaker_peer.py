"""Adapter for circuitbreaker."""

from __future__ import annotations

from typing import Any

from ..operations import RECOVERY, THRESHOLD
from .peer import Peer


def new_circuit(number: int = 0) -> Any:
    from circuitbreaker import CircuitBreaker

    return CircuitBreaker(failure_threshold=THRESHOLD, recovery_timeout=RECOVERY, name=f"circuit-{number}")


def _breaker(operation: Any) -> Any:
    return new_circuit().decorate(operation)


def _keyed(operation: Any, number: int) -> Any:
    """Keep a decorated function for each key: the circuit's method `call` does not refuse."""
    functions: dict[str, Any] = {}

    def call(key: str, x: int) -> Any:
        function = functions.get(key)
        if function is None:
            function = functions.setdefault(key, _breaker(operation))
        return function(key, x)

    return call


PEERS = (
    Peer(
        name="circuitbreaker",
        modules=("circuitbreaker",),
        distribution="circuitbreaker",
        import_line="import circuitbreaker",
        breaker=_breaker,
        breaker_async=_breaker,
        circuit=new_circuit,
        keyed=_keyed,
    ),
)
