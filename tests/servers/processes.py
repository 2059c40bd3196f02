"""Waiting for processes and for what they do."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any


def eventually(look: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Look again and again until it is so; tells whether that came within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if look():
            return True
        time.sleep(0.02)
    return False


def kill(process: subprocess.Popen[Any]) -> None:  # Any: text or bytes
    """Kill a process without a chance to tidy up."""
    process.kill()
    process.wait()


def stop(process: subprocess.Popen[Any], seconds: float) -> int:  # Any: text or bytes
    """Ask a process to stop and return its exit code; one that stays beyond `seconds` is killed, and that raises."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        kill(process)
        raise
