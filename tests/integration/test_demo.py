"""The demo, run for real in its short form: exit codes, figures, arguments, and that no process outlives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.arguments import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
DEMO = [sys.executable, str(ROOT / "demo_fault_tolerance.py")]
STARTED_WITHIN = 30.0


def run(*arguments: str, timeout: float = 100.0) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end."""
    return subprocess.run(
        [*DEMO, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False, encoding="utf-8"
    )


def processes() -> dict[int, tuple[int, str]]:
    """Return parent and state letter of every process that still exists; those waiting to be reaped do not."""
    rows: list[tuple[str, str, str]] = []
    if Path("/proc/self/stat").exists():
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                before, _, after = path.read_text(encoding="utf-8", errors="replace").rpartition(")")
            except OSError:
                continue
            rows.append((before.split()[0], after.split()[1], after.split()[0]))
    else:
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)
        rows = [(pid, parent, state[0]) for pid, parent, state in map(str.split, listed.stdout.splitlines())]
    return {int(pid): (int(parent), state) for pid, parent, state in rows if state not in "ZX"}


def children_of(pid: int) -> list[int]:
    """Return the process ids of the children of a process."""
    return [child for child, (parent, _) in processes().items() if parent == pid]


def wait_until_gone(pids: list[int], within: float) -> list[int]:
    """Return those processes that still exist after so many seconds."""
    deadline = time.monotonic() + within
    while (left := sorted(processes().keys() & set(pids))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo in its circuit breaker scenario, amid the fault: one of its services is stopped."""
    process = subprocess.Popen(
        [*DEMO, "--no-live", "--scenario", "circuit-breaker", "--duration", "16"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    try:
        deadline = time.monotonic() + STARTED_WITHIN
        for line in process.stdout:
            if "SIGSTOP" in line:
                break
            assert time.monotonic() < deadline, "the fault never came"
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def test_demo_short_run_keeps_every_promise_and_reports_all_of_it(tmp_path: Path) -> None:
    """All scenarios in the shortest form: exit code 0, all figures as JSON, all faults real, a picture of the view.

    One test, because the run takes its time.
    """
    figures, picture = tmp_path / "figures.json", tmp_path / "view.svg"
    done = run("--duration", "20", "--no-live", "--json", str(figures), "--screenshot", str(picture))
    assert figures.is_file(), done.stdout + done.stderr
    document = json.loads(figures.read_text(encoding="utf-8"))
    assert document["broken"] == []
    assert (done.returncode, done.stderr) == (0, "")
    assert "promises kept." in done.stdout
    check_figures(document["scenarios"])
    check_faults(document["timeline"])
    image = picture.read_text(encoding="utf-8")
    assert image.startswith("<svg")
    assert [word for word in ("scrollintel", "control", "timeline", "</svg>") if word not in image] == []
    assert "url(http" not in image


def check_figures(scenarios: list[dict[str, Any]]) -> None:
    """A program finds each scenario with both lanes and its figures, and the control lost more in every one."""
    assert [scenario["name"] for scenario in scenarios] == list(SCENARIOS)
    for scenario in scenarios:
        protected, control = scenario["lanes"]["protected"], scenario["lanes"]["control"]
        assert min(protected["requests"], control["requests"]) > 50
        assert control["failed"] > protected["failed"], scenario["name"]
        assert any(figure["kept"] is True for figure in scenario["figures"])
        for figure in scenario["figures"]:
            assert set(figure) == {"scenario", "key", "title", "value", "unit", "at_most", "at_least", "kept"}
    keys = [(figure["scenario"], figure["key"]) for scenario in scenarios for figure in scenario["figures"]]
    assert len(keys) == len(set(keys))


def check_faults(timeline: list[dict[str, Any]]) -> None:
    """All five faults occurred: killed, stopped, locked, slow, errors."""
    told = " ".join(entry["text"] for entry in timeline if entry["kind"] == "fault")
    traces = ("SIGKILL", "SIGSTOP, pid", "BEGIN EXCLUSIVE", "SIGSTOP and SIGCONT", "table renamed")
    assert [trace for trace in traces if trace not in told] == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)], ids=["ctrl-c", "terminate"]
)
def test_demo_signalled_amid_a_fault_leaves_no_process(
    running: subprocess.Popen[str], number: signal.Signals, code: int
) -> None:
    """Ctrl-C and a request to terminate end the demo at once, the stopped service included."""
    children = children_of(running.pid)
    assert len(children) == 5  # three services, the control plane, and the guard over what it starts
    assert "T" in {processes()[child][1] for child in children}
    running.send_signal(number)
    assert running.wait(15) == code
    assert wait_until_gone(children, 5.0) == []


def test_demo_killed_amid_a_fault_leaves_no_process(running: subprocess.Popen[str]) -> None:
    """Even when the demo has no chance to tidy up, its services end, the stopped one included."""
    children = children_of(running.pid)
    assert len(children) == 5  # three services, the control plane, and the guard over what it starts
    running.kill()
    running.wait(10)
    assert wait_until_gone(children, 5.0) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--scenario", "earthquake"), "invalid choice: 'earthquake'"),
        (("--duration", "19"), "19 is too short, 5 scenarios need at least 20 seconds"),
        (("--duration", "soon"), "'soon' is not a number of seconds"),
        (("--duration", "nan"), "'nan' is not a number of seconds"),
        (("--duration", "inf"), "'inf' is not a number of seconds"),
        (("--rate", "0"), "'0' is not a number of requests per second from 20 to 100"),
        (("--seed", "x"), "invalid int value: 'x'"),
        (("--json", "/nowhere/at/all.json"), "its folder does not exist"),
        (("--json", "/"), "it is a folder"),
        (("--frobnicate",), "unrecognized arguments"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_demo_bad_argument_is_refused_in_words(
    arguments: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nonsense ends with code 2 and names what is allowed, before anything is started."""
    from demo.arguments import parse

    with pytest.raises(SystemExit) as ended:
        parse(list(arguments))
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_demo_list_names_every_scenario() -> None:
    """`--list` answers and starts nothing."""
    done = run("--list")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(SCENARIOS)


def test_demo_without_its_modules_says_what_to_do(tmp_path: Path) -> None:
    """A Python without rich is told to run `make demo`."""
    done = subprocess.run(
        [sys.executable, "-S", str(ROOT / "demo_fault_tolerance.py")],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "make demo" in done.stderr
