"""The states a circuit can be in."""

from __future__ import annotations

from enum import StrEnum


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
