"""The engine in plain threads: turns in order, messages, and a stop that records nothing half done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from scrollintel.core.errors import LeaseLostError
from scrollintel.durable.local import LocalEngine
from tests.servers.processes import eventually

Json = dict[str, Any]


def run(name: str, *kinds: str) -> Json:
    """Return a run document."""
    return {"id": name, "remedies": [{"kind": kind} for kind in kinds or ("a",)], "backoff": [0.0]}


class Steps:
    """Performs steps: remembers them, and waits in `observe` until it is let go.

    Arguments:
        waits: Whether it does.
    """

    def __init__(self, *, waits: bool = True) -> None:
        self.done: list[tuple[str, str]] = []
        self.free = threading.Semaphore(0) if waits else threading.Semaphore(1_000_000)

    def __call__(self, run: Any, step: str, arguments: Any, key: str) -> Json:
        """Perform one."""
        if step == "observe":
            self.done.append((run["id"], step))
            assert self.free.acquire(timeout=20.0)
            return {"error": "not today"}
        self.done.append((run["id"], step))
        return {"verdict": "go"}

    def observed(self) -> list[str]:
        """Return the runs whose turn has come, in order."""
        return [name for name, step in self.done if step == "observe"]


@pytest.fixture
def engine() -> Callable[..., LocalEngine]:
    """Make engines."""

    def made(steps: Steps, **options: Any) -> LocalEngine:
        found = LocalEngine(steps, **options)
        found.start()
        return found

    return made


def test_runs_beyond_the_number_wait_and_come_in_the_order_in_which_they_were_given(engine: Any) -> None:
    """First come first served, however the threads are scheduled."""
    steps = Steps()
    local = engine(steps, max_running=2)
    names = [f"rec_{number}" for number in range(12)]
    for name in names:
        local.submit(run(name))
    for turn in range(2, 13):
        assert eventually(lambda turn=turn: len(steps.observed()) == min(turn, 12))
        assert len(steps.observed()) == min(turn, 12)
        assert sorted(steps.observed()) == sorted(names[: min(turn, 12)])
        steps.free.release()
    steps.free.release()
    assert eventually(lambda: not local.running())
    local.stop(1.0)


def test_run_that_is_given_twice_runs_once(engine: Any) -> None:
    """While it runs; its id is its identity."""
    steps = Steps()
    local = engine(steps)
    for _ in range(2):
        local.submit(run("rec_1"))
    assert eventually(lambda: steps.observed() == ["rec_1"])
    steps.free.release()
    assert eventually(lambda: not local.running())
    assert steps.observed() == ["rec_1"]
    local.stop(1.0)


def test_stop_leaves_what_runs_to_itself_and_what_waits_undone(engine: Any) -> None:
    """Nothing further is performed, nobody may act for a run, and no new one is taken."""
    steps = Steps()
    local = engine(steps, max_running=1)
    local.submit(run("rec_1"))
    assert eventually(lambda: steps.observed() == ["rec_1"])
    local.submit(run("rec_2"))
    local.stop(1.0)
    assert eventually(lambda: not local.running())
    steps.free.release(2)
    local.submit(run("rec_3"))
    assert (steps.observed(), local.running(), local.unfinished(), local.state) == (["rec_1"], set(), set(), "stopped")
    with pytest.raises(LeaseLostError):
        local.require_mine("rec_1")
