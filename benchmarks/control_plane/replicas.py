"""`python -m benchmarks.control_plane.replicas`: what 50 replicas with 100 busy circuits each cost a server."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import tempfile
import time
from pathlib import Path

from tests.servers.control_plane import PREFIX, ServerProcess, server_process

SINCE = 1_790_000_000.0


class Replica:
    """A connection that joins and reports as `scrollintel.connect` does, with every circuit changed each time."""

    def __init__(self, server: ServerProcess, number: int, circuits: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        self._circuits = circuits
        self._calls = 0
        joined = self._send("POST", "/replicas", {"protocol": 1, "instance": f"replica-{number}", "service": "orders"})
        self._path = f"/replicas/{json.loads(joined)['replica']}/report"

    def _send(self, method: str, path: str, message: dict[str, object]) -> bytes:
        self._connection.request(method, PREFIX + path, json.dumps(message), {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status < 300, body
        return body

    def seen(self) -> list[object]:
        """Return the row of a circuit behind its name, with ten more calls."""
        self._calls += 10
        return [None, "closed", "created", SINCE, None, self._calls, 1, 0, 0, 0, 0, 0, 0, 0, 0,
                0.01, 0.05, 0.09, 0.012, 0.2, None, None, 0]  # fmt: skip

    def report(self) -> None:
        """Send a report in which every circuit has seen more calls."""
        rest = self.seen()
        rows = [[f"circuit-{number}", *rest] for number in range(self._circuits)]
        self._send("POST", self._path, {"circuits": rows, "policies": [], "levels": [], "facts": [], "dropped": 0})


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.control_plane.replicas", description=__doc__)
    parser.add_argument("--replicas", type=int, default=50, help="replicas (default 50)")
    parser.add_argument("--circuits", type=int, default=100, help="circuits of each (default 100)")
    parser.add_argument("--seconds", type=int, default=20, help="how long (default 20)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server_process(Path(folder) / "data") as server:
        assert server.process is not None
        replicas = [Replica(server, number, chosen.circuits) for number in range(chosen.replicas)]
        for replica in replicas:
            replica.report()
        time.sleep(2)
        before, began = cpu_seconds(server.process.pid), time.monotonic()
        for second in range(chosen.seconds):
            for number, replica in enumerate(replicas):
                wait = began + second + number / len(replicas) - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                replica.report()
        passed = time.monotonic() - began
        share = (cpu_seconds(server.process.pid) - before) / passed
        print(f"{chosen.replicas} replicas with {chosen.circuits} circuits each: {share:.3f} of a core (target 0.333)")


if __name__ == "__main__":
    main()
