"""Deterministic exploration of thread interleavings with `frontrun`, and what its scenes are made of.

A scene is a fresh state, the threads that change it, and what must be true of it in the end. It is explored twice:
by partial-order reduction, which visits each order of conflicting accesses once (at most two preemptions), and by
seeded random schedules of single bytecodes, which also see accesses that happen inside C code.

A scene proves something only if it can fail, so each has a twin with a planted race: `assert_caught` first runs the
twin's threads one after the other, in every order, where it must hold, and then demands a failing interleaving.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import frontrun
from frontrun._cooperative import CooperativeLock, patch_locks, unpatch_locks
from frontrun._deadlock import SchedulerAbort

from scrollintel.core import locks
from tests.concurrency.slots_seen import slots_seen

PREEMPTIONS = 2
SEARCH = "bit-reversal"
ORDERS = 60
SCHEDULES = 16
LONGEST_SCHEDULE = 400
"""Steps of the random part of a schedule; frontrun goes on with its own, still deterministic, turns."""


class NoLock:
    """A lock that locks nothing: the planted race of most twins."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Succeed."""
        return True

    def release(self) -> None:
        """Do nothing."""

    def __enter__(self) -> NoLock:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class StillClock:
    """A clock without a lock of its own; `now` is set by whoever wants."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def monotonic(self) -> float:
        """Return `now`."""
        return self.now

    def time(self) -> float:
        """Return `now`."""
        return self.now


@dataclass(frozen=True)
class Scene:
    """What is explored.

    Attributes:
        setup: Makes a fresh state.
        threads: What runs at once; each takes the state.
        holds: Asserts what must be true of the state after all threads have ended. An error that leaves a thread
            and a deadlock are failures as well.
    """

    setup: Callable[[], Any]
    threads: Sequence[Callable[[Any], None]]
    holds: Callable[[Any], None]


@contextmanager
def cooperative_locks() -> Iterator[None]:
    """Let every lock made meanwhile give its turn back to the scheduler instead of blocking the interpreter.

    frontrun patches them by itself only under its own command; without that its entry points skip the test.
    """
    register, locks._REGISTER = locks._REGISTER, CooperativeLock()  # type: ignore[assignment]
    collecting = gc.isenabled()
    gc.disable()  # a collection at another step in each run would make runs differ
    patch_locks()
    try:
        yield
    finally:
        unpatch_locks()
        locks._REGISTER = register
        if collecting:
            gc.enable()


class Run:
    """One state, and the errors of the threads that worked on it."""

    def __init__(self, state: Any) -> None:
        self.state = state
        self.errors: list[Exception] = []


def explore(scene: Scene, seed: int) -> Any:
    """Return the first result with a failing interleaving, or the last one when there is none."""

    def guarded(thread: Callable[[Any], None]) -> Callable[[Run], None]:
        def work(run: Run) -> None:
            try:
                thread(run.state)
            except SchedulerAbort:
                raise
            except Exception as error:  # the finding is the first error, not the end of the exploration
                run.errors.append(error)

        return work

    def holds(run: Run) -> bool:
        assert not run.errors, f"a thread raised {run.errors[0]!r}"
        scene.holds(run.state)
        return True

    def setup() -> Run:
        return Run(scene.setup())

    threads = [guarded(thread) for thread in scene.threads]
    shared = {"reproduce_on_failure": 0, "detect_io": False, "deadlock_timeout": 30.0, "timeout_per_run": 60.0}
    with cooperative_locks(), slots_seen():
        ordered = frontrun.explore(
            setup, threads, holds, preemption_bound=PREEMPTIONS, max_executions=ORDERS, search=SEARCH, **shared
        )
        if not ordered.property_holds:
            return ordered
        return frontrun.explore(
            setup, threads, holds, strategy="random", max_attempts=SCHEDULES, max_ops=LONGEST_SCHEDULE,
            seed=random.Random(seed).randrange(2**32), **shared,
        )  # fmt: skip


def assert_holds(scene: Scene, seed: int) -> None:
    """Fail with the interleaving that breaks the scene, if one is found."""
    explore(scene, seed).assert_holds()


def assert_caught(scene: Scene, seed: int) -> None:
    """Fail unless the scene holds one thread after the other and an interleaving breaks it."""
    for order in permutations(scene.threads):
        state = scene.setup()
        for thread in order:
            thread(state)
        scene.holds(state)
    result = explore(scene, seed)
    assert result.property_holds is False, f"the planted race was not found: {result!r}"
