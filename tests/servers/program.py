"""`scrollintel serve` as its users start it: a process with a settings file, told apart by what it says and answers."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx2

from .control_plane import PREFIX, ROOT
from .processes import kill, stop

_ADDRESS = re.compile(r"^scrollintel serves at (\S+); dashboard: \S+$", re.MULTILINE)
START, STOP = 60.0, 20.0
"""Seconds that the server may take to start and to stop on a busy machine."""


def _toml(value: object) -> str:
    """Return a value as a settings file writes it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


class Program:
    """A running server on a free port; its data lie in `data` under the folder, what it says in `said`.

    Arguments:
        folder: Folder of this server's own; the same one again is a restart.
        settings: Tables of the settings file.
        environment: Further variables.
        more: Further text of the settings file.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Mapping[str, Any]] | None = None,  # Any: values of a settings file
        environment: Mapping[str, str] | None = None,
        more: str = "",
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.data = folder / "data"
        self._log = folder / "log.txt"
        self._before = self._log.stat().st_size if self._log.exists() else 0
        file = folder / "scrollintel.toml"
        tables = {"server": {"port": 0}, **(settings or {})}
        tables["server"] = {"port": 0, **tables["server"]}
        tables["data"] = {"directory": str(self.data)}
        file.write_text(
            "".join(
                f"[{name}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())
                for name, table in tables.items()
            )
            + more,
            encoding="utf-8",
        )
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SCROLLINTEL_")}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "scrollintel", "--config", str(file), "serve"],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**clean, **(environment or {})},
            )
        self.url = self._address()

    @property
    def said(self) -> str:
        """What this process has written to standard output and error."""
        return self._log.read_bytes()[self._before :].decode()

    @property
    def api(self) -> str:
        """Address with the API's prefix."""
        return self.url + PREFIX

    @property
    def first_token(self) -> str:
        """The first admin token, as its file holds it."""
        return (self.data / "first-admin-token").read_text().strip()

    def client(self, **options: Any) -> httpx2.Client:  # Any: options of the client
        """Return a client over the admin socket, where whoever owns the data may do everything."""
        transport = httpx2.HTTPTransport(uds=str(self.data / "admin.sock"))
        return httpx2.Client(transport=transport, base_url=f"http://admin{PREFIX}", **options)

    def _address(self) -> str:
        deadline = time.monotonic() + START
        while time.monotonic() < deadline:
            found = _ADDRESS.search(self.said)
            assert self.process.poll() is None, self.said
            if found is not None and self._listens():
                return found[1]
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"the server did not start: {self.said}")

    def _listens(self) -> bool:
        """Tell whether the admin socket, which is opened last, takes connections."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.data / "admin.sock")) == 0

    def kill(self) -> None:
        """Kill the process without a chance to tidy up."""
        kill(self.process)

    def stop(self) -> int:
        """Ask the process to stop, and return its exit code."""
        return stop(self.process, STOP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
