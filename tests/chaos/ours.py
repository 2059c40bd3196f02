"""The arm that is measured: a fresh `scrollintel serve` with `mode = "recover"`, as its documentation says."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx2

from .rig import ROOT, Rig, free_port
from .supervisors import Supervised

Json = dict[str, Any]
EVERY = 0.1
"""Seconds between checks."""
PATIENCE = 30.0


class Platform:
    """Runs the control plane over the services of a rig; it starts them and repairs them.

    Arguments:
        rig: The services.
        checks: TOML lines of each service by name, in place of the usual ones.
        tables: Further TOML at the end of the file.
    """

    def __init__(self, rig: Rig, *, checks: Mapping[str, Sequence[str]] | None = None, tables: str = "") -> None:
        self.rig = rig
        self.port = free_port()
        self.folder = rig.folder / "scrollintel"
        self.folder.mkdir()
        self.settings = self.folder / "scrollintel.toml"
        self.settings.write_text(self._toml(checks or {}, tables))
        self.process: subprocess.Popen[bytes] | None = None
        self.api = f"http://127.0.0.1:{self.port}/api/v1/fault-tolerance"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for service in self.rig.services():
            with contextlib.suppress(Exception):
                os.kill(self.rig.pid(service.name), signal.SIGKILL)

    def start(self) -> None:
        """Start the control plane and wait until it serves."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "scrollintel", "serve", "-c", str(self.settings)],
                env={**self.rig.environment, "HOME": str(self.folder)},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx2.HTTPError):
                if httpx2.get(f"http://127.0.0.1:{self.port}/livez", timeout=1.0).status_code == 200:
                    return
            assert self.process.poll() is None, self.log()
            time.sleep(0.02)
        raise AssertionError(self.log())

    def kill(self) -> None:
        """Kill it without a chance to tidy up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask it to stop."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def log(self) -> str:
        """Return the end of what it has said."""
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def get(self, path: str, **query: Any) -> Json:
        """Ask the API."""
        answer = httpx2.get(f"{self.api}{path}", params=query, timeout=5.0)
        answer.raise_for_status()
        found: Json = answer.json()
        return found

    def incidents(self) -> list[Json]:
        """Return all incidents, oldest first, each with its timeline."""
        found = [self.get(f"/incidents/{item['id']}") for item in self.get("/incidents", limit=100)["items"]]
        return found[::-1]

    # ------------------------------------------------------------------ the settings file

    def _toml(self, checks: Mapping[str, Sequence[str]], tables: str) -> str:
        lines = [
            "[server]", f"port = {self.port}",
            "[data]", f"directory = {json.dumps(str(self.folder / 'data'))}",
            "[outbound]", 'private = ["127.0.0.0/8"]',
            "[recovery]", f"heartbeat_socket = {json.dumps(str(self.heartbeats))}",
        ]  # fmt: skip
        for service in self.rig.services():
            lines += self._service(service, checks.get(service.name))
        return "\n".join(lines) + "\n" + tables

    @property
    def heartbeats(self) -> Path:
        """The socket that agents beat to."""
        return self.rig.folder / "beats.sock"

    def _service(self, service: Supervised, checks: Sequence[str] | None) -> list[str]:
        needs = {"worker": '["database", "redis"]'}.get(service.name, "[]")
        environment = ", ".join(f"{name} = {json.dumps(value)}" for name, value in service.environment.items())
        lines = [
            "[[services]]",
            f'name = "{service.name}"',
            'mode = "recover"',
            f"depends_on = {needs}",
            "[services.process]",
            f"command = {json.dumps(list(service.command))}",
            f"directory = {json.dumps(str(ROOT))}",
            f"environment = {{ {environment} }}",
            "stop_timeout = 3.0",
            "start_timeout = 20.0",
            "autostart = true",
            "[[services.checks]]",
            'name = "process"',
            'kind = "process"',
            f"interval = {EVERY}",
        ]
        usual = {"database": self._database, "redis": self._redis, "worker": self._worker}
        return lines + list(checks if checks is not None else usual[service.name]())

    def _database(self) -> list[str]:
        return [
            *check("query", "postgresql", "ready", timeout=1.0, url=self.rig.database_url),
            "[services.strategies]",
            'exited = ["stop-then-start"]',
            'unresponsive = ["stop-then-start"]',
        ]

    def _redis(self) -> list[str]:
        return [
            *check("ping", "redis", "alive", timeout=0.25, url=f"redis://127.0.0.1:{self.rig.redis_port}/0"),
            "[services.strategies]",
            'exited = ["restart-process"]',
            'unresponsive = ["restart-process"]',
        ]

    def _worker(self) -> list[str]:
        return [
            *self.worker_checks(),
            "[services.strategies]",
            'exited = ["restart-process"]',
            'unresponsive = ["restart-process"]',
        ]

    def worker_checks(self) -> list[str]:
        """Return the usual checks of the worker."""
        worker = f"http://127.0.0.1:{self.rig.worker_port}"
        return [
            *check("live", "http", "alive", timeout=0.25, url=f"{worker}/live"),
            *check("ready", "http", "ready", timeout=1.0, url=f"{worker}/ready"),
            *check("job", "http", "deep", timeout=1.0, url=f"{worker}/job?check", interval=0.25),
        ]


def check(name: str, kind: str, depth: str, *, timeout: float, interval: float = EVERY, **options: object) -> list[str]:
    """Return the TOML of one check."""
    return [
        "[[services.checks]]",
        f'name = "{name}"',
        f'kind = "{kind}"',
        f'depth = "{depth}"',
        f"interval = {interval}",
        f"timeout = {timeout}",
        *(f"{key} = {json.dumps(value)}" for key, value in options.items()),
    ]
