"""The command of the overload benchmark: what it tells meanwhile, and what it leaves behind when it is broken off."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from benchmarks.overload_http.progress import Progress, tell
from benchmarks.overload_http.scene import QUICK, scene
from scrollintel import Policy

COMMAND = [sys.executable, "-m", "benchmarks.overload_http", "--quick", "--only", "goodput"]


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def told(stream: io.StringIO) -> str:
    """Return what a run tells of which one tenth after the other passes."""
    progress = Progress(
        "warm server, goodput", scene(QUICK, cold=False, policies={"goodput": Policy("goodput")}), stream
    )
    for tenth in range(10):
        progress(tenth / 10)
    tell("", stream)
    return stream.getvalue()


def test_progress_is_a_line_for_each_phase_where_there_is_no_terminal() -> None:
    """A log holds three lines of a run, and no control characters."""
    assert told(io.StringIO()).splitlines() == [
        "warm server, goodput, before the dip",
        "warm server, goodput, in the dip",
        "warm server, goodput, after the dip",
    ]


def test_progress_is_one_line_on_a_terminal() -> None:
    """It is written over, and is gone in the end."""
    text = told(Terminal())
    assert "\n" not in text
    lines = text.split("\r\x1b[K")
    assert lines[1:3] == ["warm server, goodput, before the dip: 0%", "warm server, goodput, before the dip: 10%"]
    assert lines[-2:] == ["warm server, goodput, after the dip: 90%", ""]


@pytest.fixture
def running() -> Iterator[subprocess.Popen[str]]:
    """Return the command, which has begun to measure."""
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        assert process.stderr.readline() == "warm server, goodput (1 of 1), before the dip\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_command_that_is_broken_off_leaves_no_process_behind(
    running: subprocess.Popen[str], number: signal.Signals
) -> None:
    """Ctrl-C ends it with 130 and a word instead of a traceback; when it is killed, its processes end by themselves."""
    children = psutil.Process(running.pid).children(recursive=True)
    assert len(children) == 5, "a server and four processes of clients"
    running.send_signal(number)
    _, left = psutil.wait_procs(children, timeout=10)
    assert left == []
    printed, errors = running.communicate(timeout=20)
    assert printed == ""
    if number is signal.SIGINT:
        assert (running.returncode, errors) == (130, "Broken off.\n")
