"""`python -m benchmarks.overload_http.client`: clients in one process, each with a policy and connections of its own.

It reads a line of JSON (`url`, `variant`, `schedule`), prints `ready`, reads a line with the time of the beginning on
the monotonic clock, sends every request at its time whatever became of earlier ones, and prints what came of them as a
line of JSON. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

import httpx2

from scrollintel import RejectedError
from scrollintel.core.errors import kind_of

from .variants import REFUSALS, Variant, variant

GRACE = 10.0
"""Seconds after the last request in which calls may still end."""
UNLIMITED = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
"""The pool of connections must not be a bulkhead that the table does not tell of."""


@dataclass(slots=True)
class Sent:
    """One request, all in seconds from the beginning.

    Arguments:
        at: When it was to be sent.
        lag: How much later it was.
        ended: When it was over; None when it was not.
        kind: What came of it: `answered`, `refused` or `failed`; and `code`, by what or how.
    """

    at: float
    lag: float
    ended: float | None = None
    kind: str = "failed"
    code: str = "unanswered"


class Client:
    """One client of the server.

    Arguments:
        url: Address of the server.
        protection: What each call goes through.
        crowd: Where its attempts are counted.
    """

    def __init__(self, url: str, protection: Variant, crowd: Crowd) -> None:
        self._url = url
        self._crowd = crowd
        self._http = httpx2.AsyncClient(timeout=None, limits=UNLIMITED, trust_env=False)
        self.ask = protection.wrap(self._attempt)

    async def _attempt(self) -> None:
        self._crowd.attempts.append(self._crowd.now())
        response = await self._http.get(self._url)
        response.raise_for_status()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()


class Crowd:
    """The clients of this process, and what came of their requests."""

    def __init__(self, url: str, protection: Variant, schedule: list[tuple[float, int]]) -> None:
        self.begin = 0.0
        self.sent: list[Sent] = []
        self.attempts: list[float] = []
        self._schedule = schedule
        self._clients = {number: Client(url, protection, self) for number in {client for _, client in schedule}}
        self._running: set[asyncio.Task[None]] = set()

    def now(self) -> float:
        """Return the seconds from the beginning."""
        return time.monotonic() - self.begin

    async def run(self) -> None:
        """Send everything at its time, and wait for what still runs."""
        for at, number in self._schedule:
            wait = at - self.now()
            if wait > 0.0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(self._request(at, self._clients[number]))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        left = set(self._running)
        if left:
            _, left = await asyncio.wait(left, timeout=GRACE)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for client in self._clients.values():
            await client.close()

    async def _request(self, at: float, client: Client) -> None:
        sent = Sent(at, self.now() - at)
        self.sent.append(sent)
        try:
            await client.ask()
        except RejectedError as error:
            sent.kind, sent.code = "refused", error.code
        except Exception as error:
            name = kind_of(error)
            sent.kind, sent.code = ("refused", REFUSALS[name]) if name in REFUSALS else ("failed", name)
        else:
            sent.kind, sent.code = "answered", ""
        sent.ended = self.now()

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return what came of it as JSON values."""
        return {
            "sent": [[one.at, one.lag, one.ended, one.kind, one.code] for one in self.sent],
            "attempts": self.attempts,
        }


def _end_with_input() -> None:
    """End the process when nobody is left who wants its figures."""
    while os.read(sys.stdin.fileno(), 1):  # past the buffer, whose lock an orderly end of the process needs
        pass
    os._exit(1)


async def _main() -> None:
    told = json.loads(sys.stdin.readline())
    crowd = Crowd(told["url"], variant(told["variant"]), told["schedule"])
    print("ready", flush=True)
    crowd.begin = float(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    await crowd.run()
    print(json.dumps(crowd.to_dict()), flush=True)


if __name__ == "__main__":
    asyncio.run(_main())
