"""Blocking work in a thread of its own, awaited on the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_own_thread(work: Callable[[], T], name: str) -> T:
    """Return what `work` returns, or raise what it raises.

    The thread is a daemon: work that never ends takes no place from others in the executor and keeps no process from
    ending. Whoever is cancelled while it waits leaves the thread to itself.

    Arguments:
        name: Name of the thread.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]  # the work's own, None included
        else:
            future.set_exception(error)

    def run() -> None:
        result: T | None = None
        failed: BaseException | None = None
        try:
            result = work()
        except BaseException as error:
            failed = error
        try:
            loop.call_soon_threadsafe(settle, result, failed)
        except RuntimeError:  # the loop has been closed: nobody waits any more
            return

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future
