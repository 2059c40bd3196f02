"""A small world of real processes for the dashboard: services, an application that calls them, a control plane."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest

from tests.servers.control_plane import PREFIX, ROOT
from tests.servers.processes import eventually, kill, stop

BACKENDS = ("payments", "inventory", "ledger")
"""`payments` and `inventory` need `ledger`."""


START = 60.0
"""Seconds that the control plane has to answer; a busy machine needs many of them to import it."""


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class World:
    """Starts everything; `with` ends everything.

    Arguments:
        folder: Where files go.
        enforced: Whether access control is on.
        approval: Whether a repair of `payments` waits for a person.
        mode: What holds for services: observe or recover.
        more: Further tables of the settings file.
    """

    def __init__(
        self,
        folder: Path,
        *,
        enforced: bool = False,
        approval: bool = False,
        mode: str = "recover",
        more: str = "",
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.ports = {name: free_port() for name in BACKENDS}
        self.flags = {name: folder / f"{name}.well" for name in BACKENDS}
        for flag in self.flags.values():
            flag.touch()
        self.settings = folder / "scrollintel.toml"
        self.settings.write_text(f"{self._settings(enforced, approval, mode)}\n{more}")
        self._enforced = enforced
        self._processes: list[subprocess.Popen[bytes]] = []
        self.server = self.serve()
        self.application: subprocess.Popen[bytes] | None = None

    # ------------------------------------------------------------------ what runs

    @property
    def url(self) -> str:
        """Address of the dashboard."""
        return f"http://127.0.0.1:{self.port}"

    def serve(self) -> subprocess.Popen[bytes]:
        """Start the control plane and wait until it answers."""
        arguments = ["serve", "--config", str(self.settings)]
        process = self._start("control-plane", [sys.executable, "-m", "scrollintel", *arguments])
        if not eventually(self._answers, START):
            self.__exit__()  # also the services that it has started
            pytest.fail((self.folder / "control-plane.log").read_text())
        return process

    def join(self, *circuits: str) -> None:
        """Start the application, which calls the services; further circuits are called as well, all at `inventory`."""
        targets = {name: f"http://127.0.0.1:{port}/" for name, port in self.ports.items()}
        targets.update(dict.fromkeys(circuits, targets["inventory"]))
        words = [f"{name}={url}" for name, url in targets.items()]
        self.application = self._joined("tests.browser.application", *words)

    def join_many(self, number: int) -> None:
        """Start an application with so many circuits that are all in use."""
        self.application = self._joined("tests.browser.many_circuits", str(number))

    def _joined(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        variables = {"SCROLLINTEL_URL": self.url, "SCROLLINTEL_SERVICE": "shop", "XDG_CACHE_HOME": str(self.folder)}
        if self._enforced:
            variables["SCROLLINTEL_TOKEN"] = self.token("replica:shop")
        return self._start("application", [sys.executable, "-m", module, *words], variables)

    def break_(self, name: str) -> None:
        """Have a service answer 503."""
        self.flags[name].unlink()

    def mend(self, name: str) -> None:
        """Have a service answer 200."""
        self.flags[name].touch()

    def kill_backend(self, name: str) -> None:
        """Kill the process of a service."""
        for pid in self._listeners(self.ports[name]):
            os.kill(pid, signal.SIGKILL)

    def token(self, *roles: str) -> str:
        """Make a token over the admin socket, with roles such as `viewer:*`."""
        words = [word for role in roles for word in ("--role", role)]
        program = [sys.executable, "-m", "scrollintel", "--config", str(self.settings), "--json"]
        done = subprocess.run(
            [*program, "tokens", "create", "test", *words],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=True, env=self._environment(),
        )  # fmt: skip
        return str(json.loads(done.stdout)["token"])

    def get(self, path: str, **query: Any) -> Any:  # Any: JSON values
        """Return what the API shows there."""
        return httpx2.get(self.url + PREFIX + path, params=query, timeout=10.0).json()

    def until(self, path: str, so: Any, **query: Any) -> Any:  # Any: a test of JSON values
        """Return what the API shows there, once it is so."""
        found: list[Any] = []

        def look() -> bool:
            found[:] = [self.get(path, **query)]
            return bool(so(found[0]))

        assert eventually(look, 30.0), found
        return found[0]

    # ------------------------------------------------------------------ life

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            if process.poll() is None:
                try:
                    stop(process, 10.0)
                except subprocess.TimeoutExpired:
                    kill(process)
        for port in self.ports.values():
            for pid in self._listeners(port):
                os.kill(pid, signal.SIGKILL)

    def _start(self, name: str, command: list[str], variables: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env={**self._environment(), **(variables or {})},
            )  # fmt: skip
        self._processes.append(process)
        return process

    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SCROLLINTEL_")}
        return {**clean, "HOME": str(self.folder)}

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=2.0).status_code == 200
        except httpx2.TransportError:
            time.sleep(0.05)
            return False

    @staticmethod
    def _listeners(port: int) -> set[int]:
        import psutil

        return {
            connection.pid
            for connection in psutil.net_connections(kind="tcp")
            if connection.pid is not None and connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
        }

    def _settings(self, enforced: bool, approval: bool, mode: str) -> str:
        parts = [
            f'[server]\nport = {self.port}\n[data]\ndirectory = "{self.folder / "data"}"\n',
            f"[access]\nenabled = {str(enforced).lower()}\n",
            f'[recovery]\nmode = "{mode}"\n[outbound]\nprivate = ["127.0.0.0/8"]\n',
        ]
        asks = '{ kind = "restart-process", approval = true }' if approval else '"restart-process"'
        for name in BACKENDS:
            needs = "" if name == "ledger" else 'depends_on = ["ledger"]\n'
            repair = asks if name == "payments" else '"restart-process"'
            parts.append(
                f'[[services]]\nname = "{name}"\ntier = {2 if name == "ledger" else 1}\nowner = "team {name}"\n{needs}'
                f'[services.process]\ncommand = ["{sys.executable}", "-m", "tests.browser.backend",'
                f' "{self.ports[name]}", "{self.flags[name]}"]\ndirectory = "{ROOT}"\nautostart = true\n'
                '[[services.checks]]\nkind = "process"\ninterval = 0.2\n'
                f'[[services.checks]]\nkind = "http"\ndepth = "ready"\nurl = "http://127.0.0.1:{self.ports[name]}/"\n'
                "interval = 0.2\n"
                f"[services.strategies]\nexited = [{repair}]\n"
            )
        parts.append('[[services]]\nname = "shop"\ntier = 1\ndepends_on = ["payments", "inventory"]\n')
        return "\n".join(parts)
