"""Sums of what replicas counted within a stretch of time, and the rows in which they are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..control.moments import moment
from ..replica.protocol import PolicyReport
from ..replica.reading import LONGEST_WAIT
from .fleet import News

LARGEST_SUM = (2**63 - 1) // 7200
"""Sums stay here when they would become larger: two columns of the 3,600 buckets of an hour, summed up, must fit the
database's integers as well."""


@dataclass(slots=True)
class CircuitCounts:
    """What happened to one circuit within one second, over all replicas."""

    service: str
    successes: int = 0
    failures: int = 0
    slow: int = 0
    rejections: int = 0
    timeouts: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    maximum: float | None = None
    weighted: float = 0.0
    weight: int = 0
    replicas: set[str] = field(default_factory=set)

    def add(self, instance: str, news: News) -> None:
        """Add the difference between two reports of the replica `instance`."""
        before, now = news
        calls = 0
        for name in ("successes", "failures", "slow", "rejections", "timeouts"):
            value = risen(0 if before is None else getattr(before, name), getattr(now, name))
            setattr(self, name, min(getattr(self, name) + value, LARGEST_SUM))
            if name in ("successes", "failures"):
                calls += value
        if calls and now.mean is not None:
            self.weighted += _figure(now.mean) * calls
            self.weight += calls
        for name in ("p50", "p95", "p99", "maximum"):
            value = getattr(now, name)
            known = getattr(self, name)
            if value is not None and (known is None or value > known):
                setattr(self, name, _figure(value))
        self.replicas.add(instance)

    def row(self, circuit: str, start: int) -> dict[str, Any]:  # Any: the columns' values
        """Return the row of `circuit` for the second that begins at the Unix time `start`."""
        return {
            "circuit": circuit,
            "resolution": 1,
            "bucket_start": moment(start),
            "service": self.service,
            "successes": self.successes,
            "failures": self.failures,
            "slow": self.slow,
            "rejections": self.rejections,
            "timeouts": self.timeouts,
            "p50": self.p50,
            "p95": self.p95,
            "p99": self.p99,
            "mean": self.weighted / self.weight if self.weight else None,
            "max": self.maximum,
            "replicas": len(self.replicas),
        }


@dataclass(slots=True)
class RetryCounts:
    """What a policy's retries, hedges and fallbacks did within ten seconds, over all replicas."""

    calls: int = 0
    attempts: int = 0
    retries: int = 0
    given_up: int = 0
    hedges: int = 0
    fallbacks: int = 0
    budget: float | None = None

    def add(self, before: PolicyReport | None, now: PolicyReport) -> None:
        """Add the difference between two reports of a replica; None before its first one."""
        for name in ("calls", "attempts", "retries", "given_up", "hedges", "fallbacks"):
            value = risen(0 if before is None else getattr(before, name), getattr(now, name))
            setattr(self, name, min(getattr(self, name) + value, LARGEST_SUM))
        if now.budget is not None:
            budget = _figure(now.budget)
            self.budget = budget if self.budget is None else min(self.budget, budget)

    def row(self, policy: str, start: int) -> dict[str, Any]:  # Any: the columns' values
        """Return the row of `policy` for the ten seconds that begin at the Unix time `start`."""
        return {
            "policy": policy,
            "resolution": 10,
            "bucket_start": moment(start),
            "calls": self.calls,
            "attempts": self.attempts,
            "retries": self.retries,
            "given_up": self.given_up,
            "hedges": self.hedges,
            "fallbacks": self.fallbacks,
            "budget": self.budget,
        }


def risen(before: int, now: int) -> int:
    """Return by how much a counter has risen; one that fell was reset and began anew."""
    return now - before if now >= before else now


def _figure(value: float) -> float:
    """Return a measured value as a column can hold it; JSON knows whole numbers that no float reaches."""
    return float(min(max(value, -LONGEST_WAIT), LONGEST_WAIT))
