"""Load on one address of this machine by wrk: requests per second and response times."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 32


class LoadToolMissingError(RuntimeError):
    """wrk is not installed."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a run measured.

    Arguments:
        rate: Requests per second.
        p50, p99: Response times in seconds.
        failed: Answers that were no success.
    """

    rate: float
    p50: float
    p99: float
    failed: int


_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def run(url: str, *, seconds: int, script: str | None = None) -> Load:
    """Send requests over 32 connections for some seconds.

    Arguments:
        url: Where; an address of this machine.
        seconds: How long.
        script: Lua program for wrk that makes the requests.

    Raises:
        LoadToolMissingError: when wrk is not installed.
    """
    if shutil.which("wrk") is None:
        raise LoadToolMissingError("install wrk first (apt-get install wrk)")
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as program:
        if script is not None:
            program.write(script)
            program.flush()
            command += ["-s", program.name]
        text = subprocess.run([*command, url], check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert rate is not None, text
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return Load(float(rate[1]), _time(text, "50%"), _time(text, "99%"), 0 if failed is None else int(failed[1]))


def _time(text: str, which: str) -> float:
    found = re.search(rf"{which}\s+([\d.]+)(us|ms|s)", text)
    assert found is not None, text
    return float(found[1]) * _UNITS[found[2]]


def resident_bytes(pid: int) -> int:
    """Return the memory that a process has resident."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")
