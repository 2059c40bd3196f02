"""A watcher hears real beats, and tells of silence and of beats without progress."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.recovery.symptom import Condition, ConditionChange, Depth, FailureType
from scrollintel.recovery.target import Heartbeat, Target
from scrollintel.watch.kinds import ProbeContext
from scrollintel.watch.watcher import Watcher
from tests.servers.processes import eventually


class Heard:
    """A running watcher, and what it told."""

    def __init__(self) -> None:
        self.changes: list[ConditionChange] = []
        context = ProbeContext(OutboundPolicy(), lambda _: None)
        self.watcher = Watcher(on_change=self.changes.append, context=context)

    def conditions(self) -> list[Condition]:
        """Return the conditions that were told, in order."""
        return [change.new for change in self.changes]


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Run a watcher."""
    made = Heard()
    made.watcher.start()
    yield made
    made.watcher.stop()


def test_watcher_target_that_falls_silent_is_suspected_and_then_failed(heard: Heard) -> None:
    """Where nothing else can be asked, silence of twice the timeout is a failure."""
    heard.watcher.apply([Target(name="agent", service="agent", heartbeat=Heartbeat(timeout=0.3))])
    heard.watcher.beat("agent")
    assert eventually(lambda: Condition.FAILED in heard.conditions())
    assert heard.conditions() == [Condition.HEALTHY, Condition.SUSPECT, Condition.FAILED]
    assert heard.changes[-1].failure_type == FailureType.SILENT
    assert heard.changes[-1].at - heard.changes[0].at >= 0.6


def test_watcher_target_that_beats_without_progress_is_stalled(heard: Heard) -> None:
    """A wedged agent goes on beating; only its progress gives it away."""
    beats = Heartbeat(timeout=5.0, progress_timeout=0.3)
    heard.watcher.apply([Target(name="agent", service="agent", heartbeat=beats)])

    def stalled() -> bool:
        heard.watcher.beat("agent", 1)
        return Condition.FAILED in heard.conditions()

    assert eventually(stalled)
    assert (heard.changes[-1].failure_type, heard.changes[-1].depth) == (FailureType.STALLED, Depth.ALIVE)
