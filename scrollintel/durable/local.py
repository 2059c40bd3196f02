"""An engine without durability: plain threads, for embedding and for a program that has a DBOS of its own.

Runs end with the process; whoever starts it again marks them as interrupted.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Any

from ..core.errors import LeaseLostError
from ..recovery.interpreter import Do, Effect, Pause, program
from .performing import Halted, Json, Performer, perform

logger = logging.getLogger("scrollintel.recovery")


class _Mailbox:
    """Messages of one run by topic."""

    def __init__(self) -> None:
        self._messages: dict[str, deque[Json]] = {}
        self._change = threading.Condition()
        self._cancelled: Json | None = None
        self._halted = False

    def put(self, topic: str, message: Json) -> None:
        with self._change:
            self._messages.setdefault(topic, deque()).append(message)
            self._change.notify_all()

    def cancel(self, why: str) -> None:
        with self._change:
            self._cancelled = {"cancelled": why}
            self._change.notify_all()

    def halt(self) -> None:
        with self._change:
            self._halted = True
            self._change.notify_all()

    def get(self, topic: str, timeout: float) -> Json | None:
        def so() -> bool:
            return bool(self._messages.get(topic)) or self._cancelled is not None or self._halted

        with self._change:
            self._change.wait_for(so, timeout)
            if self._halted:
                raise Halted
            waiting = self._messages.get(topic)
            return waiting.popleft() if waiting else self._cancelled


class LocalEngine:
    """Runs recoveries in daemon threads.

    Arguments:
        performer: Performs steps.
        max_running: Runs at once; further ones wait for their turn, first come first served.
    """

    is_durable = False

    def __init__(self, performer: Performer, *, max_running: int = 16) -> None:
        self._performer = performer
        self._max_running = max_running
        self._halt = threading.Event()
        self._turns = threading.Condition()
        self._runs: dict[str, _Mailbox] = {}  # guarded by _turns, as what follows
        self._waiting: deque[str] = deque()
        self._busy = 0
        self.state = "starting"

    def start(self) -> None:
        """Begin."""
        self.state = "serving"

    def submit(self, run: Json) -> None:
        """Run a recovery; the same id twice runs once."""
        with self._turns:
            if run["id"] in self._runs or self._halt.is_set():
                return
            mailbox = self._runs[run["id"]] = _Mailbox()
            self._waiting.append(run["id"])
        threading.Thread(target=self._run, args=(run, mailbox), name=f"scrollintel {run['id']}", daemon=True).start()

    def send(self, run: str, topic: str, message: Json) -> None:
        """Give a run a message."""
        mailbox = self._runs.get(run)
        if mailbox is not None:
            mailbox.put(topic, message)

    def cancel(self, run: str, why: str) -> None:
        """End the waiting of a run."""
        mailbox = self._runs.get(run)
        if mailbox is not None:
            mailbox.cancel(why)

    def running(self) -> set[str]:
        """Return the ids of the runs that have not finished."""
        with self._turns:
            return set(self._runs)

    def unfinished(self) -> set[str]:
        """Return the same: no other process has runs of this engine."""
        return self.running()

    def require_mine(self, run: str) -> int:
        """Return 0, or raise LeaseLostError once the engine has been stopped."""
        if self._halt.is_set():
            raise LeaseLostError(run)
        return 0

    def stop(self, timeout: float) -> None:
        """Begin no further step; what is being performed is left to its thread."""
        self.state = "stopped"
        self._halt.set()
        with self._turns:
            mailboxes = list(self._runs.values())
            self._turns.notify_all()
        for mailbox in mailboxes:
            mailbox.halt()

    def _run(self, run: Json, mailbox: _Mailbox) -> None:
        try:
            if self._has_turn(run["id"]):
                try:
                    self._interpret(run, mailbox)
                finally:
                    with self._turns:
                        self._busy -= 1
                        self._turns.notify_all()
        except (Halted, LeaseLostError):
            return
        except Exception:  # the thread has an owner that hears of it
            logger.exception("recovery %s ended by an error of the engine", run["id"])
        finally:
            with self._turns:
                self._runs.pop(run["id"], None)

    def _has_turn(self, run: str) -> bool:
        """Wait for the turn of a run; False when the engine stops before."""

        def so() -> bool:
            return self._halt.is_set() or (self._busy < self._max_running and self._waiting[0] == run)

        with self._turns:
            self._turns.wait_for(so)
            self._waiting.remove(run)
            if self._halt.is_set():
                return False
            self._busy += 1
            self._turns.notify_all()
            return True

    def _interpret(self, run: Json, mailbox: _Mailbox) -> None:
        steps = program(run)
        result: Any = None  # Any: a JSON value
        while True:
            try:
                effect: Effect = steps.send(result)
            except StopIteration:
                return
            if isinstance(effect, Do):
                if self._halt.is_set():
                    raise Halted
                result = perform(self._performer, self._halt, run, effect.step, effect.arguments, effect.key)
            elif isinstance(effect, Pause):
                result = mailbox.get(effect.topic, effect.seconds)
            else:
                result = mailbox.get(effect.topic, effect.timeout)
