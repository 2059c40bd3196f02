"""The states a circuit can be in, and a change from one to another."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class CircuitState(StrEnum):
    """What a circuit does with the next call.

    `CLOSED` admits it, `OPEN` refuses it until the open period ends, `HALF_OPEN` admits a few probes,
    `ISOLATED` refuses everything until an operator closes it, `DISABLED` admits everything unrecorded,
    `METRICS_ONLY` records everything and never refuses.
    """

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    ISOLATED = "isolated"
    DISABLED = "disabled"
    METRICS_ONLY = "metrics_only"


class StateChange(NamedTuple):
    """One entry of a circuit's history; `at` is in seconds since 1970-01-01 UTC."""

    at: float
    old: CircuitState
    new: CircuitState
    reason: str
