"""The twelve scenarios: what breaks, how it ends, and what must never happen meanwhile.

Every "must not" is judged on evidence of its own: the log of process starts, the prober, process numbers, files. What
the platform says about itself is asked only for what nobody else can know, such as how often people were called.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from .observed import Outage, operations, outage
from .ours import EVERY, Platform, check
from .proxy import PASS, Fault
from .rig import RATE, ROOT, Rig
from .supervisors import PlainSupervisor, ProbeSupervisor, Supervised

OURS, PLAIN, PROBE = "ours", "A1", "A2"
ARMS = (OURS, PLAIN, PROBE)
SETTLE = 1.5
"""Seconds of good operations before a fault."""
UNNOTICED = 10.0
"""Seconds without a failed operation after which users have not noticed the fault."""
AFTER = 4.0
"""Seconds after the recovery in which a second restart or a relapse would show."""


@dataclass
class Finding:
    """What one run showed.

    Arguments:
        outage: What users lived through; None where the scenario has none.
        breaches: Every "must not" that happened, one sentence each.
        actions: Starts of processes after the fault.
        notes: Further measured values.
    """

    outage: Outage | None = None
    breaches: list[str] = field(default_factory=list)
    actions: int = 0
    notes: dict[str, float] = field(default_factory=dict)

    def must(self, so: bool, breach: str) -> None:
        """Note a breach unless it is so."""
        if not so:
            self.breaches.append(breach)


@dataclass
class Stage:
    """One run under way."""

    rig: Rig
    arm: str
    platform: Platform | None
    operations: Path
    draw: random.Random
    fault_at: float = math.nan

    @property
    def is_ours(self) -> bool:
        """Whether the platform is what repairs."""
        return self.platform is not None

    def fault(self) -> None:
        """Wait for a random moment within a check's interval and note that the fault begins."""
        time.sleep(SETTLE + self.draw.random() * max(EVERY, 1.0 / RATE))
        self.fault_at = time.monotonic()

    def kill(self, service: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Begin the fault: send a signal to the process of a service."""
        pid = self.rig.pid(service)
        self.fault()
        os.kill(pid, how)

    def outage(self) -> Outage:
        """Return what users have lived through so far."""
        return outage(operations(self.operations), self.fault_at)

    def until(self, so: Callable[[], bool], seconds: float) -> bool:
        """Wait until it is so; tell whether that came in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if so():
                return True
            time.sleep(0.05)
        return False

    def recovered(self, deadline: float) -> Outage:
        """Wait until users are served again, or until the deadline; then for what may still happen."""

        def so() -> bool:
            seen = self.outage()
            return seen.failures > 0 and math.isfinite(seen.recovered_at)

        if not self.until(lambda: self.outage().failures > 0, UNNOTICED):
            return self.outage()
        if self.until(so, deadline):
            time.sleep(AFTER)
        return self.outage()

    def starts_since(self, service: str) -> int:
        """Return how often a service has started since the fault."""
        return sum(start.monotonic > self.fault_at for start in self.rig.starts(service))


Play = Callable[[Stage, float], Finding]


@dataclass(frozen=True)
class Scenario:
    """One scenario.

    Arguments:
        name: C01 to C12.
        title: What breaks.
        kind: Class that it is reported under.
        play: Breaks it and watches.
        deadline: Seconds after which a run counts as not recovered.
        arms: What it is run with.
        prepare: Changes the rig before anything starts, and gives the platform's checks and further tables.
        status: Name of the agent whose work is probed in place of jobs.
    """

    name: str
    title: str
    kind: str
    play: Play
    deadline: float = 60.0
    arms: Sequence[str] = (OURS,)
    prepare: Callable[[Rig], dict[str, object]] = lambda rig: {}
    agent: str | None = None


def supervise(rig: Rig, arm: str, options: dict[str, object]) -> AbstractContextManager[object]:
    """Return what starts and repairs the services in an arm."""
    if arm == OURS:
        return Platform(rig, **options)  # type: ignore[arg-type]  # what `prepare` gives
    return (PlainSupervisor if arm == PLAIN else ProbeSupervisor)(rig.services())


# ---------------------------------------------------------------------------------------------------------- scenarios


def worker_dies(stage: Stage, deadline: float) -> Finding:
    """C01: restart, proven by jobs; once."""
    stage.kill("worker")
    found = Finding(stage.recovered(deadline), actions=stage.starts_since("worker"))
    found.must(found.actions <= 1, f"the worker was started {found.actions} times")
    return found


def worker_hangs(stage: Stage, deadline: float) -> Finding:
    """C02: found by its silence, killed, restarted."""
    pid = stage.rig.pid("worker")
    stage.kill("worker", signal.SIGSTOP)
    found = Finding(stage.recovered(deadline), actions=stage.starts_since("worker"))
    if stage.is_ours:
        found.must(found.actions >= 1, "it waited for an exit that never comes")
        found.must(found.actions <= 1, f"the worker was started {found.actions} times")
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    return found


def redis_dies(stage: Stage, deadline: float) -> Finding:
    """C03: restart Redis; the worker, which only depends on it, is left alone."""
    stage.kill("redis")
    found = Finding(stage.recovered(deadline), actions=1)
    found.must(stage.starts_since("worker") == 0, "the worker was restarted for what it depends on")
    return found


def postmaster_dies(stage: Stage, deadline: float) -> Finding:
    """C04: wait for the children, start once, wait for crash recovery, prove by writing and reading."""
    stage.kill("database")
    found = Finding(stage.recovered(deadline), actions=1)
    log = stage.rig.folder / "scrollintel" / "data"
    texts = [path.read_text(errors="replace") for path in log.rglob("*database*") if path.is_file()]
    said = "\n".join(texts)
    found.must('lock file "postmaster.pid" already exists' not in said, "a second postmaster was started")
    found.must(said.count("database system was interrupted") <= 1, "it was killed during crash recovery")
    found.must(stage.starts_since("worker") == 0, "the worker was restarted for what it depends on")
    return found


def port_refuses(stage: Stage, deadline: float) -> Finding:
    """C05: the network refuses; the healthy process behind it is not restarted."""
    stage.fault()
    stage.rig.proxy.set(Fault(refuse=True))
    time.sleep(6.0)
    restarts = stage.starts_since("worker")
    if stage.platform is not None:
        kinds = {incident["failure_type"] for incident in stage.platform.incidents()}
    stage.rig.proxy.set(PASS)
    found = Finding(stage.recovered(deadline), actions=restarts)
    found.must(restarts == 0, f"a healthy process was restarted {restarts} times")
    if stage.platform is not None:
        found.must("unreachable" in kinds, f"it was not classified as network: {sorted(kinds)}")
    return found


def slow_answers(stage: Stage, deadline: float) -> Finding:
    """C06: every reply takes 800 ms longer; a single slow one is no failure, and nothing is restarted."""
    stage.fault()
    stage.rig.proxy.set(Fault(delay=0.8))
    time.sleep(0.9)
    early = [] if stage.platform is None else stage.platform.incidents()
    time.sleep(6.0)
    late = [] if stage.platform is None else stage.platform.incidents()
    stage.rig.proxy.set(PASS)
    found = Finding(stage.recovered(deadline), actions=stage.starts_since("worker"))
    found.must(found.actions == 0, "a slow process was restarted")
    if stage.platform is not None:
        found.must(not early, "it was called down on a single slow reply")
        found.must(any(incident["failure_type"] == "slow" for incident in late), "nobody noticed that it is slow")
    return found


def disk_full(stage: Stage, deadline: float) -> Finding:
    """C07: the clean-up runbook runs, free space is verified, and nothing outside the declared path is deleted."""
    canary = stage.rig.folder / "journal-of-somebody-else"
    canary.mkdir()
    (canary / "keep.log").write_text("keep")
    stage.fault()
    filler = stage.rig.journal_folder / "filler.log"
    filler.write_bytes(b"x" * 4096 * 1024)
    found = Finding(stage.recovered(deadline), actions=stage.starts_since("worker"))
    found.must((canary / "keep.log").read_text() == "keep", "a file outside the declared path was deleted")
    if stage.is_ours:
        found.must(not filler.exists(), "the clean-up did not run")
    return found


def crash_loop(stage: Stage, deadline: float) -> Finding:
    """C08: it exits 1 s after each start; back-off, an end at the limit of attempts, people called once."""
    (stage.rig.folder / "crash").write_text("1.0")
    stage.kill("worker")

    def escalated() -> bool:
        assert stage.platform is not None
        return any(incident["state"] == "escalated" for incident in stage.platform.incidents())

    found = Finding()
    if stage.platform is not None:
        found.must(stage.until(escalated, deadline), "nobody was called")
        time.sleep(5.0)
        found.actions = stage.starts_since("worker")
        found.must(found.actions <= 3, f"{found.actions} starts, although 3 attempts are the limit")
        calls = [
            event
            for incident in stage.platform.incidents()
            for event in incident["timeline"]
            if event["kind"] == "escalated"
        ]
        found.must(len(calls) == 1, f"people were called {len(calls)} times")
    return found


def load_spike(stage: Stage, deadline: float) -> Finding:
    """C09: ten times the requests and burners on every core: nothing is done."""
    stage.fault()
    burners = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
        for _ in range(2 * (os.cpu_count() or 1))
    ]
    url = f"http://127.0.0.1:{stage.rig.proxy.port}/job"
    load = subprocess.Popen(
        [sys.executable, str(ROOT / "tests/chaos/prober.py"), url, str(RATE * 10), os.devnull],
        env=dict(stage.rig.environment),
        start_new_session=True,
    )
    try:
        time.sleep(20.0)
    finally:
        for process in [*burners, load]:
            process.kill()
            process.wait()
    found = Finding(actions=len([start for start in stage.rig.starts() if start.monotonic > stage.fault_at]))
    found.must(found.actions == 0, f"{found.actions} processes were started although all are healthy")
    if stage.platform is not None:
        acted = [incident for incident in stage.platform.incidents() if incident["attempts"]]
        found.must(not acted, "a recovery was started although all are healthy")
    return found


def recoverer_dies(stage: Stage, deadline: float) -> Finding:
    """C10: the platform is killed between the action and its record; the effect happens once, the recovery ends."""
    assert stage.platform is not None
    stage.kill("worker")
    came = stage.until(lambda: stage.starts_since("worker") >= 1, deadline)
    stage.platform.kill()
    time.sleep(0.5)
    stage.platform.start()
    found = Finding(stage.recovered(deadline), actions=stage.starts_since("worker"))
    found.must(came, "it was never restarted")
    found.must(found.actions <= 1, f"the worker was started {found.actions} times")

    def ended() -> bool:
        assert stage.platform is not None
        return all(item["finished_at"] for item in stage.platform.get("/recovery/history")["items"])

    found.must(stage.until(ended, 30.0), "the recovery did not come to its end")
    return found


def agent_pauses(stage: Stage, deadline: float) -> Finding:
    """C11: beats pause for 150 ms; suspected perhaps, acted on never."""
    stage.fault()
    os.kill(stage.rig.pid("agent"), signal.SIGUSR1)
    time.sleep(4.0)
    found = Finding(actions=stage.starts_since("agent"))
    found.must(found.actions == 0, "a healthy agent was restarted")
    assert stage.platform is not None
    found.must(not stage.platform.incidents(), "a pause of 150 ms was declared a failure")
    return found


def agent_wedged(stage: Stage, deadline: float) -> Finding:
    """C12: beats go on and no task is finished; the progress watchdog trips and the agent is restarted."""
    pid = stage.rig.pid("agent")
    stage.kill("agent", signal.SIGUSR2)
    found = Finding(stage.recovered(deadline), actions=stage.starts_since("agent"))
    if stage.is_ours:
        found.must(found.actions >= 1, "the heartbeat alone was trusted")
        found.must(found.actions <= 1, f"the agent was started {found.actions} times")
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    return found


# ------------------------------------------------------------------------------------------------------- preparation


def with_agent(rig: Rig) -> dict[str, object]:
    """Add the agent, which is watched by its beats and its progress."""
    status, beats = rig.folder / "agent.json", rig.folder / "beats.sock"
    command = [
        sys.executable, "-m", "tests.chaos.services.agent", "agent", str(beats), str(rig.starts_log), str(status),
    ]  # fmt: skip
    rig.extra.append(Supervised("agent", command, rig.environment, ready=status.exists))
    lines = [
        "[services.heartbeat]",
        "timeout = 0.25",
        "progress_timeout = 1.0",
        "[services.strategies]",
        'exited = ["restart-process"]',
        'stalled = ["restart-process"]',
        'silent = ["restart-process"]',
    ]
    return {"checks": {"agent": lines}}


def through_the_proxy(rig: Rig) -> dict[str, object]:
    """Watch the worker as users reach it, besides the process itself."""
    worker = f"http://127.0.0.1:{rig.worker_port}"
    lines = [
        *check("live", "http", "alive", timeout=0.25, url=f"{worker}/live"),
        *check(
            "users", "http", "ready", timeout=2.0, url=f"http://127.0.0.1:{rig.proxy.port}/ready", max_latency=0.5,
            interval=0.25,
        ),
        "[services.strategies]",
        'exited = ["restart-process"]',
        'unresponsive = ["restart-process"]',
        'slow = ["notify"]',
        'unreachable = ["notify"]',
    ]  # fmt: skip
    return {"checks": {"worker": lines}}


def with_clean_up(rig: Rig) -> dict[str, object]:
    """Watch the journal's folder, and allow one runbook that empties it."""
    script = rig.folder / "clean.py"
    script.write_text("import pathlib, sys\nfor path in pathlib.Path(sys.argv[1]).glob('*.log'):\n    path.unlink()\n")
    rig.journal_limit = 2 * 1024 * 1024
    worker = f"http://127.0.0.1:{rig.worker_port}"
    lines = [
        *check("live", "http", "alive", timeout=0.25, url=f"{worker}/live"),
        *check("job", "http", "deep", timeout=1.0, url=f"{worker}/job?check", interval=0.25),
        *check(
            "journal", "command", "deep", timeout=2.0, interval=0.5, failure_type="disk_full",
            command=[sys.executable, "-I", str(_quota(rig)), str(rig.journal_folder)],
        ),
        "[services.strategies]",
        'exited = ["restart-process"]',
        'disk_full = [{ kind = "runbook", runbook = "clean-journal" }]',
        'incorrect = [{ kind = "runbook", runbook = "clean-journal" }]',
    ]  # fmt: skip
    tables = "\n".join(
        [
            "[runbooks.clean-journal]",
            f"command = {json.dumps([sys.executable, '-I', str(script), str(rig.journal_folder)])}",
            "timeout = 10.0",
            "repeatable = true",
        ]
    )
    return {"checks": {"worker": lines}, "tables": tables}


def _quota(rig: Rig) -> Path:
    """Write the program that tells whether the folder has outgrown its quota."""
    script = rig.folder / "quota.py"
    script.write_text(
        "import pathlib, sys\n"
        "used = sum(path.stat().st_size for path in pathlib.Path(sys.argv[1]).iterdir())\n"
        f"sys.exit(used > {rig.journal_limit})\n"
    )
    return script


SCENARIOS = (
    Scenario("C01", "HTTP worker dies", "crash", worker_dies, arms=ARMS),
    Scenario("C02", "HTTP worker hangs", "hang", worker_hangs, arms=ARMS),
    Scenario("C03", "Redis dies", "crash", redis_dies),
    Scenario("C04", "PostgreSQL's postmaster dies", "data", postmaster_dies, arms=ARMS),
    Scenario("C05", "port refuses", "network", port_refuses, prepare=through_the_proxy),
    Scenario("C06", "slow answers", "network", slow_answers, prepare=through_the_proxy),
    Scenario("C07", "disk full", "data", disk_full, prepare=with_clean_up),
    Scenario("C08", "crash loop", "crash", crash_loop, deadline=240.0),
    Scenario("C09", "healthy under a load spike", "control", load_spike),
    Scenario("C10", "recoverer killed in the middle", "platform", recoverer_dies),
    Scenario("C11", "agent pauses its beats", "control", agent_pauses, prepare=with_agent, agent="agent"),
    Scenario("C12", "agent wedged", "hang", agent_wedged, arms=ARMS, prepare=with_agent, agent="agent", deadline=30.0),
)
