"""What the engine is given of a recovery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..control.records import RecoveryOperationRecord

BACKOFF: Sequence[float] = (0.0, 10.0, 20.0)
"""Seconds before each attempt of one strategy; the last one holds for all further ones."""


def run_document(record: RecoveryOperationRecord, *, generation: int = 0) -> dict[str, Any]:  # Any: JSON values
    """Return all that a recovery needs to go on after a crash."""
    return {
        "id": record.id,
        "incident": record.incident,
        "target": record.target or record.service,
        "service": record.service,
        "failure_type": record.failure_type,
        "generation": generation,
        "remedies": [dict(remedy) for remedy in record.remedies],
        "requested_by": record.requested_by,
        "reason": record.reason,
        "started_at": record.started_at.isoformat(),
        "backoff": list(BACKOFF),
    }
