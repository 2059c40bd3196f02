"""Control planes for tests: one inside the test's event loop, or a real server in a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Self

import httpx2
from fastapi import FastAPI

from scrollintel.api.application import create_api
from scrollintel.composition import wire
from scrollintel.service.use_cases import UseCases

from .processes import kill, stop

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "/api/v1/fault-tolerance"
BASE = "http://127.0.0.1"


@asynccontextmanager
async def client_of(app: FastAPI, peer: str = "127.0.0.1") -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client that talks to an application in this process, as if from an address."""
    transport = httpx2.ASGITransport(app=app, client=(peer, 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE + PREFIX) as client:
        yield client


@asynccontextmanager
async def control_plane(
    directory: Path, database_url: str | None = None, **options: Any
) -> AsyncIterator[tuple[httpx2.AsyncClient, UseCases]]:
    """Run a control plane in this event loop; options are those of `wire`."""
    use_cases = wire(directory=directory, database_url=database_url, **options)
    app = create_api(use_cases)
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client, use_cases


class ServerProcess:
    """A control plane in a process of its own, on a free port; `kill` is SIGKILL.

    Arguments:
        directory: Its data directory; the same one again is a restart.
        options: For `wire`, as JSON values.
    """

    program = "tests.servers.serve"
    """Module that is run with the directory, the port and the options."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.directory = directory
        self.port = _free_port()
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """Address without the API's prefix."""
        return f"{BASE}:{self.port}"

    @property
    def api(self) -> str:
        """Address with the API's prefix."""
        return self.url + PREFIX

    def start(self, timeout: float = 60.0) -> None:
        """Start the process and wait until it answers."""
        program = [sys.executable, "-m", self.program, str(self.directory), str(self.port)]
        log = (self.directory.parent / f"{self.directory.name}.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [*program, json.dumps(self.options)], cwd=ROOT, stdout=log, stderr=log, env={**os.environ}
            )
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (self.directory.parent / f"{self.directory.name}.log").read_text()
            try:
                if httpx2.get(f"{self.url}/readyz", timeout=5.0).status_code in (200, 503):
                    return
            except httpx2.TransportError:
                time.sleep(0.02)
        self.kill()
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        """Kill the process without a chance to tidy up."""
        assert self.process is not None
        kill(self.process)

    def stop(self, timeout: float = 10.0) -> int:
        """Ask the process to stop, and return its exit code."""
        assert self.process is not None
        return stop(self.process, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()


@contextmanager
def server_process(directory: Path, **options: Any) -> Iterator[ServerProcess]:
    """Run a control plane in a process of its own."""
    with ServerProcess(directory, **options) as server:
        yield server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
