"""Calls from other threads onto the event loop; what comes at once wakes it once."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger("scrollintel.service")


class LoopCalls:
    """Hands actions over to the loop of whoever has called `begin`, in their order."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()  # Any: the actions' arguments
        self._called = False

    def begin(self) -> None:
        """Call onto the running loop from now on."""
        self._loop = asyncio.get_running_loop()
        self._called = False

    def call(self, action: Callable[..., object], *arguments: Any) -> None:  # Any: the action's own
        """Call `action` on the event loop, from whichever thread; an error of it is logged."""
        loop = self._loop
        if loop is None:
            return
        self._waiting.append((action, arguments))
        if self._called:
            return
        self._called = True
        try:
            loop.call_soon_threadsafe(self._work_off)
        except RuntimeError:  # the loop has been closed while the writer was at its last group
            return

    def ask(self, question: Callable[[], T], timeout: float) -> T:
        """Call `question` on the event loop, from another thread, and return its answer.

        Raises:
            ConnectionError: when there is no loop that runs, or no answer within `timeout` seconds.
            Exception: what the question raised.
        """
        loop = self._loop
        if loop is None or not loop.is_running():
            raise ConnectionError("no event loop runs that could be asked")
        answer: Future[T] = Future()

        def reply() -> None:
            try:
                answer.set_result(question())
            except Exception as error:  # carried to whoever asked
                answer.set_exception(error)

        self.call(reply)
        try:
            return answer.result(timeout)
        except FutureTimeoutError as error:
            raise ConnectionError(f"the event loop has not answered within {timeout:g} s") from error

    def _work_off(self) -> None:
        self._called = False  # first: what is added from now on is either seen below or calls again
        while self._waiting:
            action, arguments = self._waiting.popleft()
            try:
                action(*arguments)
            except Exception:
                logger.exception("an action on the event loop failed")
