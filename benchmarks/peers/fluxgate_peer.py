"""Adapter for fluxgate."""

from __future__ import annotations

from typing import Any

from ..operations import RECOVERY, THRESHOLD
from .peer import Peer


def _circuit(kind: str) -> Any:
    import fluxgate
    from fluxgate.retries import Cooldown
    from fluxgate.trippers import FailureStreak
    from fluxgate.windows import CountWindow

    return getattr(fluxgate, kind)(
        window=CountWindow(THRESHOLD), tripper=FailureStreak(THRESHOLD), retry=Cooldown(float(RECOVERY))
    )


def _breaker(operation: Any) -> Any:
    return _circuit("CircuitBreaker")(operation)


def _breaker_async(operation: Any) -> Any:
    return _circuit("AsyncCircuitBreaker")(operation)


PEERS = (
    Peer(
        name="fluxgate",
        modules=("fluxgate",),
        distribution="fluxgate",
        import_line="import fluxgate",
        breaker=_breaker,
        breaker_async=_breaker_async,
        circuit=lambda number: _circuit("CircuitBreaker"),
    ),
)
