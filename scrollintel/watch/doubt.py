"""Doubts about the watcher itself: a loop that lags, and everything failing at once."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress

TICK = 0.02
"""Seconds between two measurements of the lag."""
KEPT = 500
LAG_SHARE = 0.5
"""Share of a check's timeout by which the loop may have lagged before silence says nothing.

Lifeguard lengthens a prober's time-outs when the prober itself is slow (Dadgar, Phillips, Currey 2018); here the
verdict is dropped and asked for again.
"""
FEWEST = 3
"""Targets from which all of them failing at once is doubted."""


class Lag:
    """Measures how late the event loop is; `run` belongs to the watcher's loop."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=KEPT)

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = time.monotonic() + TICK
            await asyncio.sleep(TICK)
            now = time.monotonic()
            self._seen.append((now, now - due))

    def since(self, began: float) -> float:
        """Return the longest lag that was seen since a moment, seconds."""
        longest = 0.0
        for at, lag in reversed(self._seen):
            if at < began:
                break
            longest = max(longest, lag)
        if self._seen:
            longest = max(longest, time.monotonic() - self._seen[-1][0] - TICK)
        return longest


async def canary(timeout: float = 1.0) -> bool:
    """Tell whether this process can open a connection to itself and hear an echo: sockets, loop and kernel work."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(await reader.read(4))
            await writer.drain()
        writer.close()

    try:
        async with asyncio.timeout(timeout):
            server = await asyncio.start_server(echo, "127.0.0.1", 0)
            try:
                port = server.sockets[0].getsockname()[1]
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(b"here")
                    return await reader.readexactly(4) == b"here"
                finally:
                    writer.transport.abort()
            finally:
                server.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False
