"""Both drivers, each with its short way open and closed, and what a suite that runs on all four needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scrollintel import Pipeline, Policy
from scrollintel.core.interventions import INTERVENTIONS
from scrollintel.testing import ManualClock
from tests.conformance.driver import AsynchronousDriver, Driver, Ledger

Build = Callable[..., Pipeline]


def unchanged(policy: str, operation: Callable[..., Any]) -> Callable[..., Any]:
    """Inject nothing; while an injector is present no call takes the short way."""
    return operation


@pytest.fixture
def ledger() -> Ledger:
    """Return the hub of the test, which keeps all events."""
    return Ledger()


@pytest.fixture(params=["blocking", "blocking-chain", "asynchronous", "asynchronous-chain"])
def driver(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[Driver]:
    """Return each driver twice: as it is, and with every call sent through the whole chain."""
    found = AsynchronousDriver(clock) if request.param.startswith("asynchronous") else Driver(clock)
    chain = request.param.endswith("chain")
    if chain:
        INTERVENTIONS.change(add=unchanged)
    try:
        yield found
    finally:
        if chain:
            INTERVENTIONS.change(remove=unchanged)
        found.finish()


@pytest.fixture
def build(clock: ManualClock, ledger: Ledger) -> Build:
    """Return a function that makes a pipeline on the manual clock from the parts of a policy."""

    def make(name: str = "service", **parts: Any) -> Pipeline:
        return Pipeline(Policy(name, **parts), clock=clock, hub=ledger)

    return make
