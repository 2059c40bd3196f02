"""A thread with an owner that runs one method again and again."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

from ..clock import Clock
from ..errors import FailureSummary
from ..locks import new_lock

LOG_INTERVAL = 60.0
STOP_TIMEOUT = 5.0


class ErrorNote:
    """The last error of background work, told in the log once a minute at most."""

    __slots__ = ("_clock", "_logged_at", "failures", "last")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._logged_at: float | None = None
        self.failures = 0
        self.last: FailureSummary | None = None

    def take(self, subject: str, error: Exception) -> FailureSummary:
        """Remember `error` and log its type, because its text may hold personal data."""
        now = self._clock.monotonic()
        self.failures += 1
        self.last = FailureSummary.of(error, self._clock.time())
        if self._logged_at is None or now - self._logged_at >= LOG_INTERVAL:
            self._logged_at = now
            from logging import getLogger

            logger = getLogger("scrollintel")
            logger.warning("%s raised %s; %d failures so far", subject, type(error).__name__, self.failures)
        return self.last


class Evaluator:
    """Call a bound method at an interval in a daemon thread, until `stop` or until its object is gone.

    The first call comes at once. A forked child has no such thread; `start` works there as in a new process.
    """

    def __init__(self, method: Callable[[], object], clock: Clock, note: ErrorNote) -> None:
        self._method = weakref.WeakMethod(method)
        self._clock = clock
        self._note = note
        self._lock = new_lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._interval = 1.0

    @property
    def running(self) -> bool:
        """True between `start` and `stop` in the process that started it."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def start(self, interval: float) -> None:
        """Start the thread, or give the running one another interval in seconds."""
        with self._lock:
            self._interval = interval
            if self.running:
                return
            self._stop = stop = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(stop,), name="scrollintel-degradation", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread and wait up to 5 s for its present round; does nothing when none runs."""
        with self._lock:
            thread, self._thread = self._thread, None
            stop = self._stop
        if thread is None or not thread.is_alive():
            return  # in a forked child the parent's event may be locked for ever
        stop.set()
        if thread is not threading.current_thread():
            thread.join(STOP_TIMEOUT)

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            method = self._method()
            if method is None:
                return
            try:
                method()
            except Exception as error:  # one bad round must not end the evaluation of all services
                self._note.take("an evaluation", error)
            del method
            self._clock.wait(stop, self._interval)
