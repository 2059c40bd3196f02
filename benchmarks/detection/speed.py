"""How long it takes from a failure to its declaration."""

from __future__ import annotations

import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scrollintel.recovery.symptom import Condition
from scrollintel.recovery.target import Heartbeat
from scrollintel.watch.heartbeat_socket import HeartbeatSocket

from .figures import Times
from .subjects import Subject, beating, server
from .watching import INTERVAL, Watching, check, target, watching

SILENCE = 0.3
"""Timeout of the heartbeats, seconds."""
BEAT = 0.05

Progress = Callable[[str, int, int], None]


def exits(load: str, runs: int, progress: Progress) -> Times:
    """Kill a watched process."""
    phase = random.Random(1)
    with watching() as around:
        found = []
        for number in range(runs):
            progress("exit of a process", number, runs)
            with _ended(server()) as subject:
                name = f"process-{number}"
                around.watch((target(name, check("process")), subject))
                time.sleep(phase.uniform(0.0, 2 * INTERVAL))
                found.append(_until(around, name, Condition.FAILED, subject.signal(signal.SIGKILL)))
    return Times("a watched process exits → declared failed", load, tuple(found), 0.010)


def connections(load: str, runs: int, progress: Progress) -> Times:
    """Kill the other end of a held connection."""
    phase = random.Random(2)
    with watching() as around:
        found = []
        for number in range(runs):
            progress("end of a held connection", number, runs)
            with _ended(server()) as subject:
                name = f"connection-{number}"
                held = check("tcp", host="127.0.0.1", port=subject.ports[0], hold=True)
                around.watch((target(name, held), subject))
                time.sleep(INTERVAL + phase.uniform(0.0, 2 * INTERVAL))  # it is held a moment after the first look
                found.append(_until(around, name, Condition.FAILED, subject.signal(signal.SIGKILL)))
    return Times("a held connection ends → declared failed", load, tuple(found), 0.010)


def silences(load: str, runs: int, progress: Progress) -> Times:
    """Kill a program that beats; counted from the moment at which its silence is too long."""
    phase = random.Random(3)
    with tempfile.TemporaryDirectory(prefix="scrollintel-") as folder, watching() as around:
        last: dict[str, float] = {}

        def beat(name: str, told: float | str | None) -> None:
            last[name] = time.monotonic()
            around.watcher.beat(name, told)

        listener = HeartbeatSocket(Path(folder) / "beats.sock", beat)
        listener.start()
        try:
            found = []
            for number in range(runs):
                progress("silence", number, runs)
                name = f"agent-{number}"
                with _ended(beating(name, listener.path, BEAT)) as subject:
                    around.watch((target(name, heartbeat=Heartbeat(timeout=SILENCE)), subject))
                    time.sleep(phase.uniform(0.2, 0.4))
                    killed = subject.signal(signal.SIGKILL)
                    change = around.wait(name, Condition.SUSPECT, killed)
                    found.append(change.at - (last[name] + SILENCE))
        finally:
            listener.stop()
    return Times("silence beyond the heartbeat's timeout → suspected", load, tuple(found), 0.100)


def hangs(load: str, runs: int, progress: Progress) -> Times:
    """Stop a server that goes on taking connections, because the kernel does that for it."""
    phase = random.Random(4)
    with watching() as around, _ended(server()) as subject:
        url = f"http://127.0.0.1:{subject.ports[0]}/health"
        around.watch((target("web", check("http", url=url)), subject))
        found = []
        for number in range(runs):
            progress("hang", number, runs)
            time.sleep(phase.uniform(0.0, 2 * INTERVAL))
            stopped = subject.signal(signal.SIGSTOP)
            found.append(_until(around, "web", Condition.FAILED, stopped))
            around.wait("web", Condition.HEALTHY, subject.signal(signal.SIGCONT))
    return Times("a server hangs → declared failed", load, tuple(found), 0.600, 1.0)


def _until(around: Watching, name: str, condition: Condition, since: float) -> float:
    return around.wait(name, condition, since).at - since


@contextmanager
def _ended(subject: Subject) -> Iterator[Subject]:
    try:
        yield subject
    finally:
        subject.end()
