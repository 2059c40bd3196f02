"""How a service is judged from its circuits, its level and its replicas."""

from __future__ import annotations

import pytest

from scrollintel.control.health import Evidence, ServiceHealth, judge
from scrollintel.core.config.degradation import DegradationLevel
from scrollintel.core.states import CircuitState
from scrollintel.recovery.symptom import Condition

CLOSED, OPEN, HALF_OPEN, ISOLATED = (
    CircuitState.CLOSED,
    CircuitState.OPEN,
    CircuitState.HALF_OPEN,
    CircuitState.ISOLATED,
)
NONE, MINIMAL, SEVERE = DegradationLevel.NONE, DegradationLevel.MINIMAL, DegradationLevel.SEVERE


@pytest.mark.parametrize(
    ("evidence", "status", "reason"),
    [
        (Evidence([("db", CLOSED)], NONE, 2, 0), ServiceHealth.HEALTHY, "nothing is wrong"),
        (Evidence([], NONE, 0, 0), ServiceHealth.UNKNOWN, "no replica has joined"),
        (Evidence([], NONE, 0, 0, 0, [("a", Condition.UNKNOWN)]), ServiceHealth.UNKNOWN, "no replica has joined"),
        (Evidence([], NONE, 0, 0, 0, [("a", Condition.HEALTHY)]), ServiceHealth.HEALTHY, "nothing is wrong"),
        (Evidence([], NONE, 0, 0, 0, [("a", Condition.FAILED)]), ServiceHealth.UNHEALTHY, "a has failed"),
        (
            Evidence([], NONE, 2, 0, 0, [("a/1", Condition.RECOVERING), ("a/2", Condition.SUSPECT)]),
            ServiceHealth.DEGRADED,
            "a/1 has failed",
        ),
        (Evidence([("db", OPEN)], NONE, 2, 0), ServiceHealth.DEGRADED, "refuses calls to db"),
        (Evidence([("db", ISOLATED)], NONE, 2, 0), ServiceHealth.DEGRADED, "refuses calls to db"),
        (Evidence([("db", HALF_OPEN)], NONE, 2, 0), ServiceHealth.DEGRADED, "tries db again"),
        (Evidence([], MINIMAL, 1, 0), ServiceHealth.DEGRADED, "is degraded to minimal"),
        (Evidence([], SEVERE, 1, 0), ServiceHealth.UNHEALTHY, "is degraded to severe"),
        (Evidence([], NONE, 2, 1), ServiceHealth.DEGRADED, "1 of 2 replicas have fallen silent"),
        (Evidence([], NONE, 2, 2), ServiceHealth.UNHEALTHY, "2 of 2 replicas have fallen silent"),
        (Evidence([], SEVERE, 0, 0), ServiceHealth.UNHEALTHY, "is degraded to severe"),
    ],
)
def test_judge_one_reason_decides(evidence: Evidence, status: ServiceHealth, reason: str) -> None:
    """Each kind of evidence leads to its status and says so."""
    judgement = judge(evidence)
    assert judgement.status is status
    assert judgement.reasons == (reason,)


def test_judge_worst_reason_decides_and_all_are_told() -> None:
    """An open circuit of a severely degraded service with a silent replica: unhealthy, for three reasons."""
    judgement = judge(Evidence([("db", OPEN), ("cache", CLOSED)], SEVERE, 3, 1))
    assert judgement.status is ServiceHealth.UNHEALTHY
    assert len(judgement.reasons) == 3


@pytest.mark.parametrize(
    ("evidence", "status", "reasons", "remembered"),
    [
        (
            Evidence([("db", OPEN)], NONE, 0, 0, remembered=2),
            ServiceHealth.DEGRADED,
            ("refuses calls to db", "this is what 2 replicas reported before the control plane was started"),
            True,
        ),
        (
            Evidence([("db", CLOSED)], NONE, 0, 0, remembered=1),
            ServiceHealth.HEALTHY,
            ("this is what 1 replica reported before the control plane was started",),
            True,
        ),
        (
            Evidence([("db", CLOSED)], NONE, 1, 0, remembered=1),
            ServiceHealth.HEALTHY,
            ("1 replica of before the control plane was started has not come back",),
            False,
        ),
    ],
)
def test_judge_after_a_restart_goes_by_what_replicas_reported_before(
    evidence: Evidence, status: ServiceHealth, reasons: tuple[str, ...], remembered: bool
) -> None:
    """What is remembered decides until replicas speak for themselves, and is told to be no more than that."""
    judgement = judge(evidence)
    assert (judgement.status, judgement.reasons, judgement.remembered) == (status, reasons, remembered)


def test_judge_many_circuits_are_counted_beyond_five() -> None:
    """The sentence stays short."""
    judgement = judge(Evidence([(f"c{number}", OPEN) for number in range(8)], NONE, 1, 0))
    assert judgement.reasons == ("refuses calls to c0, c1, c2, c3, c4 and 3 more",)
