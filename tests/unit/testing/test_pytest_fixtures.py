"""The fixtures for pytest, used as a user's conftest would."""

from __future__ import annotations

import asyncio

import pytest

from scrollintel.core.config import CircuitBreakerConfig, Policy, RetryConfig
from scrollintel.core.errors import NotFoundError
from scrollintel.core.manager import ft_manager
from scrollintel.core.pipeline import Pipeline
from scrollintel.testing import ManualClock
from scrollintel.testing.pytest_fixtures import clean_manager, manual_clock, retries_at_once

__all__ = ["clean_manager", "manual_clock", "retries_at_once"]


def test_manual_clock_fixture_is_moved_by_sleeping(manual_clock: ManualClock) -> None:
    """The fixture gives a clock with its documented defaults."""
    manual_clock.sleep(5.0)
    assert manual_clock.monotonic() == 1005.0


@pytest.mark.usefixtures("retries_at_once")
def test_retries_at_once_fixture_leaves_the_waiting_out(manual_clock: ManualClock) -> None:
    """Retries happen, waits do not."""
    answers = iter([ConnectionError("refused"), None])

    def operation() -> str:
        error = next(answers)
        if error is not None:
            raise error
        return "answer"

    assert Pipeline(Policy("shop", retry=RetryConfig()), clock=manual_clock).call(operation) == "answer"
    assert manual_clock.sleeps == []


@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.usefixtures("clean_manager")
def test_clean_manager_fixture_forgets_circuits_between_tests(turn: int) -> None:
    """Each test finds the manager without the circuit that the one before has made."""
    with pytest.raises(NotFoundError):
        ft_manager.circuit_breaker("fixture")

    async def operation() -> int:
        return turn

    call = ft_manager.execute_with_fault_tolerance(operation, circuit_breaker_config=CircuitBreakerConfig("fixture"))
    assert asyncio.run(call) == turn
    assert ft_manager.circuit_breaker("fixture").name == "fixture"
