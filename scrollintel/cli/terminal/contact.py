"""Whether the control plane answers, and since when it does not."""

from __future__ import annotations

from dataclasses import dataclass

from ..output import span
from ..problems import CommandError

PATIENCE = 3.0
"""Intervals, and seconds at least, without an answer after which what is shown counts as stale."""


@dataclass(slots=True)
class Contact:
    """Remembers the last answer; times are seconds on one monotonic scale.

    Arguments:
        interval: Seconds between two questions.
        began: When the first question was asked.
    """

    interval: float
    began: float
    answered: float | None = None
    trouble: str | None = None

    def heard(self, now: float) -> None:
        """Note an answer."""
        self.answered, self.trouble = now, None

    def failed(self, error: CommandError) -> None:
        """Note that a question was not answered, or refused."""
        self.trouble = error.lines()[0]

    def stale_since(self, now: float) -> str | None:
        """Return how old what is shown is and why, or None while it is fresh."""
        since = self.began if self.answered is None else self.answered
        if self.trouble is None and now - since <= max(PATIENCE, PATIENCE * self.interval):
            return None
        why = self.trouble or "no answer yet"
        if self.answered is None:
            return f"nothing to show since {span(now - since)}: {why}"
        return f"stale since {span(now - since)}: {why}"
