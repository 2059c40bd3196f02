"""Interleavings of what tests and worker threads share: interventions, jobs, workers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty
from typing import Any

import pytest

from scrollintel.core.drivers import threads as worker_threads
from scrollintel.core.drivers.threads import Job, Workers
from scrollintel.core.interventions import Interventions
from scrollintel.core.strategies.meter import SharedCounter
from tests.concurrency.exploring import NoLock, Scene, assert_caught, assert_holds

# ---------------------------------------------------------------------------------------------- interventions


def first(policy: str, operation: Callable[..., Any]) -> Callable[..., Any]:
    """Inject nothing."""
    return operation


def second(policy: str, operation: Callable[..., Any]) -> Callable[..., Any]:
    """Inject nothing either."""
    return operation


def interventions(*, locked: bool = True) -> Interventions:
    """Return switches of their own, with one injector."""
    switches = Interventions()
    switches.change(add=first)
    if not locked:
        switches._lock = NoLock()  # type: ignore[assignment]
    return switches


def overlapping_changes(*, locked: bool = True) -> Scene:
    """One thread switches protection off and on again while two others exchange the injector."""

    def off_and_on(switches: Interventions) -> None:
        switches.change(off=1)
        switches.change(off=-1)

    def holds(switches: Interventions) -> None:
        assert switches.injectors == (second,)
        assert switches.off == 0
        assert switches.active

    threads = [off_and_on, lambda switches: switches.change(add=second), lambda switches: switches.change(remove=first)]
    return Scene(lambda: interventions(locked=locked), threads, holds)


def test_interventions_changed_by_three_threads_lose_nothing(seed: int) -> None:
    """Every switch stands as if the changes had come one after the other."""
    assert_holds(overlapping_changes(), seed)


def test_interventions_changed_without_the_lock_are_caught(seed: int) -> None:
    """The twin loses an injector, or brings one back."""
    assert_caught(overlapping_changes(locked=False), seed)


def last_ones_leave(*, locked: bool = True) -> Scene:
    """Two threads switch protection on again, after which nothing is changed any more."""

    def setup() -> Interventions:
        switches = interventions(locked=locked)
        switches.change(remove=first, off=2)
        return switches

    def holds(switches: Interventions) -> None:
        assert (switches.off, switches.active) == (0, False)

    def on(switches: Interventions) -> None:
        switches.change(off=-1)

    return Scene(setup, [on, on], holds)


def test_interventions_the_last_to_leave_switches_the_short_way_on_again(seed: int) -> None:
    """`active` is false once nobody intervenes any more."""
    assert_holds(last_ones_leave(), seed)


def test_interventions_left_without_the_lock_are_caught(seed: int) -> None:
    """The twin stays active for ever."""
    assert_caught(last_ones_leave(locked=False), seed)


# ---------------------------------------------------------------------------------------------- jobs


class Late:
    """A job whose caller stops waiting while it ends, as the blocking driver does."""

    def __init__(self, *, locked: bool = True) -> None:
        self.abandoned = SharedCounter()
        self.job = Job(lambda: "value")
        if not locked:
            self.job._lock = NoLock()  # type: ignore[assignment]
        self.seen: list[Any] = []

    def execute(self) -> None:
        """Run the job, in the worker's place."""
        self.job.execute()

    def abandon(self) -> None:
        """Stop waiting, or take the result if it is there."""
        self.abandoned.add()
        if self.job.abandon(lambda: self.abandoned.add(-1)):
            self.seen.append("late")
            return
        self.abandoned.add(-1)
        self.seen.append(self.job.result())

    def watch(self) -> None:
        """Ask to be told of the end."""
        self.job.watch(lambda: self.seen.append("told"))


def end_against_abandonment(*, locked: bool = True) -> Scene:
    """A job ends while its caller gives up."""

    def holds(late: Late) -> None:
        assert late.abandoned.value == 0, "a thread that has come back counts as abandoned"
        assert late.seen in (["late"], ["value"])

    return Scene(lambda: Late(locked=locked), [Late.execute, Late.abandon], holds)


def test_job_that_ends_while_it_is_abandoned_is_not_counted_any_more(seed: int) -> None:
    """The number of abandoned threads is zero in the end, whether the caller got the value or was too early."""
    assert_holds(end_against_abandonment(), seed)


def test_job_abandoned_without_the_lock_is_caught(seed: int) -> None:
    """The twin counts a thread as abandoned for ever."""
    assert_caught(end_against_abandonment(locked=False), seed)


def end_against_watching(*, locked: bool = True) -> Scene:
    """A job ends while somebody asks to be told."""

    def holds(late: Late) -> None:
        assert late.seen == ["told"]

    return Scene(lambda: Late(locked=locked), [Late.execute, Late.watch], holds)


def test_job_that_ends_while_it_is_watched_tells_once(seed: int) -> None:
    """Who watches is told exactly once."""
    assert_holds(end_against_watching(), seed)


def test_job_watched_without_the_lock_is_caught(seed: int) -> None:
    """The twin never tells, and its caller waits for ever."""
    assert_caught(end_against_watching(locked=False), seed)


def two_counts(*, locked: bool = True) -> Scene:
    """One thread counts an abandoned operation while another one takes one back."""

    def setup() -> SharedCounter:
        counter = SharedCounter()
        counter.add()
        if not locked:
            counter._lock = NoLock()  # type: ignore[assignment]
        return counter

    def holds(counter: SharedCounter) -> None:
        assert counter.value == 1

    return Scene(setup, [lambda counter: counter.add(), lambda counter: counter.add(-1)], holds)


def test_shared_counter_raised_and_lowered_at_once_is_exact(seed: int) -> None:
    """Both changes count."""
    assert_holds(two_counts(), seed)


def test_shared_counter_without_the_lock_is_caught(seed: int) -> None:
    """The twin loses one."""
    assert_caught(two_counts(locked=False), seed)


# ---------------------------------------------------------------------------------------------- workers


class Jobs:
    """The queue of the workers, whose waits end at once."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def put(self, job: Job) -> None:
        """Add a job."""
        self.jobs.append(job)

    def get(self, timeout: float) -> Job:
        """Take the first job."""
        try:
            return self.jobs.pop(0)
        except IndexError:
            raise Empty from None


class Crew(Workers):
    """Workers with one idle thread, which a thread of the scene plays; threads that start are only counted."""

    def __init__(self, *, locked: bool = True) -> None:
        super().__init__()
        self._jobs: Any = Jobs()
        self._idle = self._threads = 1
        self.started: list[object] = []
        if not locked:
            self._lock = NoLock()  # type: ignore[assignment]

    def wait_once(self) -> None:
        """Be the idle thread: wait for a job until the time is up, and then go or wait again."""
        self._work(self._jobs)

    def submit(self) -> None:
        """Hand in a job."""
        self.start(print, (), {})


class StartedThread:
    """Takes the place of a thread that starts."""

    def __init__(self, *, target: Any, args: Any, name: str, daemon: bool) -> None:
        self.crew = target.__self__

    def start(self) -> None:
        """Note it."""
        self.crew.started.append(self)


def idle_thread_goes(*, locked: bool = True) -> Scene:
    """The only idle thread has waited long enough while two jobs come."""

    def holds(crew: Crew) -> None:
        alive = crew._threads - crew._idle
        assert len(crew._jobs.jobs) <= alive, "a job that no thread will take"
        assert crew._threads >= 0
        assert crew._idle >= 0

    return Scene(lambda: Crew(locked=locked), [Crew.wait_once, Crew.submit, Crew.submit], holds)


@pytest.fixture
def counted_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers start no real thread, which the scheduler could not steer."""
    real = threading

    class Threading:
        Thread = StartedThread
        Lock = staticmethod(lambda: real.Lock())  # noqa: PLW0108 - the lock of the moment
        Event = staticmethod(lambda: real.Event())  # noqa: PLW0108 - the event of the moment

    monkeypatch.setattr(worker_threads, "threading", Threading)


@pytest.mark.usefixtures("counted_threads")
def test_workers_idle_thread_that_goes_leaves_no_job_behind(seed: int) -> None:
    """A job is taken by the idle thread, or a new thread is started for it."""
    assert_holds(idle_thread_goes(), seed)


@pytest.mark.usefixtures("counted_threads")
def test_workers_without_the_lock_are_caught(seed: int) -> None:
    """The twin relies on a thread that goes."""
    assert_caught(idle_thread_goes(locked=False), seed)
