"""Adapter for tenacity."""

from __future__ import annotations

from typing import Any

from ..operations import ATTEMPTS
from .peer import Peer


def retrying(operation: Any, **options: Any) -> Any:
    import tenacity

    decorate = tenacity.retry(
        stop=tenacity.stop_after_attempt(ATTEMPTS), wait=tenacity.wait_none(), reraise=True, **options
    )
    return decorate(operation)


PEERS = (
    Peer(
        name="tenacity",
        modules=("tenacity",),
        distribution="tenacity",
        import_line="import tenacity",
        retry=retrying,
        retry_async=retrying,
    ),
)
