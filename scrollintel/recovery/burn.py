"""How fast an error budget burns, over pairs of windows (Google SRE Workbook, chapter 5, "Alerting on SLOs")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

HOUR = 3600.0
PAIRS = ((14.4, HOUR, 300.0), (6.0, 6 * HOUR, 1800.0), (1.0, 72 * HOUR, 6 * HOUR))
"""Burn rate, long and short window in seconds; both windows have to burn that fast. For a budget of 30 days these are
2, 5 and 10 % of it."""
MIN_EVENTS = 20
"""Calls in the short window below which nothing is said."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Calls that ended within some seconds before now: `age` is that of the bucket's middle."""

    age: float
    calls: int
    failures: int


@dataclass(frozen=True, slots=True)
class Burn:
    """The fastest pair that burns: its threshold, and the rates over both windows."""

    threshold: float
    long_rate: float
    short_rate: float


def burning(buckets: Iterable[Bucket], objective: float) -> Burn | None:
    """Return the fastest pair of windows that burns the budget of an objective, or None; see `all_burning`."""
    return next(all_burning(buckets, objective), None)


def all_burning(buckets: Iterable[Bucket], objective: float) -> Iterator[Burn]:
    """Yield every pair of windows that burns the budget of an objective, the fastest first.

    Arguments:
        buckets: Counts of calls by age, in any order.
        objective: Share of calls that should succeed, above 0 and below 1.
    """
    kept = list(buckets)
    for threshold, long, short in PAIRS:
        rates = [burn_rate(kept, window, objective) for window in (long, short)]
        if rates[0] is not None and rates[1] is not None and min(rates[0], rates[1]) >= threshold:
            yield Burn(threshold, rates[0], rates[1])


def burn_rate(buckets: Sequence[Bucket], window: float, objective: float) -> float | None:
    """Return how many times as fast as an objective allows its budget burns; None of too few calls.

    Arguments:
        buckets: Counts of calls by age, in any order.
        window: Seconds up to now that count.
        objective: As for `burning`.
    """
    calls = sum(bucket.calls for bucket in buckets if bucket.age <= window)
    if calls < MIN_EVENTS:
        return None
    failures = sum(bucket.failures for bucket in buckets if bucket.age <= window)
    return failures / calls / (1.0 - objective)
