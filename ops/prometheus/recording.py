"""Rates that are written down ahead, because alerts and long charts ask for them again and again."""

from __future__ import annotations

from ops.expressions import BY_CIRCUIT, failure_ratio
from scrollintel.recovery.burn import PAIRS

from .alert import spell

WINDOWS = sorted(seconds for _, *pair in PAIRS[:2] for seconds in pair)
"""In seconds."""
_LEVEL = "job_service_circuit:"


def recorded(window: str) -> str:
    """Return the name under which the share of failures over a window is kept, for each circuit of each service."""
    return f"{_LEVEL}scrollintel_circuit_failures:ratio_rate{window}"


def uses_recorded(expression: str) -> bool:
    """Tell whether an expression takes something that is recorded."""
    return _LEVEL in expression


def recording_rules() -> list[dict[str, str]]:
    """Return the rules as Prometheus reads them."""
    return [
        {"record": recorded(window), "expr": failure_ratio(over=window, by=BY_CIRCUIT)}
        for window in map(spell, WINDOWS)
    ]
