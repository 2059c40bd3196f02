"""What people build by hand today: a retry library around a breaker library, and try/except for the fallback."""

from __future__ import annotations

from typing import Any

from ..operations import TransientError
from . import aiobreaker_peer, backoff_peer, circuitbreaker_peer, purgatory_peer, stamina_peer, tenacity_peer
from .peer import Peer, caught, timed


def _tenacity_aiobreaker(operation: Any, fallback: Any, timeout: bool) -> Any:
    import tenacity
    from aiobreaker import CircuitBreakerError

    circuit, attempt = aiobreaker_peer.new_circuit(), timed(operation, timeout)

    async def guarded(x: int) -> Any:
        return await circuit.call_async(attempt, x)

    unless_open = tenacity.retry_if_not_exception_type(CircuitBreakerError)
    return caught(tenacity_peer.retrying(guarded, retry=unless_open), fallback)


def _stamina_purgatory(operation: Any, fallback: Any, timeout: bool) -> Any:
    guarded = purgatory_peer.breaker_async(timed(operation, timeout))
    return caught(stamina_peer.retrying(guarded, on=TransientError), fallback)


def _backoff_circuitbreaker(operation: Any, fallback: Any, timeout: bool) -> Any:
    from circuitbreaker import CircuitBreakerError

    guarded = circuitbreaker_peer.new_circuit().decorate(timed(operation, timeout))
    retried = backoff_peer.retrying(guarded, giveup=lambda error: isinstance(error, CircuitBreakerError))
    return caught(retried, fallback)


PEERS = (
    Peer(name="tenacity + aiobreaker", modules=("tenacity", "aiobreaker"), combined=_tenacity_aiobreaker),
    Peer(name="stamina + purgatory", modules=("stamina", "purgatory"), combined=_stamina_purgatory),
    Peer(name="backoff + circuitbreaker", modules=("backoff", "circuitbreaker"), combined=_backoff_circuitbreaker),
)
