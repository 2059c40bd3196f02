"""The five scenarios; each breaks something, measures, and holds the figures against its promises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..stage import Stage
from . import circuit_breaker, combined, degradation, recovery, retry

PLAYS: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "circuit-breaker": circuit_breaker.play,
    "retry": retry.play,
    "degradation": degradation.play,
    "recovery": recovery.play,
    "combined": combined.play,
}
