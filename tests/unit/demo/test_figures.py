"""Figures and meters of the demo: what counts as kept, how values are written, how answers are counted."""

from __future__ import annotations

import math

import pytest

from demo.figures import Figure, Unit, write
from demo.meter import Answer, Meter, Sample, buckets, quantile


@pytest.mark.parametrize(
    ("value", "at_most", "at_least", "kept"),
    [(1.0, 1.0, None, True), (1.1, 1.0, None, False), (1.0, None, 1.0, True), (0.9, None, 1.0, False)],
)
def test_figure_bounds_are_inclusive(value: float, at_most: float | None, at_least: float | None, kept: bool) -> None:
    """A value on its bound keeps the promise."""
    assert Figure("s", "k", "t", value, Unit.COUNT, at_most, at_least).kept is kept


def test_figure_not_measured_keeps_no_promise() -> None:
    """What was never seen is broken, whatever the bound, and has no value in JSON."""
    for bounds in ({"at_most": 9.0}, {"at_least": 0.0}):
        figure = Figure("s", "k", "t", math.nan, Unit.SECONDS, **bounds)
        assert not figure.kept
        assert (figure.measured(), figure.to_dict()["value"]) == ("not seen", None)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.000_012_34, Unit.SECONDS, "12.3 µs"),
        (0.0123, Unit.SECONDS, "12.3 ms"),
        (1.5, Unit.SECONDS, "1.5 s"),
        (0.0, Unit.SECONDS, "0 s"),
        (1.0, Unit.SHARE, "100 %"),
        (0.9999, Unit.SHARE, "99.9 %"),
        (0.256, Unit.SHARE, "25.6 %"),
        (1234, Unit.COUNT, "1,234"),
        (1.5, Unit.RATIO, "1.5 ×"),
    ],
)
def test_write_uses_the_unit_that_suits_and_never_rounds_a_loss_away(value: float, unit: Unit, text: str) -> None:
    """People read three digits; a share below one is never shown as 100 %."""
    assert write(value, unit) == text


def test_meter_summary_counts_by_start_and_kind() -> None:
    """Requests count for the stretch in which they started, by how they ended and how long they took."""
    meter = Meter()
    for started, seconds, answer, error in (
        (0.0, 0.1, Answer.FRESH, ""),
        (1.0, 2.0, Answer.FRESH, ""),
        (1.5, 0.1, Answer.FAILED, "HTTP 503"),
        (1.6, 0.0, Answer.STALE, ""),
        (5.0, 0.0, Answer.FRESH, ""),
    ):
        meter.begin(started)
        meter.end(Sample(started, started + seconds, answer, error))
    summary = meter.summary(1.0, 2.0)
    assert (summary.requests, summary.fresh, summary.stale, summary.failed) == (3, 1, 1, 1)
    assert summary.answered == pytest.approx(2 / 3)
    assert summary.in_time == pytest.approx(1 / 3)
    assert summary.slowest == pytest.approx(2.0)
    assert summary.errors == {"HTTP 503": 1}
    assert (meter.in_flight, meter.most_in_flight) == (0, 1)


def test_meter_overdue_counts_those_who_wait_too_long() -> None:
    """A request that hangs is told apart from one that has only just started."""
    meter = Meter()
    for started in (0.0, 1.0, 1.9):
        meter.begin(started)
    assert (meter.in_flight, meter.overdue(2.0)) == (3, 2)


def test_quantile_and_buckets_of_little() -> None:
    """No values give zero, no answers give an empty cell."""
    assert quantile([], 0.99) == 0.0
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    samples = [Sample(0.0, 9.95, Answer.FAILED, "x"), Sample(0.0, 9.0, Answer.FRESH, "")]
    assert buckets(samples, now=10.0, width=0.5, count=3) == [1.0, None, 0.0]
