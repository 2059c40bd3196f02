"""How a state is shown to a person: by shape, by word and by tone, never by colour alone."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from .output import plain


class Tone(StrEnum):
    """How good a state is."""

    GOOD = "good"
    BUSY = "busy"
    WARNING = "warning"
    BAD = "bad"
    QUIET = "quiet"


class Mark(NamedTuple):
    """A shape, a word and a tone."""

    shape: str
    word: str
    tone: Tone

    @property
    def text(self) -> str:
        """Shape and word."""
        return f"{self.shape} {self.word}"


CIRCUITS = {
    "open": Mark("✖", "open", Tone.BAD),
    "isolated": Mark("■", "isolated", Tone.BAD),
    "half_open": Mark("◐", "half open", Tone.WARNING),
    "closed": Mark("●", "closed", Tone.GOOD),
    "metrics_only": Mark("◌", "metrics only", Tone.QUIET),
    "disabled": Mark("○", "disabled", Tone.QUIET),
}
"""States of circuits, the worst first."""

CALLS = {
    "success": Mark("✓", "succeeded", Tone.GOOD),
    "failure": Mark("✕", "failed", Tone.BAD),
    "slow": Mark("◷", "slow", Tone.WARNING),
}
"""Calls that decided a circuit's state."""

CONDITIONS = {
    "failed": Mark("✖", "failed", Tone.BAD),
    "quarantined": Mark("■", "quarantined", Tone.BAD),
    "suspect": Mark("◐", "suspect", Tone.WARNING),
    "recovering": Mark("↻", "recovering", Tone.BUSY),
    "validating": Mark("◎", "validating", Tone.BUSY),
    "unknown": Mark("◌", "unknown", Tone.QUIET),
    "healthy": Mark("●", "healthy", Tone.GOOD),
}
"""Conditions of targets, the worst first."""

INCIDENTS = {
    "escalated": Mark("▲", "escalated", Tone.BAD),
    "waiting": Mark("?", "waiting", Tone.WARNING),
    "open": Mark("✖", "open", Tone.BAD),
    "recovering": Mark("↻", "recovering", Tone.BUSY),
    "held": Mark("■", "held", Tone.WARNING),
    "watched": Mark("◎", "watched", Tone.BUSY),
    "resolved": Mark("●", "resolved", Tone.GOOD),
    "cancelled": Mark("○", "cancelled", Tone.QUIET),
}
"""States of incidents, those first for which a person is needed."""

AUTOMATION = {
    "watching": Mark("●", "watching", Tone.GOOD),
    "stopped": Mark("■", "stopped", Tone.BAD),
    "braked": Mark("▲", "braked", Tone.BAD),
    "nothing to watch": Mark("○", "nothing to watch", Tone.QUIET),
}
"""How automated recovery stands."""


def mark_of(marks: dict[str, Mark], state: object) -> Mark:
    """Return the mark of a state; one that this version does not know gets a question mark and its own word."""
    known = marks.get(state) if isinstance(state, str) else None
    return known or Mark("?", plain(state), Tone.QUIET)
