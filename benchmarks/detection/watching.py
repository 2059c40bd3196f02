"""A watcher as `scrollintel serve` has one, and what it tells."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.recovery.symptom import Condition, ConditionChange, Depth
from scrollintel.recovery.target import Check, Target
from scrollintel.watch.kinds import ProbeContext
from scrollintel.watch.watcher import Watcher

from .subjects import Subject

INTERVAL = 0.1
"""Seconds between looks in all measurements."""
TIMEOUT = 0.2
"""Seconds for one look."""
PATIENCE = 30.0


class Watching:
    """A running watcher; `changes` grows in its thread."""

    def __init__(self) -> None:
        self.changes: list[ConditionChange] = []
        self._told = threading.Condition()
        self._pids: dict[str, tuple[int, float]] = {}
        context = ProbeContext(OutboundPolicy(private=("127.0.0.0/8",)), lambda target: self._pids.get(target.name))
        self.watcher = Watcher(on_change=self._changed, context=context, seed=1)

    def _changed(self, change: ConditionChange) -> None:
        with self._told:
            self.changes.append(change)
            self._told.notify_all()

    def watch(self, *targets: tuple[Target, Subject]) -> None:
        """Watch these, each of which is a process, in place of the former ones, and wait until all are healthy."""
        self._pids = {target.name: subject.identity for target, subject in targets}
        since = time.monotonic()
        self.watcher.apply([target for target, _ in targets])
        for target, _ in targets:
            self.wait(target.name, Condition.HEALTHY, since)

    def wait(self, target: str, condition: Condition, since: float) -> ConditionChange:
        """Return the first change of a target to a condition after a moment, waiting for it."""
        deadline = time.monotonic() + PATIENCE
        with self._told:
            while True:
                for change in self.changes:
                    if change.target == target and change.new is condition and change.at >= since:
                        return change
                if not self._told.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"{target} has not become {condition} within {PATIENCE:g} s")


@contextmanager
def watching() -> Iterator[Watching]:
    """Run a watcher."""
    made = Watching()
    made.watcher.start()
    try:
        yield made
    finally:
        made.watcher.stop()


def check(kind: str, depth: Depth = Depth.ALIVE, **options: object) -> Check:
    """Return a check with the interval and timeout of all measurements."""
    return Check(name=kind, kind=kind, depth=depth, interval=INTERVAL, timeout=TIMEOUT, options=options)


def target(name: str, *checks: Check, **fields: object) -> Target:
    """Return a target with these checks."""
    return Target(name=name, service=name, checks=checks, **fields)  # type: ignore[arg-type]  # fields of a target
