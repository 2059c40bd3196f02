"""An adaptive limit in an overload that would never end by itself, in virtual time through real pipelines."""

from __future__ import annotations

from typing import Any

import pytest

from scrollintel import LimitAlgorithm
from scrollintel.simulation import simulate
from scrollintel.simulation.report import Run
from scrollintel.simulation.scenario import scenario_of

RETRY = {"max_attempts": 3, "base_delay": 0.2, "budget": {"ratio": 0.1}}
COLD = 10_000


def run(policy: dict[str, Any], *, cold: int = 0, seconds: float = 65.0) -> Run:
    """Return what came of half of the shipped scenario `overload`: ten of its clients, half of its service."""
    scenario = scenario_of(
        {
            "name": "overload",
            "duration": seconds,
            "arrivals": {"rate": 400.0},
            "clients": {"count": 10, "timeout": 1.0},
            "service": {
                "service_time": 0.002,
                "queue": 1000,
                "cold_start": cold,
                "changes": [{"at": 30.0, "until": 50.0, "capacity": 0.3}],
            },
            "policies": {"policy": {"retry": RETRY, **policy}},
        }
    )
    return simulate(scenario, seed=1)["policy"]


@pytest.mark.parametrize("kind", LimitAlgorithm)
def test_limit_answers_what_can_be_answered_in_a_dip_of_capacity(kind: LimitAlgorithm) -> None:
    """Of 37.5 % that a server with 30 % of its capacity can answer, at least 35 % are, and soon after it all."""
    report = run({"limit": {"algorithm": kind.value}})
    assert report.before > 0.999
    assert report.during >= 0.35
    assert report.recovery is not None
    assert report.recovery <= (5.0 if kind is LimitAlgorithm.VEGAS else 0.0)


def test_limit_lets_a_cold_server_warm_up() -> None:
    """A server that gets warm by answers in time is warm within 30 s, about the least that it can take."""
    report = run({"limit": {}}, cold=COLD, seconds=95.0)
    assert report.recovery is not None
    assert report.recovery <= 30.0


def test_without_a_limit_the_dip_never_ends() -> None:
    """The scenario is one that needs a limit: retries have a budget, and still a cold server stays overloaded."""
    report = run({}, cold=COLD, seconds=95.0)
    assert report.during < 0.1
    assert report.recovery is None
