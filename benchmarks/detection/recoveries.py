"""From the exit of a supervised process to its proven health, with `scrollintel serve` as users run it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx2

from tests.servers.program import Program

from .figures import Times
from .subjects import SERVER

PROGRAM = SERVER.replace('"127.0.0.1", 0, backlog=1024', '"127.0.0.1", int(sys.argv[2]), backlog=1024')
PATIENCE = 30.0
FILE = """
[[services]]
name = "web"
mode = "recover"

[[services.checks]]
name = "process"
kind = "process"
interval = 0.1

[[services.checks]]
name = "health"
kind = "http"
depth = "ready"
interval = 0.1
timeout = 0.2
url = "http://127.0.0.1:{port}/health"

[services.process]
command = [{command}]
pidfile = "{pidfile}"
autostart = true

[services.strategies]
exited = ["restart-process"]

[services.limits]
attempts = {attempts}
cool_down = 0.0
"""


def recoveries(runs: int, progress: Callable[[str, int, int], None]) -> list[Times]:
    """Kill the process again and again, and read the times of each recovery from its record."""
    phase, found = random.Random(5), []
    with tempfile.TemporaryDirectory(prefix="scrollintel-") as folder:
        own = median(_start_times(Path(folder)))
        with _platform(Path(folder), runs) as (client, pidfile):
            for number in range(runs):
                progress("recovery", number, runs)
                time.sleep(phase.uniform(0.0, 0.2))
                os.kill(json.loads(pidfile.read_text())["pid"], signal.SIGKILL)
                found.append((time.time(), _repaired(client, number)))
    detected = [_moment(record, "detected_at") - at for at, record in found]
    first = [_moment(record, "initiated_at") - at for at, record in found]
    acted = [_moment(record, "acted_at") - at for at, record in found]
    proven = [_moment(record, "finished_at") - at for at, record in found]
    load = "two cores, idle"
    return [
        Times("a supervised process exits → detected", load, tuple(detected)),
        Times("… → first step of its recovery on disk", load, tuple(first), 0.100),
        Times("… → started again", load, tuple(acted)),
        Times("… → healthy three times in a row and on disk", load, tuple(proven)),
        Times(
            f"the same without the service's own start ({own * 1000:.0f} ms)", load,
            tuple(seconds - own for seconds in proven), 1.0,
        ),
    ]  # fmt: skip


def _start_times(folder: Path) -> list[float]:
    """Return how long the service takes from its start until it takes connections."""
    program, found = folder / "web.py", []
    program.write_text(PROGRAM)
    for _ in range(10):
        began = time.monotonic()
        with subprocess.Popen([sys.executable, str(program), "1", "0"], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            found.append(time.monotonic() - began)
            process.kill()
    return found


@contextmanager
def _platform(folder: Path, runs: int) -> Iterator[tuple[httpx2.Client, Path]]:
    with subprocess.Popen([sys.executable, str(folder / "web.py"), "1", "0"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        process.kill()
    pidfile = folder / "web.pid"
    command = ", ".join(json.dumps(text) for text in (sys.executable, str(folder / "web.py"), "1", str(port)))
    file = FILE.format(port=port, command=command, pidfile=pidfile, attempts=runs + 1)
    settings: Mapping[str, Mapping[str, Any]] = {
        "outbound": {"private": ["127.0.0.0/8"]}, "recovery": {"storm_recoveries": 10_000},
    }  # fmt: skip
    with (
        Program(folder / "server", settings, more=file) as server,
        httpx2.Client(base_url=server.api, timeout=5.0) as client,
    ):
        try:
            _until(lambda: client.get("/checks").json()["items"][0]["condition"] == "healthy")
            _until(lambda: client.get("/automation").json()["engine"] == "serving")
            yield client, pidfile
        finally:
            os.kill(json.loads(pidfile.read_text())["pid"], signal.SIGKILL)


def _repaired(client: httpx2.Client, number: int) -> dict[str, Any]:
    """Return the record of a recovery, once it has ended and the target is healthy, with the moment of detection."""
    found: dict[str, Any] = {}

    def ended() -> bool:
        incidents = client.get("/incidents").json()["items"]
        if not incidents:
            return False
        story = client.get(f"/incidents/{incidents[0]['id']}").json()
        records = [record for record in story["recoveries"] if record["finished_at"] is not None]
        if len(records) <= number or story["state"] != "watched":
            return False
        last = max(records, key=lambda record: record["started_at"])
        acts = [step["started_at"] for step in last["steps"] if step["step"] == "verify"]
        marks = [line["at"] for line in story["timeline"] if line["kind"] in ("detected", "relapsed")]
        found.update(last, detected_at=marks[-1], acted_at=acts[-1])
        return True

    _until(ended)
    assert found["outcome"] == "recovered", found
    return found


def _until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so within {PATIENCE:g} s")
        time.sleep(0.02)


def _moment(record: Mapping[str, Any], name: str) -> float:
    return datetime.fromisoformat(record[name]).timestamp()
