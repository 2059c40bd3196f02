"""Runs a program within bounds: no shell, a clean environment, limits on time, memory and output."""

from __future__ import annotations

import contextlib
import os
import pwd
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..outbound.references import resolve
from ..recovery.runbook import Runbook
from .supervised import PASSED_ON

CHUNK = 65536
LIMITS = Path(__file__).with_name("limits.py")
MAX_FILES = 1024


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended.

    Arguments:
        code: Exit code, negative for a signal; None when it took too long.
        output: The end of what it has said.
        seconds: How long it took.
    """

    code: int | None
    output: str
    seconds: float


def run_bounded(runbook: Runbook, arguments: Sequence[str] = (), variables: Mapping[str, str] | None = None) -> Ran:
    """Run a program and everything that it starts; all of it is killed when its time is over.

    Arguments:
        runbook: The program and its limits.
        arguments: Further arguments.
        variables: Further variables of its environment.

    Raises:
        OSError: when it cannot be started.
    """
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {name: resolve(value) for name, value in runbook.environment.items()}
    environment |= variables or {}
    with contextlib.ExitStack() as stack:
        folder = runbook.directory or stack.enter_context(tempfile.TemporaryDirectory(prefix="scrollintel-runbook-"))
        if runbook.user is not None and runbook.directory is None and os.geteuid() == 0:
            entry = pwd.getpwnam(runbook.user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        # The limits are set by a program of its own, which then becomes the runbook: code between fork and exec of a
        # process with threads may hang.
        command = [sys.executable, "-I", "-S", str(LIMITS), str(runbook.memory_bytes), str(MAX_FILES), "--"]
        process = subprocess.Popen(  # noqa: S603 - an argument vector of the operator's file
            [*command, *runbook.command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            start_new_session=True,
            user=runbook.user,
        )
        began, output = time.monotonic(), ""
        try:
            output, in_time = _read(process, began + runbook.timeout, runbook.output_bytes)
            code = process.wait(max(0.0, began + runbook.timeout - time.monotonic())) if in_time else None
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        return Ran(code, output, time.monotonic() - began)


def _read(process: subprocess.Popen[bytes], deadline: float, kept: int) -> tuple[str, bool]:
    """Read what it says until it says no more, and keep the end; tell whether that came before the deadline."""
    assert process.stdout is not None
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0.0:
                return said.decode("utf-8", "replace"), False
            if not selector.select(left):
                continue
            data = os.read(process.stdout.fileno(), CHUNK)
            if not data:
                return said.decode("utf-8", "replace"), True
            said = (said + data)[-kept:]
