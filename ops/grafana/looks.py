"""The colours and words of the product's own dashboard (web/src/words.ts), for states in Grafana."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GOOD, WARN, BAD, BUSY, HELD, IDLE = "#34a56c", "#e0a021", "#d93a43", "#4886e0", "#8d5fd6", "#98a3b3"
"""The fills of the light theme; they stand out from both grounds of Grafana."""

STATES = {
    "closed": GOOD, "half_open": WARN, "open": BAD, "isolated": HELD, "disabled": IDLE, "metrics_only": IDLE,
}  # fmt: skip
CONDITIONS = {
    "healthy": GOOD, "suspect": WARN, "failed": BAD, "recovering": BUSY, "validating": BUSY, "quarantined": HELD,
    "unknown": IDLE,
}  # fmt: skip
INCIDENTS = {
    "open": BAD, "held": HELD, "recovering": BUSY, "waiting": WARN, "watched": BUSY, "escalated": BAD,
}  # fmt: skip
OUTCOMES = {
    "success": GOOD, "failure": BAD, "rejected": HELD, "ignored": IDLE, "abandoned": IDLE, "late": WARN,
}  # fmt: skip
RECOVERED = {"recovered": GOOD, "not_needed": IDLE, "refused": HELD, "failed": BAD}
SENT = {"sent": GOOD, "dead": BAD, "dropped": WARN}
STORAGE = {"serving": GOOD, "starting": BUSY, "standby": HELD, "unavailable": BAD, "stopped": IDLE}
REPLICAS = {"live": GOOD, "stale": WARN}
PERCENTILES = {"p50": GOOD, "p95": WARN, "p99": BAD}
LEVELS = ("none", "minimal", "moderate", "severe", "critical")


@dataclass(frozen=True, slots=True)
class Step:
    """From a value on, a colour.

    Arguments:
        colour: As CSS spells it.
        value: Where it begins; None for everything below the next step.
    """

    colour: str
    value: float | None = None


def steps(first: str, *further: tuple[float, str]) -> tuple[Step, ...]:
    """Return thresholds: a colour from below, and further ones from their values on."""
    return (Step(first), *(Step(colour, value) for value, colour in further))


NONE = steps(BUSY)
"""A number that is neither good nor bad."""
ANY_IS_BAD = steps(GOOD, (1, BAD))
ANY_IS_ODD = steps(GOOD, (1, WARN))
SHARE_FAILED = steps(GOOD, (0.01, WARN), (0.05, BAD))
LEVEL_STEPS = steps(GOOD, (1, WARN), (3, BAD))
BURN = steps(GOOD, (1, WARN), (6, BAD))

Mapping = dict[str, Any]  # Any: JSON values


def words(*named: tuple[float, str, str]) -> tuple[Mapping, ...]:
    """Return a mapping of numbers to words and colours."""
    options = {
        f"{value:g}": {"text": text, "color": colour, "index": index}
        for index, (value, text, colour) in enumerate(named)
    }
    return ({"type": "value", "options": options},)


YES_IS_BAD = words((0, "no", GOOD), (1, "yes", BAD))
YES_IS_GOOD = words((0, "no", BAD), (1, "yes", GOOD))
LEVEL_WORDS = words(
    *((level, word, (GOOD, WARN, WARN, BAD, BAD)[level]) for level, word in enumerate(LEVELS)),
)
STATE_NUMBERS = {state: number for number, state in enumerate(STATES)}
STATE_WORDS = words(*((number, state.replace("_", " "), STATES[state]) for state, number in STATE_NUMBERS.items()))
