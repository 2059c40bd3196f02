"""Adapter for stamina."""

from __future__ import annotations

from typing import Any

from ..operations import ATTEMPTS
from .peer import Peer


def retrying(operation: Any, on: type[Exception] = Exception) -> Any:
    import stamina

    decorate = stamina.retry(on=on, attempts=ATTEMPTS, timeout=None, wait_initial=0, wait_max=0, wait_jitter=0)
    return decorate(operation)


PEERS = (
    Peer(
        name="stamina",
        modules=("stamina",),
        distribution="stamina",
        import_line="import stamina",
        retry=retrying,
        retry_async=retrying,
    ),
)
