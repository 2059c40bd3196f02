"""What has ended within the last minute: calls, failures, and how long calls took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

from ..core.machines.sketch import LatencySketch

T = TypeVar("T")
MINUTE = 60
SLOT = 5
"""Seconds of one count of durations."""
MAX_SECONDS = 2 * MINUTE
"""Seconds that are kept at most, also when the clock is put back."""
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class LastMinute:
    """Sums by second and service; times are whole seconds of Unix time."""

    def __init__(self) -> None:
        self._calls: dict[int, dict[str, tuple[int, int]]] = {}
        self._durations: dict[int, dict[str, Counter[int]]] = {}

    def add_calls(self, second: int, service: str, calls: int, failures: int) -> None:
        """Count calls that have ended, and those of them that failed."""
        sums = self._calls.get(second)
        if sums is None:
            sums = self._calls[second] = {}
            _prune(self._calls, second - MINUTE)
        known = sums.get(service, (0, 0))
        sums[service] = known[0] + calls, known[1] + failures

    def add_durations(self, second: int, service: str, durations: Iterable[tuple[int, int]]) -> None:
        """Count how long calls took: buckets of `LatencySketch`, and how many fell into each."""
        slot = second - second % SLOT
        sums = self._durations.get(slot)
        if sums is None:
            sums = self._durations[slot] = {}
            _prune(self._durations, slot - MINUTE)
        counts = sums.setdefault(service, Counter())
        for bucket, number in durations:
            counts[bucket] += number

    def calls(self, second: int, sees: Callable[[str], bool]) -> tuple[int, int]:
        """Return the calls and failures up to `second`, of services that `sees` tells."""
        found = [
            counted
            for at, sums in self._calls.items()
            if at >= second - MINUTE
            for service, counted in sums.items()
            if sees(service)
        ]
        return sum(calls for calls, _ in found), sum(failures for _, failures in found)

    def response_times(self, second: int, sees: Callable[[str], bool]) -> dict[str, float] | None:
        """Return quantiles in seconds of what took `MINUTE` to `MINUTE + SLOT` seconds up to now; None without any."""
        total: Counter[int] = Counter()
        for at, sums in self._durations.items():
            if at > second - MINUTE - SLOT:
                for service, counts in sums.items():
                    if sees(service):
                        total.update(counts)
        if not total:
            return None
        sketch = LatencySketch.of(total.items())
        return dict(zip(QUANTILES, (round(value, 6) for value in sketch.quantiles(*QUANTILES.values())), strict=True))


def _prune(kept: dict[int, T], horizon: int) -> None:
    for at in [at for at in kept if at < horizon - SLOT]:
        del kept[at]
    while len(kept) > MAX_SECONDS:
        del kept[next(iter(kept))]
