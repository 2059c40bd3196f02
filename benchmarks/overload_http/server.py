"""`python -m benchmarks.overload_http.server`: an HTTP server with few workers and a first-in-first-out line.

It reads a line of JSON, the `service` of a scenario, and prints its port; a second line tells when the scene begins, on
the monotonic clock that all processes of a machine share. It ends with its standard input. `GET /figures` is answered
at once, everything else by a worker thread, whether or not the client still waits.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import Any

import uvicorn

from scrollintel.simulation.scenario import ServiceConfig

Message = dict[str, Any]  # Any: values of ASGI messages


class Application:
    """An ASGI application whose every answer holds a worker for the service time, longer while capacity is low.

    Arguments:
        service: Workers, service time, line and dip.
        timeout: Seconds within which an answer is in time, and so warms a cold server.
    """

    def __init__(self, service: ServiceConfig, timeout: float) -> None:
        self.begin = inf
        self.figures = {"served": 0, "timely": 0, "refused": 0, "wanted": 0.0, "worked": 0.0}
        self._service = service
        self._timeout = timeout
        self._pool = ThreadPoolExecutor(service.workers)
        self._inside = 0
        self._warmed = 0
        (self._dip,) = service.changes

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Answer one request."""
        status, body = 200, b"{}"
        if scope["path"] == "/figures":
            body = json.dumps(self.figures).encode()
        elif self._inside >= self._service.workers + self._service.queue:
            status = 503
            self.figures["refused"] += 1
        else:
            await self._serve()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _serve(self) -> None:
        came = time.monotonic()
        self._inside += 1
        wanted, worked = await asyncio.get_running_loop().run_in_executor(self._pool, self._work)
        self._inside -= 1
        figures = self.figures
        figures["served"] += 1
        figures["wanted"] += wanted
        figures["worked"] += worked
        if time.monotonic() - came <= self._timeout:
            figures["timely"] += 1
            self._warmed += 1

    def _work(self) -> tuple[float, float]:
        """Hold a worker thread; return the seconds that the work should have taken, and those that it took."""
        began = time.monotonic()
        wanted = self._service.service_time / self._speed(began - self.begin)
        time.sleep(wanted)
        return wanted, time.monotonic() - began

    def _speed(self, at: float) -> float:
        dip, cold = self._dip, self._service.cold_start
        low = dip.capacity
        assert low is not None and dip.until is not None
        if at < dip.at:
            return 1.0
        if at < dip.until:
            self._warmed = 0
            return low
        return low + (1.0 - low) * min(1.0, self._warmed / cold) if cold else 1.0


def _follow(application: Application) -> None:
    """Take over when the scene begins, and end the process with its standard input."""
    line = sys.stdin.readline()
    if line:
        application.begin = float(line)
        sys.stdin.read()
    # Work that waits in line is for nobody any more, and an orderly end would still do it.
    os._exit(0)


def main() -> None:
    """Serve until standard input ends."""
    told = json.loads(sys.stdin.readline())
    application = Application(ServiceConfig.from_dict(told["service"]), told["timeout"])
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listening.getsockname()[1], flush=True)
    threading.Thread(target=_follow, args=(application,), daemon=True).start()
    config = uvicorn.Config(application, lifespan="off", log_level="warning", access_log=False, ws="none")
    asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))


if __name__ == "__main__":
    main()
