"""Sentences about a policy: what is so, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a policy or circuit is as it is; `str()` gives it as text.

    Attributes:
        name: Its name.
        at: When that was so, in seconds since 1970-01-01 UTC.
        sentences: What is so, and why: from which calls, without the texts of their errors.
        next: What comes next, and when.
        facts: The numbers behind it, as JSON values.
    """

    name: str
    at: float
    sentences: tuple[str, ...]
    next: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)  # Any: JSON values of mixed types

    def __str__(self) -> str:
        lines = [*self.sentences, *(f"Next: {sentence}" for sentence in self.next)]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return everything as JSON values."""
        return {
            "name": self.name,
            "at": self.at,
            "sentences": list(self.sentences),
            "next": list(self.next),
            "facts": self.facts,
        }


class Account:
    """Sentences as they are found."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.next: list[str] = []

    def say(self, *sentences: str) -> None:
        """Add what is so."""
        self.sentences.extend(sentences)

    def then(self, *sentences: str) -> None:
        """Add what comes next."""
        self.next.extend(sentences)


def clock_time(at: float) -> str:
    """Return a time of day in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def seconds(value: float) -> str:
    """Return a duration in words."""
    if value >= 1.0 or value == 0.0:
        return f"{value:.3g} s" if value < 1000.0 else f"{value:.0f} s"
    return f"{1e3 * value:.3g} ms" if value >= 1e-3 else f"{1e6 * value:.3g} µs"


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
