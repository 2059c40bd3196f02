"""One run: a server, clients in processes of their own, and the figures that come of it."""

from __future__ import annotations

import heapq
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from scrollintel.simulation.report import Run, Tally
from scrollintel.simulation.scenario import Scenario

from .client import GRACE, Sent
from .scene import schedule

PROCESSES = 4
LATEST = 0.02
"""Seconds that a request of a hundred may be sent late; above, the generator was the bottleneck."""
SLOWEST = 1.03
"""Times its service time that the server's work may take on average; above, the machine had no room for it."""
Progress = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of one run.

    Arguments:
        run: Goodput, recovery, attempts and response times.
        lag, latest: Seconds that requests were sent late: 99 of 100 at most, and the latest.
        slowness: What the server's work took, as a multiple of what it should have taken.
        served: Requests that a worker of the server worked on, and `timely`, those within the time limit.
    """

    run: Run
    lag: float
    latest: float
    slowness: float
    served: int
    timely: int

    @property
    def valid(self) -> bool:
        """Whether generator and server kept up, so that the figures are those of the policy."""
        return self.lag <= LATEST and self.slowness <= SLOWEST


def measure(
    scenario: Scenario, name: str, seed: int, *, processes: int = PROCESSES, progress: Progress = lambda _: None
) -> Measured:
    """Run a scenario for real under one variant; it takes as long as it says, and some seconds.

    Arguments:
        scenario: Clients, server and dip.
        name: The variant.
        seed: Decides when which client sends a request.
        processes: Among which the clients are divided.
        progress: Is told the share of the time that is over.

    Raises:
        RuntimeError: when one of the processes ends before its time.
    """
    plan = schedule(scenario, seed)
    with ExitStack() as started:
        service = {"service": scenario.service.to_dict(), "timeout": scenario.clients.timeout}
        server = started.enter_context(_process("server", service))
        url = f"http://127.0.0.1:{_line(server)}"
        crowds = []
        for number in range(processes):
            mine = [(at, client) for at, client in plan if client % processes == number]
            told = {"url": url, "variant": name, "schedule": mine}
            crowds.append(started.enter_context(_process("client", told)))
        for crowd in crowds:
            _line(crowd)
        begin = time.monotonic() + 0.2
        for process in (server, *crowds):
            _tell(process, begin)
        _wait(begin, scenario.duration, crowds, progress)
        told_by = [json.loads(_line(crowd)) for crowd in crowds]
        figures = httpx2.get(f"{url}/figures", timeout=GRACE, trust_env=False).json()
    sent = sorted((Sent(*one) for told in told_by for one in told["sent"]), key=lambda one: one.at)
    attempts = sorted(at for told in told_by for at in told["attempts"])
    lags = sorted(one.lag for one in sent)
    return Measured(
        run=tallied(scenario, name, sent, attempts),
        lag=lags[int(0.99 * (len(lags) - 1))],
        latest=lags[-1],
        slowness=figures["worked"] / figures["wanted"],
        served=figures["served"],
        timely=figures["timely"],
    )


def tallied(scenario: Scenario, name: str, sent: list[Sent], attempts: list[float]) -> Run:
    """Return the figures, counted as the simulator counts them.

    Arguments:
        scenario: Whose phases count.
        name: The variant.
        sent: All requests, in the order of their times.
        attempts: Times of the attempts.
    """
    tally = Tally(scenario)
    ends: list[float] = []
    for one in sent:
        while ends and ends[0] <= one.at:
            heapq.heappop(ends)
        heapq.heappush(ends, float("inf") if one.ended is None else one.ended)
        tally.offer(one.at, len(ends))
        if one.kind == "refused":
            tally.refused(one.at, one.code)
        elif one.kind == "answered" and one.ended is not None:
            tally.answered(one.at, one.ended - one.at)
        else:
            tally.failed(one.at, one.code)
    for at in attempts:
        tally.attempt(at)
    return tally.run(name)


@contextmanager
def _process(module: str, told: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:  # Any: JSON values
    process = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.overload_http.{module}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for this process, which ends the others
    )
    try:
        _tell(process, json.dumps(told))
        yield process
    finally:
        process.kill()
        process.communicate()


def _tell(process: subprocess.Popen[str], what: object) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{what}\n")
    process.stdin.flush()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended with code {process.wait()}")
    return line.strip()


def _wait(begin: float, duration: float, crowds: list[subprocess.Popen[str]], progress: Progress) -> None:
    """Wait until the last request has been sent, or a process has ended early."""
    while (done := (time.monotonic() - begin) / duration) < 1.0 and all(crowd.poll() is None for crowd in crowds):
        progress(max(0.0, done))
        time.sleep(min(0.5, duration * (1.0 - done)))
