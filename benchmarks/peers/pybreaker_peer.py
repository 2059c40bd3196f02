"""Adapter for pybreaker."""

from __future__ import annotations

from typing import Any

from ..operations import RECOVERY, THRESHOLD
from .peer import Peer, by_key


def _circuit(number: int = 0) -> Any:
    from pybreaker import CircuitBreaker

    return CircuitBreaker(fail_max=THRESHOLD, reset_timeout=RECOVERY, name=f"circuit-{number}")


def _breaker(operation: Any) -> Any:
    return _circuit()(operation)


PEERS = (
    Peer(
        name="pybreaker",
        modules=("pybreaker",),
        distribution="pybreaker",
        import_line="import pybreaker",
        breaker=_breaker,
        circuit=_circuit,
        keyed=by_key(_circuit),
    ),
)
