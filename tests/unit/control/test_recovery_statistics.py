"""Statistics of recoveries, against values that were worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scrollintel.control.recovery_statistics import Ended, IncidentTimes, spread, statistics

AT = datetime(2026, 1, 1, tzinfo=UTC)


def incident(service: str, begin: float, recover: float | None, kind: str = "exited") -> IncidentTimes:
    """Return an incident that was declared 1 s after its detection."""

    def moment(seconds: float) -> datetime:
        return AT + timedelta(seconds=begin + seconds)

    healthy = None if recover is None else moment(recover)
    return IncidentTimes(service, service, kind, moment(0), moment(1), moment(2), moment(3), healthy)


def test_spread_tells_the_middle_and_the_tail() -> None:
    """Quantiles are interpolated; of nothing there is none."""
    found = spread([1.0, 2.0, 3.0, 10.0])
    assert found is not None
    assert (found["count"], found["median"], found["max"], found["mean"]) == (4, 2.5, 10.0, 4.0)
    assert found["p90"] == pytest.approx(7.9)
    assert spread([]) is None


def test_statistics_are_told_over_all_and_by_service_failure_and_strategy() -> None:
    """One that was never proven healthy counts as an incident and not in the times."""
    incidents = [incident("shop", 0, 5), incident("shop", 100, 15, "stalled"), incident("web", 50, None)]
    ended = [
        Ended("shop", "exited", "recovered", "restart", ("restart",)),
        Ended("shop", "stalled", "recovered", "runbook", ("restart", "runbook")),
        Ended("web", "exited", "failed", None, ("restart",)),
    ]
    found = statistics(incidents, ended)
    assert (found["incidents"], found["recoveries"]) == (3, 3)
    assert found["success_rate"] == pytest.approx(2 / 3)
    assert found["time_to_recover"]["median"] == 10.0
    assert found["time_between_failures"]["count"] == 1
    assert found["time_between_failures"]["max"] == 100.0
    assert found["detection"]["max"] == found["initiation"]["max"] == found["action"]["max"] == 1.0
    assert found["by_service"]["web"]["time_to_recover"] is None
    assert found["by_failure_type"]["stalled"]["time_to_recover"]["median"] == 15.0
    assert found["by_strategy"] == {"restart": {"tried": 3, "helped": 1}, "runbook": {"tried": 1, "helped": 1}}
