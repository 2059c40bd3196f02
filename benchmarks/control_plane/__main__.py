"""`python -m benchmarks.control_plane`: the figures of docs/benchmarks-control-plane.md; needs wrk.

Each figure is the ratio to a bare FastAPI route that is measured right before it in the same round; the median of the
rounds is told.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2

from tests.servers.control_plane import ServerProcess, server_process
from tests.servers.postgres import Postgres

from .load import Load, resident_bytes, run

CIRCUITS = 100
CHANGE = """
local number = 0
request = function()
  number = number + 1
  local path = "/api/v1/fault-tolerance/circuit-breakers/circuit-" .. (number %% 100) .. "/isolate"
  local headers = {["content-type"] = "application/json", ["authorization"] = "Bearer %s"}
  return wrk.format("POST", path, headers, '{"reason":"measured ' .. number .. '"}')
end
"""
READ = """
request = function()
  return wrk.format("GET", wrk.path, {["authorization"] = "Bearer %s"})
end
"""
TARGETS = {"livez": 0.9, "circuit": 0.6, "list of 100": 0.2, "change, SQLite": 0.25, "change, PostgreSQL": 0.25}


@contextmanager
def bare_route() -> Iterator[str]:
    """Run the yardstick; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.control_plane.bare", str(port)])
    url = f"http://127.0.0.1:{port}/bare"
    try:
        for _ in range(200):
            try:
                httpx2.get(url)
                break
            except httpx2.TransportError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


def prepare(server: ServerProcess) -> str:
    """Create the circuits and a token; returns the token."""
    with httpx2.Client(base_url=server.api) as client:
        for number in range(CIRCUITS):
            body = {"configuration": {"name": f"circuit-{number}"}}
            client.post("/circuit-breakers", json=body).raise_for_status()
        bindings = [{"role": "admin", "services": ["*"]}]
        token = client.post("/tokens", json={"name": "measuring", "bindings": bindings}).raise_for_status()
        text: str = token.json()["token"]
        return text


def ratio(name: str, bare: str, measure: Callable[[], Load], *, seconds: int, rounds: int) -> dict[str, object]:
    """Measure in turn with the yardstick, and print and return the medians."""
    found: list[tuple[float, Load]] = []
    for _ in range(rounds):
        yardstick = run(bare, seconds=seconds)
        load = measure()
        found.append((load.rate / yardstick.rate, load))
    middle = statistics.median(item[0] for item in found)
    row: dict[str, object] = {
        "name": name,
        "ratio": round(middle, 3),
        "target": TARGETS.get(name),
        "rate": round(statistics.median(load.rate for _, load in found)),
        "p99": round(statistics.median(load.p99 for _, load in found), 4),
        "failed": sum(load.failed for _, load in found),
    }
    print(f"{name:22} {middle:6.2f} x  ({row['rate']}/s, p99 {row['p99']} s, target {row['target']})", flush=True)
    return row


async def idle_streams(server: ServerProcess, number: int) -> dict[str, object]:
    """Hold event streams open, see that each gets an event, and stop the server with all of them open."""
    readers: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    for _ in range(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /api/v1/fault-tolerance/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        readers.append((reader, writer))
    for reader, _ in readers:
        await asyncio.wait_for(reader.readuntil(b"retry: 1000\n\n"), 10)
    began = time.perf_counter()
    async with httpx2.AsyncClient(base_url=server.api) as client:
        await client.post("/circuit-breakers/circuit-1/isolate", json={"reason": "streams"})
    for reader, _ in readers:
        await asyncio.wait_for(reader.readuntil(b"event: circuit.isolate"), 10)
    reached = time.perf_counter() - began
    began = time.perf_counter()
    await asyncio.to_thread(server.stop)
    stopped = time.perf_counter() - began
    for _, writer in readers:
        writer.close()
    print(f"{number} streams: an event reached all in {reached:.3f} s; stopped with all open in {stopped:.2f} s")
    return {"streams": number, "reached_all": round(reached, 3), "stopped_in": round(stopped, 2)}


def flat_memory(server: ServerProcess, script: str, requests: int) -> dict[str, object]:
    """Return the resident memory before and after many requests."""
    assert server.process is not None
    run(server.api + "/circuit-breakers/circuit-1", seconds=2, script=script)
    before = resident_bytes(server.process.pid)
    done = 0.0
    while done < requests:
        done += run(server.api + "/circuit-breakers/circuit-1", seconds=5, script=script).rate * 5
    after = resident_bytes(server.process.pid)
    print(f"memory over {done:.0f} requests: {before / 1e6:.1f} MB to {after / 1e6:.1f} MB")
    return {"requests": round(done), "before": before, "after": after}


def main() -> None:
    """Measure everything and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.control_plane", description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="length of one measurement (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each figure (default 3)")
    parser.add_argument("--json", type=Path, help="write the figures there")
    chosen = parser.parse_args()
    pace = {"seconds": chosen.seconds, "rounds": chosen.rounds}
    rows: list[dict[str, object]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bare = stack.enter_context(bare_route())
        server = stack.enter_context(server_process(folder / "sqlite"))
        token = prepare(server)
        read, change = READ % token, CHANGE % token

        def load(path: str, script: str | None = read) -> Callable[[], Load]:
            return lambda: run(path, seconds=chosen.seconds, script=script)

        rows.append(ratio("livez", bare, load(server.url + "/livez", None), **pace))
        rows.append(ratio("circuit", bare, load(server.api + "/circuit-breakers/circuit-1"), **pace))
        rows.append(ratio("list of 100", bare, load(server.api + "/circuit-breakers?limit=100"), **pace))
        rows.append(ratio("change, SQLite", bare, load(server.url, change), **pace))
        rows.append(flat_memory(server, read, 100_000))
        rows.append(asyncio.run(idle_streams(server, 500)))
        postgres = stack.enter_context(Postgres())
        shared = stack.enter_context(server_process(folder / "postgresql", database_url=postgres.new_database()))
        rows.append(ratio("change, PostgreSQL", bare, load(shared.url, CHANGE % prepare(shared)), **pace))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
