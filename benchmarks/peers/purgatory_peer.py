"""Adapter for purgatory."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..operations import RECOVERY, THRESHOLD
from .peer import Peer


def _factory(kind: str) -> Any:
    import purgatory

    return getattr(purgatory, kind)(default_threshold=THRESHOLD, default_ttl=RECOVERY)


@cache
def _shared_factory() -> Any:
    return _factory("SyncCircuitBreakerFactory")


def _breaker(operation: Any) -> Any:
    return _factory("SyncCircuitBreakerFactory")("circuit")(operation)


def breaker_async(operation: Any) -> Any:
    return _factory("AsyncCircuitBreakerFactory")("circuit")(operation)


def _keyed(operation: Any, number: int) -> Any:
    """Keep the circuits where the library keeps them, by name."""
    factory = _factory("SyncCircuitBreakerFactory")

    def call(key: str, x: int) -> Any:
        with factory.get_breaker(key):
            return operation(key, x)

    return call


PEERS = (
    Peer(
        name="purgatory",
        modules=("purgatory",),
        distribution="purgatory",
        import_line="import purgatory",
        breaker=_breaker,
        breaker_async=breaker_async,
        circuit=lambda number: _shared_factory().get_breaker(f"circuit-{number}"),
        keyed=_keyed,
    ),
)
