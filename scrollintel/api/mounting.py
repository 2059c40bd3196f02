"""The control plane of a process that mounts the router and starts none itself: made and started when first asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ..service.use_cases import UseCases
from .embedded import start_embedded

Starter = Callable[[], Coroutine[Any, Any, UseCases]]


class Embedded:
    """The use cases of this process, started by the first request on the event loop of that request.

    Arguments:
        starter: Makes and starts them.
    """

    def __init__(self, starter: Starter) -> None:
        self._starter = starter
        self._started: tuple[asyncio.AbstractEventLoop, asyncio.Task[UseCases]] | None = None

    async def use_cases(self) -> UseCases:
        """Return the use cases; requests that come while they start wait for the same start."""
        loop = asyncio.get_running_loop()
        started = self._started
        if started is None or started[0] is not loop or _came_to_nothing(started[1]):
            former = started[1] if started is not None and started[0] is not loop else None
            # Kept before anything is awaited, so that requests at the same time begin nothing of their own.
            started = self._started = (loop, loop.create_task(self._start_after(former)))
        return await asyncio.shield(started[1])

    async def _start_after(self, former: asyncio.Task[UseCases] | None) -> UseCases:
        """Start, once what an event loop that has ended left behind has let go of the database."""
        if former is not None and former.done() and not _came_to_nothing(former):
            await former.result().plane.abandon()
        return await self._starter()

    def forget(self) -> None:
        """Begin anew with the next request; what was started has been stopped by whoever calls this."""
        self._started = None


def _came_to_nothing(start: asyncio.Task[UseCases]) -> bool:
    """Tell whether a start has failed or was cancelled."""
    return start.done() and (start.cancelled() or start.exception() is not None)


EMBEDDED = Embedded(start_embedded)
"""The one of this process."""


async def default_use_cases() -> UseCases:
    """Return the use cases of this process."""
    return await EMBEDDED.use_cases()
