"""Calls are counted over three days in little memory, and tell how fast an error budget burns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollintel.recovery.burn import HOUR, burning
from scrollintel.recovery.call_counts import COARSE, FINE, KEPT, CallCounts


def steady(share: float, *, hours: float, every: float = 10.0, calls: int = 100) -> tuple[CallCounts, float]:
    """Count calls that fail at one rate; return the counts and the time at the end."""
    counts, now = CallCounts(), 0.0
    while now < hours * HOUR:
        counts.add(now, calls, round(calls * share))
        now += every
    return counts, now


@pytest.mark.parametrize(
    ("share", "hours", "threshold"),
    [
        (0.0, 1.0, None),
        (0.02, 1.0, 14.4),  # twenty times the budget of 0.1 %
        (0.01, 6.0, 6.0),
        (0.002, 72.0, None),  # 0.2 of 100 calls is none when rounded
        (0.04, 0.01, 14.4),
    ],
)
def test_rate_of_failures_burns_at_its_pair_of_windows(share: float, hours: float, threshold: float | None) -> None:
    """The thresholds are those of the SRE Workbook."""
    counts, now = steady(share, hours=hours)
    found = burning(counts.buckets(now), 0.999)
    assert (None if found is None else found.threshold) == threshold


def test_failure_that_is_over_burns_nothing() -> None:
    """The short window asks whether it still goes on."""
    counts, now = steady(0.5, hours=0.5)
    for second in range(0, 400, 10):
        counts.add(now + second, 100, 0)
    found = burning(counts.buckets(now + 400.0), 0.999)
    assert found is None or found.threshold < 14.4


def test_few_calls_say_nothing() -> None:
    """Nineteen failures are no rate."""
    counts = CallCounts()
    counts.add(0.0, 19, 19)
    assert burning(counts.buckets(1.0), 0.999) is None


@given(st.lists(st.tuples(st.floats(0.0, 50_000.0), st.integers(0, 1000)), max_size=200))
def test_counts_are_complete_and_few(steps: list[tuple[float, int]]) -> None:
    """What is younger than three days is counted once, what is older not at all, in a bounded number of counts."""
    counts, now, added = CallCounts(), 0.0, []
    for gap, calls in steps:
        now += gap
        counts.add(now, calls, calls // 2)
        added.append((now, calls))
    buckets = list(counts.buckets(now))
    total = sum(bucket.calls for bucket in buckets)
    assert total >= sum(calls for at, calls in added if at > now - KEPT)
    assert total <= sum(calls for at, calls in added if at > now - KEPT - 2 * COARSE)
    assert len(buckets) <= HOUR / FINE + KEPT / COARSE + 3
