"""Steps that tests of one circuit have in common: a pipeline around it, and calls that end in each way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scrollintel.core.events import Event
from scrollintel.core.hub import EventHub
from scrollintel.core.pipeline import Pipeline
from scrollintel.core.states import CircuitState

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
SECRET = "card 4111-1111"
WALL = 1_700_000_000.0
Make = Callable[..., Pipeline]


class Broken(Exception):
    """The dependency fails."""


def broken() -> None:
    """Fail as the dependency does."""
    raise Broken(SECRET)


def ok() -> str:
    """Succeed."""
    return "ok"


def fail(pipeline: Pipeline, times: int = 1) -> None:
    """Let calls fail."""
    for _ in range(times):
        with pytest.raises(Broken):
            pipeline.call(broken)


def raising(error: BaseException) -> Callable[[], None]:
    """Return an operation that raises."""

    def operation() -> None:
        raise error

    return operation


def listen(hub: EventHub, *kinds: type[Event]) -> list[Any]:
    """Return a list that fills with events; `hub.flush()` waits until it has."""
    events: list[Any] = []
    hub.subscribe(events.append, kinds=kinds)
    return events
