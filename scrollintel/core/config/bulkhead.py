"""Parameters of a bulkhead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import Violation
from .base import Config, integer, number


@dataclass(frozen=True, slots=True)
class BulkheadConfig(Config):
    """How many calls may run at once and how many may wait for a slot.

    Arguments:
        max_concurrent: Calls that run at once, sync and async together; at least 1, default 100.
        max_waiting: Calls that may wait in line, first come first served; default 0.
        max_wait: Seconds that a call may wait; None (default) for as long as its deadline allows.

    Raises:
        ConfigError: with every violation.
    """

    max_concurrent: int = field(default=100, metadata=integer(minimum=1, unit="calls"))
    max_waiting: int = field(default=0, metadata=integer(unit="calls"))
    max_wait: float | None = field(default=None, metadata=number(above=True, unit="seconds", optional=True))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Refuse a wait limit for a line in which nobody can wait."""
        if not broken and self.max_wait is not None and self.max_waiting == 0:
            yield Violation("max_wait", self.max_wait, "None unless max_waiting is at least 1")
