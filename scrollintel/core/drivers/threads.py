"""Worker threads for operations that must be abandoned when they are late, because no thread can be stopped."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Any

from ..errors import BulkheadFullError

MAX_THREADS = 512
IDLE_SECONDS = 30.0


class Job:
    """One operation on its way through a worker thread."""

    __slots__ = ("_lock", "_on_late", "_watcher", "abandoned", "context", "done", "error", "run", "value")

    def __init__(self, run: Callable[[], Any]) -> None:
        self.run = run
        self.context = contextvars.copy_context()
        self.done = threading.Event()
        self.value: Any = None
        self.error: BaseException | None = None
        self.abandoned = False
        self._lock = threading.Lock()
        self._watcher: Callable[[], None] | None = None
        self._on_late: Callable[[], None] | None = None

    def execute(self) -> None:
        """Run the operation in the calling worker thread."""
        try:
            self.value = self.context.run(self.run)
        except BaseException as error:  # handed to whoever waits, in whichever thread
            self.error = error
        with self._lock:
            self.done.set()
            watcher, on_late = self._watcher, self._on_late
            self._watcher = self._on_late = None
        if on_late is not None:
            on_late()
        if watcher is not None:
            watcher()

    def watch(self, callback: Callable[[], None]) -> None:
        """Call `callback` from the worker when the operation has ended, or now if it has."""
        with self._lock:
            if not self.done.is_set():
                self._watcher = callback
                return
        callback()

    def abandon(self, on_late: Callable[[], None]) -> bool:
        """Stop waiting; `on_late` is called when the thread comes back at last. False when it has ended already."""
        with self._lock:
            if self.done.is_set():
                return False
            self.abandoned = True
            self._watcher = None
            self._on_late = on_late
            return True

    def result(self) -> Any:
        """Return the value or raise the error of a job that is done."""
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None  # the traceback refers to this frame, and the frame to this job
        return self.value


class Workers:
    """Daemon threads that take jobs; they end after half a minute without one, and never delay an exit."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Start with no thread, as a forked child must."""
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._idle = 0
        self._threads = 0

    def start(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Job:
        """Run `fn` in a worker thread within a copy of the caller's context.

        Raises:
            BulkheadFullError: when 512 threads are busy, abandoned ones included.
        """
        job = Job(lambda: fn(*args, **kwargs))
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            elif self._threads >= MAX_THREADS:
                raise BulkheadFullError("worker threads")
            else:
                thread = threading.Thread(target=self._work, args=(self._jobs,), name="scrollintel-worker", daemon=True)
                thread.start()
                self._threads += 1
        self._jobs.put(job)
        return job

    def _work(self, jobs: SimpleQueue[Job]) -> None:
        while True:
            try:
                job = jobs.get(timeout=IDLE_SECONDS)
            except Empty:
                with self._lock:
                    if self._idle > 0:
                        self._idle -= 1
                        self._threads -= 1
                        return
                continue
            job.execute()
            del job
            with self._lock:
                self._idle += 1


WORKERS = Workers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WORKERS.renew)
