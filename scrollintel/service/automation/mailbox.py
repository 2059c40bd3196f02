"""One thread that works through messages in order, so that no two decisions are taken at once."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from ...storage.errors import StoreUnavailableError

TICK = 0.25
"""Seconds between looks at what is due, and between attempts to write down what cannot be written now."""

Message = Callable[[], None]

logger = logging.getLogger("scrollintel.recovery")


class Mailbox:
    """Messages come from any thread, and none waits for its turn.

    A message that cannot be written down is tried again before the next one, because the order of messages is what
    they mean: a failure and the health after it, in the other order, would be a failure that lasts.

    Arguments:
        name: Of the thread.
        tick: Is called whenever no message has come for `TICK` seconds.
    """

    def __init__(self, name: str, tick: Message) -> None:
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._tick = tick
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._halt = threading.Event()
        self._is_idle = False
        self.errors = 0

    def start(self) -> None:
        """Begin with what has come in already."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Work off what has come in and end the thread; waits up to `timeout` seconds."""
        self._halt.set()
        self._messages.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout)

    def put(self, message: Message) -> None:
        """Take a message."""
        self._messages.put(message)

    def rest(self) -> None:
        """Drop messages and do nothing from now on."""
        self._is_idle = True

    def wake(self, first: Message) -> None:
        """Work again; with this message before all that come later."""
        self._is_idle = False
        self._messages.put(first)

    def _work(self) -> None:
        while True:
            try:
                message = self._messages.get(timeout=TICK)
            except queue.Empty:
                message = self._tick
            if message is None:
                return
            while not self._is_idle and not self._is_done(message):
                if self._halt.wait(TICK):
                    break

    def _is_done(self, message: Message) -> bool:
        try:
            message()
        except StoreUnavailableError as error:
            logger.warning("an incident cannot be written down now: %s", error)
            return message == self._tick
        except Exception:  # the thread outlives an error of one message
            self.errors += 1
            logger.exception("a message about an incident failed")
        return True
