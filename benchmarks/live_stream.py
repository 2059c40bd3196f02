"""`python -m benchmarks.live_stream`: what pages cost that follow `GET /live` while 10,000 facts a second happen.

Each round measures a server three times for some seconds, with the same facts: without anybody who follows, with
connections on `/live`, and with as many on `/events`, which sends every fact to everyone on its own. What is told is
the CPU time of the server process beyond that of the first, as a share of one core. Whoever follows runs in a process
of its own, reads everything, and counts what is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2

from benchmarks.control_plane.replicas import cpu_seconds
from tests.servers.control_plane import PREFIX, server_process

TARGET = 0.5
"""Of a core, at most."""
REACHED = 0.95
"""Share of the rate of facts below which a measurement does not count: the machine had no room for it."""
REPORTS = 20
"""Reports in a second that the facts come in."""
READ = 2**18
FACT = re.compile(rb'"number":(\d+)')
NUMBERED = re.compile(rb"^id: [0-9a-f]+-(\d+)$", re.MULTILINE)


@dataclass(slots=True)
class Heard:
    """What one connection heard.

    Arguments:
        messages: Events of the stream.
        size_bytes: What came over the wire.
        last: Number of the last fact.
        missing: Facts that did not come between the first and the last one, and those that were said to be left out.
        resets: Times that it was told to look anew.
    """

    messages: int = 0
    size_bytes: int = 0
    last: int = -1
    missing: int = 0
    resets: int = 0

    def take(self, text: bytes, *, look: bool) -> None:
        """Take what has come: whole events. Only one connection of all looks at each fact: reading costs as well."""
        self.messages += text.count(b"event: ")
        self.resets += text.count(b"event: stream.reset")
        if not look:
            return
        for found in FACT.finditer(text):
            number = int(found[1])
            if self.last >= 0:
                self.missing += number - self.last - 1
            self.last = number


async def follow(port: int, path: str, heard: Heard, ready: asyncio.Event, *, look: bool) -> None:
    """Follow until the server or the program ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=READ)
    writer.write(f"GET {PREFIX}{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    await reader.readuntil(b"retry: 1000\n\n")
    ready.set()
    rest = b""
    while chunk := await reader.read(READ):
        heard.size_bytes += len(chunk)
        rest += chunk
        whole, end, rest = rest.rpartition(b"\n\n")
        heard.take(whole + end, look=look)


async def followers(port: int, path: str, number: int) -> None:
    """Follow over many connections until a line comes in, and print what they have heard."""
    heard = [Heard() for _ in range(number)]
    ready = [asyncio.Event() for _ in range(number)]
    # Every tenth looks at all facts; the others count messages and bytes, so that reading does not take a core itself.
    tasks = [
        asyncio.create_task(follow(port, path, one, event, look=index % 10 == 0))
        for index, (one, event) in enumerate(zip(heard, ready, strict=True))
    ]
    for event in ready:
        await event.wait()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(json.dumps([asdict(one) for one in heard]), flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Replica:
    """Reports facts at a steady rate."""

    def __init__(self, api: str) -> None:
        self._client = httpx2.Client(base_url=api, timeout=30)
        message = {"protocol": 1, "instance": "busy", "service": "orders"}
        joined = self._client.post("/replicas", json=message).raise_for_status().json()
        self._path = f"/replicas/{joined['replica']}/report"
        self.told = 0

    def report(self, number: int) -> None:
        """Report facts, numbered on, about a hundred circuits of which five change."""
        facts = [
            {
                "event": "retry.scheduled", "policy": f"circuit-{one % 100}", "at": 1_790_000_000.0, "number": one,
                "attempt": 2, "delay": 0.25, "error": "ConnectionError",
            }
            for one in range(self.told, self.told + number)
        ]  # fmt: skip
        self.told += number
        rows = [
            [f"circuit-{one}", None, "open" if self.told % 2 else "closed", f"at {self.told}", 1.0, None, self.told, 1,
             *[0] * 8, 0.01, 0.05, 0.09, 0.012, 0.2, None, None, 0]
            for one in range(5)
        ]  # fmt: skip
        body = json.dumps({"circuits": rows, "facts": facts})
        headers = {"Content-Type": "application/json"}
        self._client.post(self._path, content=body, headers=headers).raise_for_status()

    def busy(self, rate: int, seconds: float) -> None:
        """Report at a rate for some seconds."""
        began = time.monotonic()
        for number in range(round(seconds * REPORTS)):
            time.sleep(max(0.0, began + number / REPORTS - time.monotonic()))
            self.report(rate // REPORTS)


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement.

    Arguments:
        share: CPU seconds of the server in a second.
        rate: Facts in a second that were really reported.
        heard: What each connection heard; nothing when nobody followed.
        seconds: How long.
    """

    share: float
    rate: float
    heard: list[Heard]
    seconds: float


def measure(path: str | None, pages: int, rate: int, seconds: float) -> Measured:
    """Start a server, let facts happen, and return what it took."""
    with tempfile.TemporaryDirectory() as folder, server_process(Path(folder) / "data") as server:
        assert server.process is not None
        replica = Replica(server.api)
        replica.report(100)
        listening: subprocess.Popen[str] | None = None
        if path is not None:
            command = [sys.executable, "-m", "benchmarks.live_stream", "--follow", path]
            command += ["--port", str(server.port), "--pages", str(pages)]
            listening = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert listening.stdout is not None
            assert listening.stdout.readline() == "ready\n"
        replica.busy(rate, 2.0)
        before, told, began = cpu_seconds(server.process.pid), replica.told, time.monotonic()
        replica.busy(rate, seconds)
        passed = time.monotonic() - began
        share = (cpu_seconds(server.process.pid) - before) / passed
        heard: list[Heard] = []
        if listening is not None:
            time.sleep(2.0)
            output, _ = listening.communicate("\n", timeout=60)
            heard = [Heard(**one) for one in json.loads(output)]
            for one in heard:
                if one.last >= 0:
                    one.missing += replica.told - 1 - one.last
        return Measured(share, (replica.told - told) / passed, heard, passed + 2.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live_stream", description=__doc__)
    parser.add_argument("--pages", type=int, default=200, help="connections (default 200)")
    parser.add_argument("--rate", type=int, default=10_000, help="facts in a second (default 10000)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of one measurement (default 10)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (default 3)")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--follow", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.follow is not None:
        asyncio.run(followers(chosen.port, chosen.follow, chosen.pages))
        return
    rows: list[dict[str, object]] = []
    found: dict[str, list[tuple[float, Measured]]] = {"/live": [], "/events": []}
    for _ in range(chosen.rounds):
        alone = measure(None, 0, chosen.rate, chosen.seconds)
        print(f"nobody follows: {alone.share:.3f} of a core at {alone.rate:.0f} facts/s", flush=True)
        for path, measured in found.items():
            one = measure(path, chosen.pages, chosen.rate, chosen.seconds)
            lost = sum(page.missing for page in one.heard)
            print(
                f"{path}: {one.share - alone.share:.3f} of a core more at {one.rate:.0f} facts/s, {lost} missing",
                flush=True,
            )
            if one.rate >= REACHED * chosen.rate:
                measured.append((one.share - alone.share, one))
    for path, measured in found.items():
        if not measured:
            print(f"{path}: no round reached {chosen.rate} facts/s")
            continue
        pages = [(page, one.seconds) for _, one in measured for page in one.heard]
        row: dict[str, object] = {
            "path": path,
            "pages": chosen.pages,
            "rounds": len(measured),
            "share": round(statistics.median(share for share, _ in measured), 3),
            "target": TARGET,
            "rate": round(statistics.median(one.rate for _, one in measured)),
            "messages": round(max(page.messages / seconds for page, seconds in pages), 1),
            "megabytes": round(statistics.median(page.size_bytes / seconds / 1e6 for page, seconds in pages), 2),
            "missing": sum(page.missing for page, _ in pages),
            "resets": sum(page.resets for page, _ in pages),
        }
        rows.append(row)
        print(row)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
