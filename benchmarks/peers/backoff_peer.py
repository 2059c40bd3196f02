"""Adapter for backoff."""

from __future__ import annotations

from typing import Any

from ..operations import ATTEMPTS
from .peer import Peer


def retrying(operation: Any, **options: Any) -> Any:
    import backoff

    decorate = backoff.on_exception(
        backoff.constant, Exception, max_tries=ATTEMPTS, interval=0, jitter=None, logger=None, **options
    )
    return decorate(operation)


PEERS = (
    Peer(
        name="backoff",
        modules=("backoff",),
        distribution="backoff",
        import_line="import backoff",
        retry=retrying,
        retry_async=retrying,
    ),
)
