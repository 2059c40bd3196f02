"""One channel with its queue and its thread, so that a receiver that hangs holds up nobody else."""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass, replace

from ...core.clock import SystemClock
from ...core.config.policy import Policy
from ...core.config.retry import RetryConfig
from ...core.errors import ScrollIntelError
from ...core.hub import EventHub
from ...core.registry import Registry
from .notice import Channel, DeliveryError, Notice

LOG = logging.getLogger(__name__)
RETRY = RetryConfig(max_attempts=5, base_delay=1.0, max_delay=60.0)
"""Waits between the attempts of one notice."""


@dataclass(frozen=True, slots=True)
class OutletFigures:
    """How a channel does.

    Arguments:
        sent: Notices that the receiver took.
        dead: Notices that were given up, after all attempts, for a refusal, or at the end of the process.
        dropped: Notices that found the queue full.
        waiting: Notices in the queue, the one that is being told included.
        last_error: Why the last notice was given up; None after a success.
        last_at: When the last notice was taken or given up, in Unix seconds; None when there was none.
    """

    sent: int = 0
    dead: int = 0
    dropped: int = 0
    waiting: int = 0
    last_error: str | None = None
    last_at: float | None = None


class _Halted(Exception):
    """The process ends; the wait for the next attempt is over."""


class _StoppableClock(SystemClock):
    """The system's clock, whose waiting ends when the outlet has to."""

    __slots__ = ("halt",)

    def __init__(self) -> None:
        self.halt = threading.Event()

    def sleep(self, seconds: float) -> None:  # type: ignore[override]  # the base binds the function itself
        """Wait; raises when the outlet has to end."""
        if self.halt.wait(seconds):
            raise _Halted


class Outlet:
    """Tells one channel what is put in, in order. `start` and `stop` belong to its owner.

    Arguments:
        name: Of the channel, for logs and figures.
        channel: Makes one attempt.
        attempts: Attempts for one notice, from 1.
        capacity: Notices that may wait; more are dropped and counted.
        retry: Waits between attempts; its number of attempts is not used.
    """

    def __init__(
        self, name: str, channel: Channel, *, attempts: int = 5, capacity: int = 1000, retry: RetryConfig = RETRY
    ) -> None:
        self.name = name
        self._channel = channel
        self._queue: queue.Queue[Notice | None] = queue.Queue(capacity)
        self._clock = _StoppableClock()
        self._lock = threading.Lock()
        self._figures = OutletFigures()
        self._busy = 0
        self._closing = False
        self._thread: threading.Thread | None = None
        settings = replace(
            retry, max_attempts=attempts, retry_predicate=_may_help, retry_after=_wish, max_retry_after=3600.0
        )
        self._pipeline = Registry(clock=self._clock, hub=EventHub()).pipeline(
            Policy(name=f"notify {name}"[:200], retry=settings)
        )

    def start(self) -> None:
        """Begin to tell; does nothing when that has begun."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"scrollintel-notify-{self.name}", daemon=True)
            self._thread.start()

    def stop(self, timeout: float) -> None:
        """Tell what waits for at most `timeout` seconds, give up the rest, and end the thread."""
        deadline = time.monotonic() + timeout
        self._closing = True
        thread, self._thread = self._thread, None
        if thread is not None:
            self._wake()
            thread.join(timeout)
            self._clock.halt.set()
            thread.join(max(0.0, deadline - time.monotonic()) + 1.0)
        self._give_up_rest()

    def put(self, notice: Notice) -> bool:
        """Take a notice without waiting; False when it was dropped."""
        try:
            if self._closing:
                raise queue.Full
            self._queue.put_nowait(notice)
        except queue.Full:
            self._count(dropped=1)
            LOG.warning("notices through %s are dropped: its queue is full or it has ended", self.name)
            return False
        return True

    def attempt(self, channel: Channel, notice: Notice) -> str:
        """Make one attempt at once, past the queue and in the caller's thread; it counts like any other notice.

        Arguments:
            channel: Makes the attempt.
            notice: What is told.

        Returns:
            What came back, in a few words.

        Raises:
            DeliveryError: when the receiver did not take it.
        """
        try:
            answer = channel.deliver(notice)
        except DeliveryError as error:
            self._count(dead=1, error=str(error))
            raise
        except Exception as error:  # whatever a channel does wrong, who asked is told that it has failed
            self._count(dead=1, error=type(error).__name__)
            raise DeliveryError(type(error).__name__, again=False) from error
        self._count(sent=1)
        return answer

    def figures(self) -> OutletFigures:
        """Return how it does."""
        with self._lock:
            return replace(self._figures, waiting=self._queue.qsize() + self._busy)

    def _wake(self) -> None:
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            pass  # the thread is awake then, and looks whether it has to end after each notice

    def _run(self) -> None:
        while not self._clock.halt.is_set():
            notice = self._queue.get()
            if notice is not None:
                self._busy = 1
                self._tell(notice)
                self._busy = 0
            if self._closing and self._queue.empty():
                return

    def _tell(self, notice: Notice) -> None:
        try:
            self._pipeline.call(self._channel.deliver, notice)
        except _Halted:
            self._count(dead=1, error="the process ended")
        except (DeliveryError, ScrollIntelError) as error:
            self._count(dead=1, error=str(error))
            LOG.warning("a notice through %s was given up: %s", self.name, error)
        except Exception as error:  # whatever a channel does wrong, the others and the next notice go on
            self._count(dead=1, error=type(error).__name__)
            LOG.warning("a notice through %s was given up: %s", self.name, type(error).__name__)
        else:
            self._count(sent=1)

    def _give_up_rest(self) -> None:
        while True:
            try:
                notice = self._queue.get_nowait()
            except queue.Empty:
                return
            if notice is not None:
                self._count(dead=1, error="the process ended")

    def _count(self, *, sent: int = 0, dead: int = 0, dropped: int = 0, error: str | None = None) -> None:
        with self._lock:
            old = self._figures
            last, at = (old.last_error, old.last_at) if dropped else (error, self._clock.time())
            self._figures = OutletFigures(old.sent + sent, old.dead + dead, old.dropped + dropped, 0, last, at)


def _may_help(error: BaseException) -> bool:
    return isinstance(error, DeliveryError) and error.again


def _wish(error: object) -> float | None:
    return error.retry_after if isinstance(error, DeliveryError) else None
