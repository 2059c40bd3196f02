"""Adapter for aiobreaker."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ..operations import RECOVERY, THRESHOLD
from .peer import Peer, by_key


def new_circuit() -> Any:
    from aiobreaker import CircuitBreaker

    return CircuitBreaker(fail_max=THRESHOLD, timeout_duration=timedelta(seconds=RECOVERY))


def _breaker(operation: Any) -> Any:
    return new_circuit()(operation)


PEERS = (
    Peer(
        name="aiobreaker",
        modules=("aiobreaker",),
        distribution="aiobreaker",
        import_line="import aiobreaker",
        breaker=_breaker,
        breaker_async=_breaker,
        circuit=lambda number: new_circuit(),
        keyed=by_key(new_circuit),
    ),
)
