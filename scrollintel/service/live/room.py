"""Those who look at the same."""

from __future__ import annotations

import asyncio

from .view import View


class Room:
    """A view and the pages that show it. On the event loop.

    Attributes:
        view: What they show.
        pages: How many there are.
        is_behind: Whether some page has more to be told than its last message held.
        is_broken: Whether the view could not be made; its pages have to come again.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self.pages = 0
        self.is_behind = False
        self.is_broken = False
        self._waiters: set[asyncio.Future[bool]] = set()

    async def wait(self) -> bool:
        """Wait until there may be something to tell; True when a sign of life is due."""
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            return await waiter
        finally:
            self._waiters.discard(waiter)

    def call(self, *, beat: bool) -> None:
        """Wake the pages that wait; with `beat`, those that have nothing to tell give a sign of life."""
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(beat)
