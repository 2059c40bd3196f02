"""Under write load, neither killing the control plane nor killing PostgreSQL loses anything acknowledged."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from scrollintel.control.records import CONTROL_STATE, SERVICES
from scrollintel.models.fault_tolerance_models import metadata
from tests.servers.postgres import Postgres
from tests.storage.rig import Rig, running

KILLS = int(os.environ.get("SCROLLINTEL_KILLS", "10"))
"""How often each test kills."""
AFTERWARDS = 40
"""Changes that prove that the program has recovered from the last kill."""


class Workload:
    """The program that is killed, and what it has acknowledged."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.storage.kill_workload"]
        self._program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._pid: int | None = None
        self.acknowledged: set[str] = set()

    def start(self, url: str, prefix: str) -> None:
        """Start a process on a database."""
        assert self._program.stdin is not None
        self._program.stdin.write(f"{url} {prefix}\n")
        self._program.stdin.flush()
        while self._pid is None:
            self._read()

    def _read(self) -> bool:
        """Read one line; False when it says that the process is dead."""
        assert self._program.stdout is not None
        line = self._program.stdout.readline().strip()
        assert line, "the program has ended by itself"
        if line.startswith("+"):
            self._pid = int(line)
        elif line != "-":
            self.acknowledged.add(line)
        return line != "-"

    def wait_for(self, count: int) -> None:
        """Read until so many further changes are acknowledged."""
        wanted = len(self.acknowledged) + count
        while len(self.acknowledged) < wanted:
            assert self._read(), "the process has ended by itself"

    def kill(self) -> None:
        """SIGKILL the process, and read what it had still acknowledged."""
        assert self._pid is not None
        os.kill(self._pid, signal.SIGKILL)
        while self._read():
            pass
        self._pid = None

    def close(self) -> None:
        """End the program and its process."""
        if self._pid is not None:
            self.kill()
        self._program.communicate()


@pytest.fixture
def workload() -> Iterator[Workload]:
    """Return the program; its processes are not started yet."""
    program = Workload()
    yield program
    program.close()


def check(rig: Rig, acknowledged: set[str]) -> None:
    """Assert that nothing acknowledged is lost, that every change is whole, and that the log verifies."""
    services = {record.name for record in rig.records.values(SERVICES)}
    assert acknowledged <= services
    logged = [record.target for record in rig.audit_log()]
    assert len(logged) == len(set(logged))
    assert set(logged) == services
    report = rig.verified()
    assert report.ok, report
    numbers = {
        record.key.removeprefix("number of "): record.value
        for record in rig.records.values(CONTROL_STATE)
        if record.key.startswith("number of ")
    }
    assert numbers.keys() == services
    assert len(set(numbers.values())) == len(numbers)
    with rig.database.reader() as reader:
        checks = reader.scalars(select(metadata.tables["health_checks"].c.service)).all()
    assert sorted(checks) == sorted(services)


def test_killing_the_process_loses_nothing_that_was_acknowledged(
    database_url: str, workload: Workload, seed: int
) -> None:
    """After each SIGKILL under load the database holds every acknowledged change whole, and the log is unbroken."""
    randomness = random.Random(seed)
    for kill in range(1, KILLS + 1):
        workload.start(database_url, f"k{kill}")
        workload.wait_for(randomness.randint(1, 300))
        workload.kill()
        if kill % 5 == 0 or kill == KILLS:
            with running(database_url) as rig:
                check(rig, workload.acknowledged)


def test_killing_postgres_loses_nothing_that_was_acknowledged(workload: Workload, seed: int) -> None:
    """The control plane goes on by itself after each SIGKILL of the server under load, and nothing is missing."""
    randomness = random.Random(seed)
    with Postgres() as server:
        url = server.new_database()
        workload.start(url, "p")
        for _ in range(KILLS):
            workload.wait_for(randomness.randint(1, 300))
            server.kill()
            server.start()
        workload.wait_for(AFTERWARDS)
        workload.kill()
        with running(url) as rig:
            check(rig, workload.acknowledged)
