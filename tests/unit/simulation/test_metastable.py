"""A metastable failure in virtual time, through real pipelines: retries keep the overload alive that a dip began."""

from __future__ import annotations

from typing import Any

import pytest

from scrollintel.simulation import simulate
from scrollintel.simulation.scenario import Scenario, scenario_of

RETRY = {"max_attempts": 3, "base_delay": 0.2}


def scenario(cold: int, **policies: Any) -> Scenario:
    """Return four clients at 80 % load whose service has 30 % of its capacity for 20 s."""
    return scenario_of(
        {
            "name": "metastable",
            "duration": 140.0,
            "arrivals": {"rate": 40.0},
            "clients": {"count": 4},
            "service": {
                "service_time": 0.02,
                "queue": 100,
                "cold_start": cold,
                "changes": [{"at": 60.0, "until": 80.0, "capacity": 0.3}],
            },
            "policies": policies,
        }
    )


@pytest.mark.parametrize("cold", [0, 200], ids=["warm", "cold"])
def test_metastable_failure_ends_with_the_detector_and_never_without(cold: int) -> None:
    """Three attempts without a budget: the trigger goes, the overload stays, unless calls are shed for a moment."""
    told = scenario(cold, bare={"retry": RETRY}, watched={"retry": RETRY, "metastability": {}})
    report = simulate(told, seed=1)
    bare, watched = (report[name] for name in ("bare", "watched"))
    assert bare.recovery is None
    assert bare.after < 0.05
    assert watched.recovery is not None
    assert watched.recovery <= 30.0
    assert watched.after > 0.6
    assert watched.before == bare.before
