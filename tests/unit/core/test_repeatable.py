"""Retries that depend on the call: only operations that may run more than once are tried again."""

from __future__ import annotations

import asyncio

import pytest

from scrollintel import EventHub, Policy, Registry, RetryConfig, RetryGivenUp
from scrollintel.testing import ManualClock


def is_read(method: str, *, path: str) -> bool:
    """Tell whether an operation may run more than once."""
    return method == "GET" and path != ""


@pytest.mark.parametrize(("method", "runs"), [("GET", 3), ("POST", 1)])
@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "asyncio"])
def test_retry_repeatable_decides_from_the_calls_arguments(
    registry: Registry, hub: EventHub, clock: ManualClock, method: str, runs: int, blocking: bool
) -> None:
    """The same policy tries one operation again and the other not; the event says why."""
    pipeline = registry.pipeline(Policy("shop", retry=RetryConfig(repeatable=is_read)))
    told: list[RetryGivenUp] = []
    hub.subscribe(told.append, kinds=[RetryGivenUp])  # type: ignore[arg-type]  # the kinds narrow it
    ran: list[str] = []

    def fail(method: str, *, path: str) -> None:
        ran.append(method + path)
        raise ConnectionError("broken")

    async def afail(method: str, *, path: str) -> None:
        fail(method, path=path)

    with pytest.raises(ConnectionError):
        if blocking:
            pipeline.call(fail, method, path="/")
        else:
            asyncio.run(pipeline.acall(afail, method, path="/"))
    assert ran == [method + "/"] * runs
    assert hub.flush(5.0)
    assert [(event.attempts, event.reason) for event in told] == [(runs, "attempts" if runs == 3 else "repeatable")]


def test_retry_repeatable_is_asked_only_when_a_retry_is_due(registry: Registry) -> None:
    """Calls that succeed pay nothing for it, nor do last attempts."""
    asked: list[str] = []

    def note(text: str) -> bool:
        asked.append(text)
        return True

    pipeline = registry.pipeline(Policy("shop", retry=RetryConfig(2, repeatable=note)))
    assert pipeline.call(str, "fine") == "fine"
    assert asked == []
    with pytest.raises(ValueError, match="bad"):
        pipeline.call(int, "bad")
    assert asked == ["bad"]
