"""Parameters of a rate limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import Violation
from .base import Config, number


@dataclass(frozen=True, slots=True)
class RateLimitConfig(Config):
    """How many attempts may start per second, and how many at once after a quiet time.

    Arguments:
        rate: Permits added per `period`; above 0. `rate / period` lies between 1e-9 and 1e9 per second.
        period: Seconds; default 1.
        burst: Permits that can be saved up; default: `rate`, at least 1.
        max_wait: Seconds that an attempt may wait for its permit; 0 (default) refuses at once.

    Raises:
        ConfigError: with every violation.
    """

    rate: float = field(metadata=number(above=True, maximum=1e9, unit="permits"))
    period: float = field(default=1.0, metadata=number(above=True, unit="seconds"))
    burst: float | None = field(default=None, metadata=number(minimum=1.0, maximum=1e9, unit="permits", optional=True))
    max_wait: float = field(default=0.0, metadata=number(unit="seconds"))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Refuse a speed that is as good as zero or as good as no limit, which arithmetic cannot carry either."""
        if not broken & {"rate", "period"} and not 1e-9 <= self.per_second <= 1e9:
            yield Violation("period", self.period, "such that rate / period lies between 1e-9 and 1e9 per second")

    @property
    def per_second(self) -> float:
        """Permits added per second."""
        return self.rate / self.period

    @property
    def capacity(self) -> float:
        """Permits that can be saved up."""
        return max(1.0, self.rate) if self.burst is None else self.burst
