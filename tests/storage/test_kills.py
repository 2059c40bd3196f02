"""Under write load, neither killing the control plane nor killing PostgreSQL loses anything acknowledged."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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
    """The program in a process of its own, and what it has acknowledged."""

    def __init__(self, url: str, prefix: str) -> None:
        command = [sys.executable, "-m", "tests.storage.kill_workload", url, prefix]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._pipe = self._process.stdout
        self.acknowledged: list[str] = []

    def wait_for(self, count: int) -> None:
        """Read until so many further changes are acknowledged."""
        for _ in range(count):
            line = self._pipe.readline()
            assert line, "the program has ended by itself"
            self.acknowledged.append(line.decode().strip())

    def kill(self) -> None:
        """SIGKILL the program, and read what it had still acknowledged."""
        self._process.kill()
        rest = self._pipe.read()
        self.acknowledged += [line.decode() for line in rest.splitlines(keepends=False) if line]
        self._process.wait()
        self._pipe.close()


@contextmanager
def workload(url: str, prefix: str) -> Iterator[Workload]:
    """Run the program; it is killed at the end."""
    program = Workload(url, prefix)
    try:
        yield program
    finally:
        program.kill()


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


def test_killing_the_process_loses_nothing_that_was_acknowledged(database_url: str, seed: int) -> None:
    """After each SIGKILL under load the database holds every acknowledged change whole, and the log is unbroken."""
    randomness = random.Random(seed)
    acknowledged: set[str] = set()
    for kill in range(KILLS):
        with workload(database_url, f"k{kill}") as program:
            program.wait_for(randomness.randint(1, 300))
        acknowledged.update(program.acknowledged)
        if kill % 5 == 4 or kill == KILLS - 1:
            with running(database_url) as rig:
                check(rig, acknowledged)


def test_killing_postgres_loses_nothing_that_was_acknowledged(seed: int) -> None:
    """The control plane goes on by itself after each SIGKILL of the server under load, and nothing is missing."""
    randomness = random.Random(seed)
    with Postgres() as server:
        url = server.new_database()
        with workload(url, "p") as program:
            for _ in range(KILLS):
                program.wait_for(randomness.randint(1, 300))
                server.kill()
                server.start()
            program.wait_for(AFTERWARDS)
        with running(url) as rig:
            check(rig, set(program.acknowledged))
