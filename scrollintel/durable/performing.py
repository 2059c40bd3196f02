"""What every engine needs: steps in threads that a stop need not wait for, tried again while nothing can be noted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..core.errors import LeaseLostError

Json = Mapping[str, Any]  # Any: JSON values of mixed types
Performer = Callable[[Json, str, Json, str], dict[str, Any]]  # Any: JSON values of mixed types
"""Performs a step: the run document, the step, its arguments, its key → its result. May block."""
FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
HALT_INTERVAL = 0.25
"""Seconds between looks whether the engine stops, while a step is performed."""

logger = logging.getLogger("scrollintel.recovery")


class Halted(BaseException):
    """The engine stops; nothing of the step under way is recorded, so that it is taken up again at the next start.

    No `Exception`: neither a strategy nor the engine below may take it for a failure.
    """


class Engine(Protocol):
    """Runs recoveries; called from any thread."""

    def start(self) -> None:
        """Begin, without waiting for a database."""

    def submit(self, run: Json) -> None:
        """Run a recovery; the same id twice runs once. Durable when it returns, as far as the engine is."""

    def send(self, run: str, topic: str, message: Json) -> None:
        """Give a run a message that it listens for, now or later."""

    def cancel(self, run: str, why: str) -> None:
        """End the waiting of a run; what it performs is ended by whoever performs it."""

    def running(self) -> set[str]:
        """Return the ids of the runs that this engine has taken and not finished."""

    def unfinished(self) -> set[str] | None:
        """Return the ids of the runs that have not ended, in whichever process; None while that cannot be told."""

    def require_mine(self, run: str) -> int:
        """Return the fencing token; raises LeaseLostError when a run has passed to another process."""

    @property
    def state(self) -> str:
        """`starting`, `serving`, `away` (its database cannot be reached) or `stopped`."""

    @property
    def is_durable(self) -> bool:
        """Whether runs outlive the process."""

    def stop(self, timeout: float) -> None:
        """End within `timeout` seconds; runs of a durable engine go on at the next start."""


def perform(
    performer: Performer, halt: threading.Event, run: Json, step: str, arguments: Json, key: str
) -> Any:  # Any: JSON
    """Perform a step in a daemon thread and return its result; it is tried again when it could not be noted down.

    Raises:
        Halted: when the engine stops meanwhile; the thread is left to itself.
        LeaseLostError: when the run has passed to another process.
    """
    delay = FIRST_DELAY
    while True:
        outcome = _Outcome()
        work = _Work(performer, (run, step, arguments, key), outcome)
        threading.Thread(target=work.run, name=f"scrollintel {run['id']} {step}", daemon=True).start()
        while not outcome.ready.wait(HALT_INTERVAL):
            if halt.is_set():
                raise Halted
        if outcome.error is None:
            return outcome.result
        if isinstance(outcome.error, LeaseLostError):
            raise outcome.error
        logger.warning("step %s of %s is tried again: %s", step, run["id"], type(outcome.error).__name__)
        if halt.wait(delay):
            raise Halted
        delay = min(delay * 2.0, LONGEST_DELAY)


class _Outcome:
    def __init__(self) -> None:
        self.ready = threading.Event()
        self.result: Any = None  # Any: a JSON value
        self.error: Exception | None = None


class _Work:
    def __init__(self, performer: Performer, call: tuple[Json, str, Json, str], outcome: _Outcome) -> None:
        self._performer = performer
        self._call = call
        self._outcome = outcome

    def run(self) -> None:
        try:
            self._outcome.result = self._performer(*self._call)
        except Halted:
            return
        except Exception as error:  # carried to the run's own thread
            self._outcome.error = error
        self._outcome.ready.set()
