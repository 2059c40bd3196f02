"""The control plane of the demo: a real `scrollintel serve` that watches two services and repairs them on duty."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import math
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import scrollintel

from .yard import ROOT, StartError, WatchedService, Yard

API = "/api/v1/fault-tolerance"
CHECK_INTERVAL = 0.1
CHECK_TIMEOUT = 0.3
"""Seconds that a health check waits before the service counts as silent."""
LOOK_INTERVAL = 0.05
ENGINE_WITHIN = 15.0
OVER = frozenset({"watched", "resolved", "escalated", "cancelled"})


@dataclass(frozen=True, slots=True)
class Incident:
    """One failure as the control plane has recorded it; times in monotonic seconds, NaN where there is none.

    Arguments:
        noticed: The failure was declared.
        began: The first recovery step was on disk.
        acted: The process had been started again.
        over: It was proven healthy.
    """

    service: str
    failure_type: str
    state: str
    noticed: float
    began: float
    acted: float
    over: float

    @property
    def succeeded(self) -> bool:
        """Whether the service was repaired."""
        return self.state in ("watched", "resolved")


Told = Callable[[str, Incident | None, str], None]
"""Told on the event loop: the service, the incident once it is over, and a sentence."""


class Platform:
    """Runs the control plane; on duty it watches and repairs the services.

    Arguments:
        yard: Starts it and keeps its files.
        services: What is watched.
        tell: Hears of incidents.
    """

    def __init__(self, yard: Yard, services: list[WatchedService], tell: Told) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.incidents: list[Incident] = []
        self._yard = yard
        self._services = services
        self._tell = tell
        self._settings = yard.folder / "scrollintel.toml"
        self._write(on_duty=False)
        self._service = yard.add("control-plane", "demo.services.control_plane", str(self._settings), str(self.port))
        self._connection: scrollintel.Connection | None = None
        self._noticed: set[str] = set()
        self._finished: set[str] = set()

    def start(self) -> None:
        """Start it and wait until it serves; blocks. Raises StartError."""
        self._yard.hold()
        self._service.start()

    def join(self) -> None:
        """Have it show what this process does; returns at once."""
        self._connection = scrollintel.connect(self.url, service="demo", cache_dir=self._yard.folder / "replica")

    def leave(self) -> None:
        """Leave it, before it ends."""
        if self._connection is not None:
            self._connection.close()

    @property
    def url(self) -> str:
        """Where its dashboard is."""
        return f"http://127.0.0.1:{self.port}"

    def _write(self, *, on_duty: bool) -> None:
        """Write the settings file; off duty nothing is watched."""
        lines = [
            "[server]",
            f"port = {self.port}",
            "[data]",
            f"directory = {_toml(str(self._yard.folder / 'control-plane'))}",
            "[outbound]",
            'private = ["127.0.0.0/8"]',
        ]
        for service in self._services if on_duty else []:
            lines += self._declared(service)
        self._yard.write("scrollintel.toml", "\n".join(lines) + "\n")

    @staticmethod
    def _declared(service: WatchedService) -> list[str]:
        process = service.process
        environment = ", ".join(f"{name} = {_toml(value)}" for name, value in process.environment.items())
        return [
            "[[services]]",
            f'name = "{service.name}"',
            'mode = "recover"',
            "[services.process]",
            f"command = {_toml(list(process.command))}",
            f"directory = {_toml(str(ROOT))}",
            f"environment = {{ {environment} }}",
            f"pidfile = {_toml(process.pidfile)}",
            f"log = {_toml(process.log)}",
            "stop_timeout = 1.0",
            "[[services.checks]]",
            'kind = "process"',
            f"interval = {CHECK_INTERVAL}",
            "[[services.checks]]",
            'name = "health"',
            'kind = "http"',
            'depth = "alive"',
            f'url = "http://127.0.0.1:{service.port}/health"',
            f"interval = {CHECK_INTERVAL}",
            f"timeout = {CHECK_TIMEOUT}",
            "[services.strategies]",
            'exited = ["restart-process"]',
            'unresponsive = ["restart-process"]',
            # The demo breaks one service twice within a minute, which is no storm and no relapse.
            "[services.limits]",
            "attempts = 10",
            "cool_down = 0.0",
            "relapse_window = 0.5",
        ]

    # ------------------------------------------------------------------ on duty

    @contextlib.asynccontextmanager
    async def on_duty(self) -> AsyncIterator[None]:
        """Have it watch and repair while the block runs; a recovery under way is finished before the block is left."""
        await self._until_ready()
        self._write(on_duty=True)
        await asyncio.to_thread(self._ask, "POST", "/configuration-file/reload")
        looking = asyncio.create_task(self._look_on())
        try:
            yield
        finally:
            self._write(on_duty=False)
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._ask, "POST", "/configuration-file/reload")
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def _until_ready(self) -> None:
        deadline = time.monotonic() + ENGINE_WITHIN
        while (await asyncio.to_thread(self._ask, "GET", "/automation"))["engine"] != "serving":
            if time.monotonic() >= deadline:
                raise StartError("the control plane's recovery engine does not start")
            await asyncio.sleep(LOOK_INTERVAL)

    async def _look_on(self) -> None:
        """Tell of incidents as they come and go."""
        while True:
            for found in (await asyncio.to_thread(self._ask, "GET", "/incidents?limit=20"))["items"][::-1]:
                self._see(found)
            await asyncio.sleep(LOOK_INTERVAL)

    def _see(self, found: dict[str, Any]) -> None:  # Any: JSON values
        name, service, kind = found["id"], found["target"], found["failure_type"]
        if name not in self._noticed:
            self._noticed.add(name)
            self._tell(service, None, f"control plane: {service} {kind.replace('_', ' ')}, recovering")
        if name in self._finished or found["state"] not in OVER:
            return
        self._finished.add(name)
        moments = [_monotonic(found[key]) for key in ("declared_at", "recovering_at", "acted_at", "validated_at")]
        incident = Incident(service, kind, found["state"], *moments)
        self.incidents.append(incident)
        parts = [incident.began - incident.noticed, incident.acted - incident.began, incident.over - incident.acted]
        said = ", ".join(
            f"{what} {part * 1000:.0f} ms" for what, part in zip(("begin", "act", "prove"), parts, strict=True)
        )
        self._tell(service, incident, f"control plane: {service} {found['detail']} ({said})")

    def _ask(self, method: str, path: str) -> Any:  # Any: JSON values
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5.0)
        try:
            connection.request(method, API + path)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status >= 400:
                raise OSError(f"{method} {path} was answered with {answer.status}: {content[:500]!r}")
            return json.loads(content)
        finally:
            connection.close()


def _monotonic(moment: str | None) -> float:
    """Return a recorded moment on the monotonic clock."""
    if moment is None:
        return math.nan
    return time.monotonic() - (time.time() - datetime.fromisoformat(moment).timestamp())


def _toml(value: object) -> str:
    """Return a value as TOML, which agrees with JSON for texts and lists of texts."""
    return json.dumps(value)
