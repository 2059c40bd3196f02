"""Run a program without a shell and with bounds on its time and output."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Final

OUTPUT_LIMIT: Final = 64 * 1024
"""Bytes of output that are read at most."""


class CommandFailedError(Exception):
    """The program did not do its work; the text says in a phrase what happened and repeats nothing it printed."""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the program and, where there are process groups, whatever it started."""
    if process.returncode is not None:
        return  # its number may belong to somebody else by now
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)  # the program leads a session of its own
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass  # it ended by itself in the meantime
    process.wait()


def run_bounded(
    command: Sequence[str], *, environment: Mapping[str, str], timeout: float, limit: int = OUTPUT_LIMIT
) -> bytes:
    """Return what a program printed, after it ended with status 0.

    Arguments:
        command: The program's path and its arguments, passed as they are.
        environment: The program's whole environment.
        timeout: Seconds until the program and its children are killed.
        limit: Bytes of output beyond which it is killed as well; 64 KiB by default.

    Raises:
        CommandFailedError: When it cannot be started, takes too long, prints too much or ends with another status.
            Its error output is discarded: it may hold secrets.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - a vector from the operator's configuration; no shell
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            close_fds=True,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise CommandFailedError(f"cannot be started ({type(error).__name__})") from None
    assert process.stdout is not None
    stream = process.stdout
    output: list[bytes] = []
    # A thread of its own, because pipes cannot be waited for with a limit in a portable way.
    reader = threading.Thread(target=lambda: output.append(stream.read(limit + 1)), daemon=True)
    reader.start()
    reader.join(timeout)
    try:
        if reader.is_alive():
            raise CommandFailedError(f"did not finish within {timeout:g} s")
        printed = output[0] if output else b""
        if len(printed) > limit:
            raise CommandFailedError(f"printed more than {limit} bytes")
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise CommandFailedError(f"did not finish within {timeout:g} s") from None
        if status != 0:
            raise CommandFailedError(f"ended with status {status}")
        return printed
    finally:
        _kill(process)
        reader.join(timeout)
        stream.close()
