"""`python -m benchmarks.control_plane.agents`: how soon orders reach 50 replicas, and what a replica's thread costs.

The replicas are `scrollintel.connect` itself, ten in each of five processes; an order takes effect when the circuit's
state changes in the replica.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2

from scrollintel import (
    CircuitBreakerConfig,
    CircuitOpenError,
    Event,
    FaultToleranceManager,
    Pipeline,
    Policy,
    StateChanged,
    connect,
)
from scrollintel.core.hub import EventHub
from scrollintel.core.registry import Registry
from tests.servers.control_plane import server_process

Effect = tuple[str, str, float]
"""Circuit, state and Unix time of a change in a replica."""
PATIENCE = 10.0


# ------------------------------------------------------------------ a process with replicas


def thread_seconds(thread: threading.Thread) -> float:
    """Return the CPU time that a thread has used."""
    fields = Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tell(event: Event) -> None:
    """Print a change of state."""
    assert isinstance(event, StateChanged)
    os.write(1, f"{event.policy} {event.new.value} {event.at}\n".encode())  # at once, beside other listeners' lines


def await_end(done: threading.Event) -> None:
    """Wait for the end of standard input."""
    sys.stdin.read()
    done.set()


def work(url: str, folder: str, replicas: int, circuits: int, calls: int) -> None:
    """Run replicas until the end of standard input, then tell what their threads cost."""
    pipelines: list[Pipeline] = []
    for number in range(replicas):
        manager = FaultToleranceManager(registry=Registry(hub=EventHub()))
        manager.registry.hub.subscribe(tell, kinds=[StateChanged])
        for name in (f"circuit-{at}" for at in range(circuits)):
            pipelines.append(manager.registry.pipeline(Policy(name, breaker=CircuitBreakerConfig(name))))
        connect(url, service="orders", manager=manager, cache_dir=Path(folder) / f"{os.getpid()}-{number}")
    done = threading.Event()
    threading.Thread(target=await_end, args=(done,), daemon=True).start()
    threads = [thread for thread in threading.enumerate() if thread.name == "scrollintel-replica"]
    time.sleep(2.0)  # joining is not what is measured
    began, before = time.monotonic(), [thread_seconds(thread) for thread in threads]
    while not done.wait(1.0):
        for pipeline in pipelines:
            for _ in range(calls):
                with contextlib.suppress(CircuitOpenError):  # it may be isolated just now
                    pipeline.call(int)
    passed = time.monotonic() - began
    share = sum(thread_seconds(thread) - was for thread, was in zip(threads, before, strict=True)) / passed
    print(f"cost {share / replicas}", flush=True)


class Worker:
    """A process with replicas; their changes of state arrive in `effects`."""

    def __init__(self, url: str, folder: Path, replicas: int, circuits: int, calls: int) -> None:
        program = [sys.executable, "-m", "benchmarks.control_plane.agents", "--work", url, str(folder)]
        program += ["--replicas", str(replicas), "--circuits", str(circuits), "--calls", str(calls)]
        self.process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.effects: queue.SimpleQueue[Effect] = queue.SimpleQueue()
        self.cost = 0.0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            first, *rest = line.split()
            if first == "cost":
                self.cost = float(rest[0])
            else:
                self.effects.put((first, rest[0], float(rest[1])))

    def end(self) -> float:
        """End the process and return the share of a core that each replica's thread took."""
        assert self.process.stdin is not None
        if not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return self.cost


@contextmanager
def replicas(url: str, folder: Path, processes: int, each: int, circuits: int, calls: int) -> Iterator[list[Worker]]:
    """Run processes with replicas, and wait until all have joined."""
    workers = [Worker(url, folder, each, circuits, calls) for _ in range(processes)]
    try:
        with httpx2.Client(base_url=url) as client:
            deadline = time.monotonic() + 30.0
            while len(client.get("/api/v1/fault-tolerance/replicas").json()["items"]) < processes * each:
                assert time.monotonic() < deadline, "the replicas have not joined"
                time.sleep(0.1)
        time.sleep(2.5)
        yield workers
    finally:
        for worker in workers:
            worker.end()


# ------------------------------------------------------------------ what is measured


def cost(circuits: int, calls: int, seconds: int) -> float:
    """Return the share of a core that the thread of one replica takes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        server_process(Path(folder) / "data") as server,
        replicas(server.url, Path(folder), 1, 1, circuits, calls) as (worker,),
    ):
        time.sleep(seconds)
        return worker.end()


def orders(number: int, processes: int, each: int, circuits: int) -> tuple[list[float], list[float]]:
    """Return, for each order, the seconds from its answer until it holds everywhere, and until that is shown."""
    holds: list[float] = []
    shown: list[float] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(server_process(folder / "data"))
        client = stack.enter_context(httpx2.Client(base_url=server.api))
        workers = stack.enter_context(replicas(server.url, folder, processes, each, circuits, 1))
        for turn in range(number):
            circuit, verb = f"circuit-{turn // 2 % circuits}", ("isolate", "close")[turn % 2]
            client.post(f"/circuit-breakers/{circuit}/{verb}", json={"reason": "measured"}).raise_for_status()
            answered = time.time()
            effects = [worker.effects.get(timeout=PATIENCE) for worker in workers for _ in range(each)]
            assert {effect[:2] for effect in effects} == {(circuit, "isolated" if verb == "isolate" else "closed")}
            holds.append(max(effect[2] for effect in effects) - answered)
            while any(item["behind"] for item in client.get("/replicas?limit=1000").json()["items"]):
                time.sleep(0.005)
            shown.append(time.time() - answered)
            time.sleep(0.05)
    return holds, shown


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.control_plane.agents", description=__doc__)
    parser.add_argument("--orders", type=int, default=200, help="orders (default 200)")
    parser.add_argument("--replicas", type=int, default=10, help="replicas in each of five processes (default 10)")
    parser.add_argument("--circuits", type=int, default=100, help="circuits of each replica (default 100)")
    parser.add_argument(
        "--calls", type=int, default=10, help="calls through each busy circuit in a second (default 10)"
    )
    parser.add_argument("--seconds", type=int, default=20, help="how long to look at the cost (default 20)")
    parser.add_argument("--work", nargs=2, metavar=("URL", "FOLDER"), help="run replicas, for the benchmark itself")
    chosen = parser.parse_args()
    if chosen.work is not None:
        url, folder = chosen.work
        work(url, folder, chosen.replicas, chosen.circuits, chosen.calls)
        return
    for name, calls in (("idle", 0), ("busy", chosen.calls)):
        share = cost(chosen.circuits, calls, chosen.seconds)
        print(f"the thread of a replica with {chosen.circuits} {name} circuits: {share:.2%} of a core", flush=True)
    holds, shown = orders(chosen.orders, 5, chosen.replicas, chosen.circuits)
    for name, times in (("holds on every replica", holds), ("is shown as applied everywhere", shown)):
        percentile = statistics.quantiles(times, n=100)[98]
        print(f"an order {name} after {statistics.median(times) * 1e3:.0f} ms, p99 {percentile * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
