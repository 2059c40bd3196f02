"""Parameters of the time limits of an attempt and of a whole call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import Violation
from .base import Config, boolean, number


@dataclass(frozen=True, slots=True)
class TimeoutConfig(Config):
    """How long one attempt and the whole call may take.

    Arguments:
        attempt: Seconds for each attempt, or None.
        total: Seconds for the whole call with its retries and waits, or None.
        in_thread: Whether a plain function runs in a worker thread, so that a late one can be abandoned; by
            default it runs inline, where a timeout is noticed only after it has returned.

    Raises:
        ConfigError: with every violation.
    """

    attempt: float | None = field(default=None, metadata=number(above=True, unit="seconds", optional=True))
    total: float | None = field(default=None, metadata=number(above=True, unit="seconds", optional=True))
    in_thread: bool = field(default=False, metadata=boolean())

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check that the total leaves room for one attempt."""
        if not broken and self.attempt is not None and self.total is not None and self.total < self.attempt:
            yield Violation("total", self.total, f"at least attempt ({self.attempt:g} seconds)")
