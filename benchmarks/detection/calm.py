"""How often something healthy is suspected or declared failed, and what it costs to watch much."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from scrollintel.recovery.symptom import Condition, Depth
from scrollintel.recovery.target import Check, Heartbeat
from scrollintel.watch.heartbeat_socket import HeartbeatSocket

from .subjects import beating, server
from .watching import check, target, watching

EACH = 5
"""Targets of each of the four kinds."""
SILENCE = 0.6
"""Timeout of the heartbeats; their senders beat four times in it."""


@dataclass(frozen=True, slots=True)
class Calm:
    """What was said of healthy targets.

    Arguments:
        load: What else ran.
        targets: How many were watched.
        seconds: How long.
        suspected, declared: How often one was suspected, and declared failed.
        discarded: Looks that said nothing, because the watcher itself was late.
        lag: The longest delay of the watcher's loop, seconds.
    """

    load: str
    targets: int
    seconds: float
    suspected: int
    declared: int
    discarded: int
    lag: float

    def row(self) -> str:
        """Return a row of a table."""
        hours = self.targets * self.seconds / 3600.0
        return (
            f"| {self.load} | {self.targets} | {self.seconds:.0f} s | {self.suspected} ({self.suspected / hours:.1f}) |"
            f" **{self.declared}** | {self.discarded} | {self.lag * 1000:.0f} ms |"
        )


CALM_HEAD = (
    "| Load | Targets | Time | Suspected (in an hour of a target) | Declared failed | Looks discarded | Longest lag |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)


def healthy(load: str, seconds: float, progress: Callable[[str, int, int], None]) -> Calm:
    """Watch processes, connections, HTTP servers and heartbeats that are all healthy."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scrollintel-")))
        around = stack.enter_context(watching())
        listener = HeartbeatSocket(folder / "beats.sock", around.watcher.beat)
        listener.start()
        stack.callback(listener.stop)
        watched = []
        for number in range(EACH):
            subject = server(2)
            agent = beating(f"agent-{number}", listener.path, SILENCE / 4.0)
            stack.callback(subject.end)
            stack.callback(agent.end)
            held = check("tcp", host="127.0.0.1", port=subject.ports[0], hold=True)
            asked = check("http", url=f"http://127.0.0.1:{subject.ports[1]}/health")
            watched += [
                (target(f"process-{number}", check("process")), subject),
                (target(f"connection-{number}", held), subject),
                (target(f"web-{number}", asked), subject),
                (target(f"agent-{number}", heartbeat=Heartbeat(timeout=SILENCE)), agent),
            ]
        around.watch(*watched)
        before, began, lag = len(around.changes), time.monotonic(), 0.0
        while (passed := time.monotonic() - began) < seconds:
            progress("healthy targets", int(passed), int(seconds))
            asleep = time.monotonic()
            time.sleep(1.0)
            lag = max(lag, around.watcher.lag.since(asleep))
        told = [change.new for change in around.changes[before:]]
        discarded = sum(view.discarded for view in around.watcher.snapshot())
    declared = told.count(Condition.FAILED)
    return Calm(load, len(watched), seconds, told.count(Condition.SUSPECT), declared, discarded, lag)


@dataclass(frozen=True, slots=True)
class Cost:
    """What watching costs.

    Arguments:
        targets: How many.
        core: Share of a core that the watching process took.
        sockets: Open descriptors at most, over those before.
        oldest: Age of the oldest last look at the end, seconds.
    """

    targets: int
    core: float
    sockets: int
    oldest: float

    def row(self) -> str:
        """Return a row of a table."""
        return f"| {self.targets:,} | {self.core * 100:.0f} % | {self.sockets} | {self.oldest:.2f} s |"


COST_HEAD = (
    "| TCP targets, each looked at once a second | Of a core | Descriptors at most | Oldest last look |\n"
    "| --- | --- | --- | --- |"
)


def many(number: int, seconds: float, progress: Callable[[str, int, int], None]) -> Cost:
    """Watch many TCP ports."""
    process = psutil.Process()
    subject = server(10)
    try:
        with watching() as around:
            watched = []
            for index in range(number):
                options = {"host": "127.0.0.1", "port": subject.ports[index % 10]}
                looked = Check(name="tcp", kind="tcp", depth=Depth.ALIVE, interval=1.0, timeout=0.5, options=options)
                watched.append((target(f"port-{index}", looked), subject))
            before = process.num_fds()
            around.watch(*watched)
            time.sleep(2.0)
            began, spent, most = time.monotonic(), _spent(), 0
            while (passed := time.monotonic() - began) < seconds:
                progress(f"{number} targets", int(passed), int(seconds))
                most = max(most, process.num_fds() - before)
                time.sleep(0.25)
            core = (_spent() - spent) / (time.monotonic() - began)
            now = time.monotonic()
            oldest = max(now - look.at for view in around.watcher.snapshot() for look in view.looks)
    finally:
        subject.end()
    return Cost(number, core, most, oldest)


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
