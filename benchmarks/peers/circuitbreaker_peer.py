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


PEERS = (
    Peer(
        name="circuitbreaker",
        modules=("circuitbreaker",),
        distribution="circuitbreaker",
        import_line="import circuitbreaker",
        breaker=_breaker,
        breaker_async=_breaker,
        circuit=new_circuit,
    ),
)
