"""A short form of the chaos campaign: three scenarios, once, with ours; `make chaos` runs all of them in all arms."""

from __future__ import annotations

import pytest

from .campaign import play
from .scenarios import OURS, SCENARIOS


@pytest.mark.parametrize("name", ["C01", "C10", "C12"])
@pytest.mark.timeout(240)
def test_scenario_recovers_without_a_breach(name: str) -> None:
    """Real processes break, the platform repairs them, the prober says so, and nothing forbidden happens."""
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == name)
    done = play(scenario, OURS, 0, 1)
    assert done.breaches == []
    assert done.recovered
