"""Deterministic exploration of thread interleavings with `frontrun`, and what its scenes are made of.

A scene is a fresh state, the threads that change it, and what must be true of it in the end. It is explored twice:
by partial-order reduction, which visits each order of conflicting accesses once (at most two preemptions), and by
seeded schedules of single bytecodes with one or two preemptions at random accesses, which also see what happens
inside C code. Few preemptions find most races (Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees
of Finding Bugs", 2010).

A scene proves something only if it can fail, so each has a twin with a planted race: `assert_caught` first runs the
twin's threads one after the other, in every order, where it must hold, and then demands a failing interleaving.
"""

from __future__ import annotations

import gc
import os
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dis import opname
from itertools import permutations
from types import FrameType
from typing import Any

import frontrun  # type: ignore[import-untyped]  # it has no types
from frontrun._cooperative import patch_locks, unpatch_locks  # type: ignore[import-untyped]  # it has no types
from frontrun._deadlock import DeadlockError, SchedulerAbort  # type: ignore[import-untyped]  # it has no types
from frontrun.bytecode import run_with_schedule  # type: ignore[import-untyped]  # it has no types

from scrollintel.core import locks
from tests.concurrency.slots_seen import slots_seen

FACTOR = int(os.environ.get("SCROLLINTEL_INTERLEAVINGS", "1"))
"""For a longer search: how many times as many interleavings are tried as in an ordinary run."""
PREEMPTIONS = 2
ORDERS = 12 * FACTOR
"""Orders of conflicting accesses that are tried."""
SCHEDULES = 10 * FACTOR
"""Schedules with random preemptions that are tried at least."""
STEPS = 10_000 * FACTOR
"""Steps up to which more such schedules are tried: the shorter a scene, the more of them."""
PATIENCE = 10
"""How many times as much may be tried until a planted race is found."""
SLACK = 50
"""Steps by which a thread may take another way than it did alone."""
SHARED = frozenset({
    "BINARY_SUBSCR", "CALL", "DELETE_SUBSCR", "FOR_ITER", "LOAD_ATTR", "LOAD_DEREF", "LOAD_METHOD", "STORE_ATTR",
    "STORE_DEREF", "STORE_SUBSCR",
})  # fmt: skip
"""Names of the bytecodes that may touch what threads share."""


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
    threads: Sequence[Callable[[Any], object]]
    holds: Callable[[Any], object]


@contextmanager
def cooperative_locks() -> Iterator[None]:
    """Let every lock made meanwhile give its turn back to the scheduler instead of blocking the interpreter.

    frontrun patches them by itself only under its own command; without that its entry points skip the test.
    """
    known, configuring = locks._LOCKS, locks.CONFIGURING._lock
    collecting = gc.isenabled()
    gc.disable()  # a collection at another step in each run would make runs differ
    patch_locks()
    locks._LOCKS = locks._Locks()  # made at import otherwise, with locks that block
    locks.CONFIGURING._lock = threading.RLock()
    try:
        yield
    finally:
        unpatch_locks()
        locks._LOCKS, locks.CONFIGURING._lock = known, configuring
        if collecting:
            gc.enable()


def without_the_configuring_lock() -> None:
    """Plant a race in the scene that is being set up: changes of configuration no longer exclude each other."""
    locks.CONFIGURING._lock = NoLock()  # type: ignore[assignment]  # all that is used of it


class Run:
    """One state, and the errors of the threads that worked on it."""

    def __init__(self, state: Any) -> None:
        self.state = state
        self.errors: list[Exception] = []


class Explored:
    """A scene as it is handed to frontrun: an error that leaves a thread is kept, and is a failure in the end."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.threads = [self._guarded(thread) for thread in scene.threads]

    def setup(self) -> Run:
        """Make a fresh state."""
        return Run(self._scene.setup())

    def holds(self, run: Run) -> bool:
        """Assert that nothing went wrong."""
        assert not run.errors, f"a thread raised {run.errors[0]!r}"
        self._scene.holds(run.state)
        return True

    @staticmethod
    def _guarded(thread: Callable[[Any], object]) -> Callable[[Run], None]:
        def work(run: Run) -> None:
            try:
                thread(run.state)
            except SchedulerAbort:
                raise
            except Exception as error:  # a finding, and not the end of the exploration
                run.errors.append(error)

        return work


def orders_of_accesses(scene: Explored, most: int) -> str | None:
    """Try the orders of conflicting accesses; return the first failure in words."""
    result = frontrun.explore(
        scene.setup, scene.threads, scene.holds, preemption_bound=PREEMPTIONS, max_executions=most,
        reproduce_on_failure=0, detect_io=False, deadlock_timeout=30.0, timeout_per_run=60.0,
    )  # fmt: skip
    if result.property_holds is None:
        result.assert_holds()
    return None if result.property_holds else str(result.explanation)


class Steps:
    """Takes the place of frontrun's recorder and notes before which steps of each thread a preemption may matter."""

    def __init__(self, threads: int) -> None:
        self.lengths = [0] * threads
        self.places: list[tuple[int, int]] = []

    def record_from_opcode(self, thread: int, frame: FrameType) -> None:
        """Note one step, before it is taken."""
        if opname[frame.f_code.co_code[frame.f_lasti]] in SHARED:
            self.places.append((thread, self.lengths[thread]))
        self.lengths[thread] += 1


def random_preemptions(scene: Explored, patience: int, chance: random.Random) -> str | None:
    """Try schedules with one or two preemptions at accesses; return the first failure in words."""
    steps = Steps(len(scene.threads))
    found = run_once(scene, [], steps)
    number = patience * max(SCHEDULES, STEPS // (sum(steps.lengths) + 1))
    for thread, place in chance.sample(steps.places, min(number, len(steps.places))):
        if found is not None:
            break
        found = run_once(scene, preempted(steps, thread, place, chance))
    return found


def run_once(scene: Explored, schedule: list[int], steps: Steps | None = None) -> str | None:
    """Run one schedule and return what went wrong, or None."""
    try:
        run = run_with_schedule(
            schedule, scene.setup, scene.threads, timeout=60.0, detect_io=False, deadlock_timeout=30.0,
            trace_recorder=steps,
        )  # fmt: skip
        scene.holds(run)
    except (AssertionError, DeadlockError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def preempted(steps: Steps, thread: int, place: int, chance: random.Random) -> list[int]:
    """Return a schedule that leaves `thread` at `place` and, half the time, another one on its way too."""
    others = [other for other in range(len(steps.lengths)) if other != thread]
    chance.shuffle(others)
    schedule = [thread] * place
    rest = [*others, thread]
    if chance.random() < 0.5:
        schedule += [others[0]] * chance.randrange(steps.lengths[others[0]])
        rest = [*others[1:], thread, others[0]]
    for each in rest:
        schedule += [each] * (steps.lengths[each] + SLACK)
    return schedule


def assert_holds(scene: Scene, seed: int) -> None:
    """Fail with the interleaving that breaks the scene, if one is found."""
    with cooperative_locks(), slots_seen():
        found = orders_of_accesses(Explored(scene), ORDERS)
        found = found or random_preemptions(Explored(scene), 1, random.Random(seed))
    assert found is None, found


def assert_caught(scene: Scene, seed: int) -> None:
    """Fail unless the scene holds one thread after the other and an interleaving breaks it."""
    for order in permutations(scene.threads):
        with cooperative_locks():
            state = scene.setup()
            for thread in order:
                thread(state)
            scene.holds(state)
    with cooperative_locks(), slots_seen():
        found = random_preemptions(Explored(scene), PATIENCE, random.Random(seed))
        found = found or orders_of_accesses(Explored(scene), PATIENCE * ORDERS)
    assert found is not None, "the planted race was not found"
