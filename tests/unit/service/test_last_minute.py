"""Calls and response times of the last minute."""

from __future__ import annotations

from array import array

import pytest

from scrollintel.core.machines.sketch import LatencySketch
from scrollintel.service.last_minute import MAX_SECONDS, LastMinute


def buckets(*durations: float) -> list[tuple[int, int]]:
    """Return durations in seconds as a replica tells them."""
    sketch = LatencySketch()
    sketch.add(array("d", durations))
    return [(bucket, number) for bucket, number in enumerate(sketch.counts) if number]


def everything(service: str) -> bool:
    """See all services."""
    return True


def test_response_times_of_services_are_merged_as_if_they_had_been_measured_together() -> None:
    """Ninety quick calls of one service and ten slow ones of another: the median is quick, the tails are slow."""
    minute = LastMinute()
    minute.add_durations(1000, "orders", buckets(*[0.010] * 90))
    minute.add_durations(1030, "billing", buckets(*[2.0] * 10))
    times = minute.response_times(1040, everything)
    assert times is not None
    assert times["p50"] == pytest.approx(0.010, rel=0.032)
    assert times["p95"] == times["p99"] == pytest.approx(2.0, rel=0.032)
    of_orders = minute.response_times(1040, lambda service: service == "orders")
    assert of_orders is not None
    assert of_orders["p99"] == times["p50"]
    assert minute.response_times(1040, lambda service: False) is None


def test_what_ended_more_than_a_minute_ago_counts_no_more() -> None:
    """Neither calls nor response times, and it is not kept."""
    minute = LastMinute()
    minute.add_calls(1000, "orders", 10, 1)
    minute.add_durations(1000, "orders", buckets(1.0))
    assert minute.calls(1060, everything) == (10, 1)
    assert minute.calls(1061, everything) == (0, 0)
    assert minute.response_times(1064, everything) is not None
    assert minute.response_times(1065, everything) is None
    minute.add_calls(1070, "orders", 5, 0)
    minute.add_calls(1070, "orders", 5, 2)
    assert minute.calls(1070, everything) == (10, 2)


def test_clock_that_is_put_back_again_and_again_does_not_let_it_grow() -> None:
    """The second that came first goes first."""
    minute = LastMinute()
    for second in range(10 * MAX_SECONDS, 0, -1):
        minute.add_calls(second, "orders", 1, 0)
    assert minute.calls(0, everything) == (MAX_SECONDS, 0)
