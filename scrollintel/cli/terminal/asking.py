"""Questions to the network beside the screen, so that keys are heard while an answer is awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import TypeVar

T = TypeVar("T")
LIMIT = 8
"""Questions that may wait at a time, those included whose answer nobody wants any more."""


class Asking:
    """Runs each question in a thread of its own.

    The threads are daemons: whoever quits does not wait for a server that does not answer. One that is given up ends
    with the timeout of its client, and until then counts towards `LIMIT`.
    """

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(LIMIT)

    async def run(self, question: Callable[[], T]) -> T:
        """Return what the question returns, or raise what it raises."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(outcome: Callable[[], None]) -> None:
            self._free.release()
            if not future.done():  # given up meanwhile
                outcome()

        def work() -> None:
            outcome: Callable[[], None]
            try:
                outcome = partial(future.set_result, question())
            except Exception as error:
                outcome = partial(future.set_exception, error)
            with suppress(RuntimeError):  # the screen has gone, and its loop with it
                loop.call_soon_threadsafe(settle, outcome)

        Thread(target=work, name="scrollintel-dashboard", daemon=True).start()
        return await future
