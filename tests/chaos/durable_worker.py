"""An executor of recoveries that kills itself where it is told to; its effects and steps go to files that outlive it.

Usage: durable_worker.py DIRECTORY URL STEP WHEN RUN... URL "-" is the SQLite file in the directory. STEP and WHEN say
where it dies: "before" the step, "between" its effect and its record, or "after" it; STEP "-" is nowhere. It submits
the runs that are named and works until all that it knows of have ended.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scrollintel.core.errors import LeaseLostError
from scrollintel.durable.engine import DurableEngine

ANSWER = "yes"


class Sink:
    """The world: an effect happens once for each key, and never by order of who has lost the run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def effect(self, key: str, epoch: int) -> str:
        """Do it, unless it has been done or a higher epoch has acted."""
        with self.path.open("a+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            stream.seek(0)
            known = [json.loads(line) for line in stream]
            if any(entry["key"] == key for entry in known):
                return "done before"
            if any(entry["epoch"] > epoch for entry in known if entry["run"] == key.partition(":")[0]):
                return "fenced"
            stream.write(
                json.dumps({"run": key.partition(":")[0], "key": key, "epoch": epoch, "pid": os.getpid()}) + "\n"
            )
            stream.flush()
            os.fsync(stream.fileno())
        return "done"


class Worker:
    """One life of an executor."""

    def __init__(self, directory: Path, url: str | None, step: str, when: str) -> None:
        self.directory = directory
        self.sink = Sink(directory / "effects.jsonl")
        self.step, self.when = step, when
        self.finished: set[str] = set()
        self.engine = DurableEngine(self.perform, directory=directory, url=url)

    def note(self, name: str, content: Mapping[str, Any]) -> None:
        """Add a line to a file that outlives this process."""
        line = json.dumps({"pid": os.getpid(), **content}) + "\n"
        descriptor = os.open(self.directory / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
        os.close(descriptor)

    def dies(self, step: str, when: str) -> None:
        """Die here when that was wanted; once over all lives."""
        mark = self.directory / f"died-{self.step}-{self.when}"
        if (step, when) == (self.step, self.when) and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def perform(
        self, run: Mapping[str, Any], step: str, arguments: Mapping[str, Any], key: str
    ) -> dict[str, Any]:  # Any: JSON values
        """Perform a step."""
        self.dies(step, "before")
        self.note("steps.jsonl", {"run": run["id"], "step": step, "key": key})
        if step == "act":
            pause = self.directory / "pause-before-act"
            if pause.exists() and pause.read_text() == str(os.getpid()):
                self.note("paused.jsonl", {"run": run["id"]})
                while pause.exists():
                    time.sleep(0.01)
            try:
                said = self.sink.effect(key, self.engine.require_mine(run["id"]))
            except LeaseLostError:
                self.note("refused.jsonl", {"run": run["id"]})
                raise
            self.note("acts.jsonl", {"run": run["id"], "said": said})
            self.dies(step, "between")
        result = self.result(run, step, arguments)
        self.dies(step, "after")
        return result

    def result(self, run: Mapping[str, Any], step: str, arguments: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON
        """Return what a step gives: the first attempt fails and is undone, the second one helps."""
        plan = {"strategy": "worker", "actions": ["act"], "attempt": arguments.get("attempt")}
        if step == "ask":
            threading.Thread(target=self.answer, args=(run["id"],), daemon=True).start()
        if step == "finish":
            self.note("ends.jsonl", {"run": run["id"], "outcome": arguments["outcome"]})
            self.finished.add(run["id"])
        return {
            "guard": {"verdict": "go"},
            "observe": {"healthy": False, "observation": {}},
            "plan": {"plan": plan, "refused": None, "error": None, "approval": "a test asks"},
            "ask": {"id": "question", "digest": ANSWER, "timeout": 60.0},
            "act": {"ok": True, "detail": "done"},
            "verify": {"ok": arguments.get("attempt") == 1, "detail": "looked", "looks": 1},
            "undo": {"ok": True},
            "finish": {},
        }[step]

    def answer(self, run: str) -> None:
        """Agree, as a person would."""
        self.engine.send(run, "approval:question", {"approved": True, "digest": ANSWER, "by": "test"})

    def work(self, runs: list[str]) -> None:
        """Run until nothing is left."""
        self.engine.start()
        assert self.engine.wait_ready(30), self.engine.last_error
        while self.engine.state != "serving":
            time.sleep(0.01)
        for run in runs:
            remedies = [{"kind": "worker", "options": {}, "attempts": 2, "approval": None}]
            self.engine.submit({"id": run, "remedies": remedies, "backoff": [0.0, 0.05]})
        self.note("ready.jsonl", {})
        for run in self.engine.unfinished() or ():  # who was to agree may have died with the life before
            self.answer(run)
        stop = self.directory / "stop"
        cancel = self.directory / f"cancel-by-{os.getpid()}"
        while True:
            time.sleep(0.05)
            if cancel.exists():
                run = cancel.read_text()
                self.engine.cancel(run, "a test wants it")
                while (left := self.engine.unfinished()) is None or run in left:
                    time.sleep(0.01)
                cancel.unlink()
            left = self.engine.unfinished()
            if left == set() and (not self.engine.shared or stop.exists()):
                break
        self.engine.stop()


if __name__ == "__main__":
    folder, address, fatal, moment, *named = sys.argv[1:]
    Worker(Path(folder), None if address == "-" else address, fatal, moment).work(named)
