"""Recoveries whose executor is killed at every step: each ends, no effect happens twice, no step is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ..servers.postgres import Postgres
from ..servers.processes import eventually

ROOT = Path(__file__).resolve().parents[2]
STEPS = ("guard", "observe", "plan", "ask", "act", "verify", "undo", "finish")
LONG = "SCROLLINTEL_RECOVERY_KILLS" in os.environ
"""Whether every boundary is tried, and as many random kills as the variable says; `make kill-recoveries` does both."""
KILLS = int(os.environ.get("SCROLLINTEL_RECOVERY_KILLS", "3"))
EVERY = [(step, when) for step in STEPS for when in ("before", "after")] + [("act", "between")]
CRITICAL = [
    ("ask", "after"),
    ("act", "before"),
    ("act", "between"),
    ("act", "after"),
    ("undo", "after"),
    ("finish", "after"),
]
POINTS = EVERY if LONG else CRITICAL


def worker(folder: Path, url: str, point: tuple[str, str], *runs: str) -> subprocess.Popen[bytes]:
    """Start an executor that dies at that point."""
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.durable_worker", str(folder), url, *point, *runs],
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return what executors have noted."""
    path = folder / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def check(folder: Path, runs: list[str]) -> None:
    """Check that every run has ended well, with each effect once and each step performed."""
    ends = {entry["run"]: entry["outcome"] for entry in lines(folder, "ends.jsonl")}
    assert ends == dict.fromkeys(runs, "recovered"), (folder / "log").read_text(errors="replace")[-3000:]
    effects = Counter(entry["key"] for entry in lines(folder, "effects.jsonl"))
    assert set(effects.values()) == {1}
    assert Counter(key.partition(":")[0] for key in effects) == dict.fromkeys(runs, 2)
    for run in runs:
        steps = {entry["key"].split(":", 1)[1] for entry in lines(folder, "steps.jsonl") if entry["run"] == run}
        told = [key.split(":")[1] for key in sorted(steps, key=lambda key: int(key.split(":")[0]))]
        attempt = ["guard", "observe", "plan", "ask", "guard", "act", "verify"]
        assert told == [*attempt, "undo", *attempt, "finish"]


def finished(process: subprocess.Popen[bytes], seconds: float = 60.0) -> int:
    """Wait for the end of an executor and return its exit code."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


@pytest.mark.parametrize("group", range(2))
def test_recovery_killed_at_every_step_on_sqlite_ends_with_each_effect_once(tmp_path: Path, group: int) -> None:
    """Before and after each step, and between the effect and its record: the next life goes on where it was."""
    for number, point in enumerate(POINTS[group::2]):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert finished(worker(folder, "-", point, "rec_1")) == -signal.SIGKILL, point
        assert finished(worker(folder, "-", ("-", "-"))) == 0, (folder / "log").read_text(errors="replace")[-3000:]
        check(folder, ["rec_1"])


@pytest.mark.parametrize("group", range(2))
def test_recovery_killed_at_every_step_on_postgresql_is_taken_over_by_one_of_two_others(
    tmp_path: Path, postgres: Postgres, group: int
) -> None:
    """Three processes share the database; whichever dies, the others finish what it had begun."""
    url = postgres.new_database()
    for number, point in enumerate(POINTS[group::2] if LONG else [("act", "between"), ("verify", "before")][group::2]):
        folder = tmp_path / str(number)
        folder.mkdir()
        run = f"rec_{group}_{number}"
        others = [worker(folder, url, ("-", "-")) for _ in range(2)]
        try:
            assert eventually(lambda: len(lines(folder, "ready.jsonl")) == 2, 60)  # noqa: B023 - called here
            first = worker(folder, url, point, run)
            assert finished(first) == -signal.SIGKILL
            assert eventually(lambda: bool(lines(folder, "ends.jsonl")), 60)  # noqa: B023 - called here
            (folder / "stop").touch()
            for other in others:
                finished(other)
            check(folder, [run])
        finally:
            for other in others:
                other.kill()
                other.wait()
    postgres.drop(url)


def test_recovery_is_cancelled_from_another_process_than_its_own(tmp_path: Path, postgres: Postgres) -> None:
    """Whoever performs it may do nothing more, and nobody takes it up again."""
    url = postgres.new_database()
    second = worker(tmp_path, url, ("-", "-"))
    assert eventually(lambda: len(lines(tmp_path, "ready.jsonl")) == 1, 60)
    first = worker(tmp_path, url, ("-", "-"), "rec_1")
    pause = tmp_path / "pause-before-act"
    pause.write_text(str(first.pid))  # long before it has started
    try:
        assert eventually(lambda: bool(lines(tmp_path, "paused.jsonl")), 60)
        order = tmp_path / f"cancel-by-{second.pid}"
        order.with_suffix(".new").write_text("rec_1")
        order.with_suffix(".new").rename(order)
        assert eventually(lambda: not order.exists(), 60)
        pause.unlink()
        assert eventually(lambda: bool(lines(tmp_path, "refused.jsonl")), 60)
        (tmp_path / "stop").touch()
        assert [finished(process) for process in (first, second)] == [0, 0]
        assert lines(tmp_path, "effects.jsonl") == []
        assert lines(tmp_path, "ends.jsonl") == []
    finally:
        for process in (first, second):
            process.kill()
            process.wait()
    postgres.drop(url)


def test_recovery_of_an_executor_that_is_paused_beyond_its_lease_is_fenced(tmp_path: Path, postgres: Postgres) -> None:
    """Another one takes over and finishes; when the first one goes on, its effect is refused."""
    url = postgres.new_database()
    second = worker(tmp_path, url, ("-", "-"))
    assert eventually(lambda: len(lines(tmp_path, "ready.jsonl")) == 1, 60)
    first = worker(tmp_path, url, ("-", "-"), "rec_1")
    pause = tmp_path / "pause-before-act"
    pause.write_text(str(first.pid))  # long before it has started
    try:
        assert eventually(lambda: bool(lines(tmp_path, "paused.jsonl")), 60)
        first.send_signal(signal.SIGSTOP)
        assert eventually(lambda: bool(lines(tmp_path, "ends.jsonl")), 60)
        pause.unlink()
        first.send_signal(signal.SIGCONT)
        assert eventually(lambda: bool(lines(tmp_path, "refused.jsonl")), 60)
        assert {entry["pid"] for entry in lines(tmp_path, "effects.jsonl")} == {second.pid}
        (tmp_path / "stop").touch()
        assert finished(second) == 0
        check(tmp_path, ["rec_1"])
    finally:
        for process in (first, second):
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
    postgres.drop(url)


def test_recoveries_survive_random_kills(tmp_path: Path) -> None:
    """Ten runs at once, killed at random moments until all have ended."""
    runs = [f"rec_{number}" for number in range(10)]
    draw, kills, named = random.Random(1), 0, runs
    while kills < KILLS:
        process = worker(tmp_path, "-", ("-", "-"), *named)
        try:
            process.wait(1.0 + draw.random() * 0.8)
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
        named = [] if lines(tmp_path, "ready.jsonl") else runs  # killed before it had submitted them all
    assert finished(worker(tmp_path, "-", ("-", "-"), *named)) == 0
    check(tmp_path, runs)
