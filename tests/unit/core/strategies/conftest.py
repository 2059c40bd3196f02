"""A maker of pipelines for tests of circuits."""

from __future__ import annotations

from typing import Any

import pytest

from scrollintel.core.config.breaker import CircuitBreakerConfig
from scrollintel.core.config.policy import Policy
from scrollintel.core.hub import EventHub
from scrollintel.core.pipeline import Pipeline
from scrollintel.testing import ManualClock
from tests.unit.core.strategies.circuit_steps import Make


@pytest.fixture
def make(clock: ManualClock, hub: EventHub) -> Make:
    """Return a maker of pipelines with one circuit called "orders"; `policy` changes the policy around it."""

    def build(policy: dict[str, Any] | None = None, **changes: Any) -> Pipeline:
        config = CircuitBreakerConfig("orders", **changes)
        return Pipeline(Policy("orders", breaker=config, **(policy or {})), clock=clock, hub=hub)

    return build
