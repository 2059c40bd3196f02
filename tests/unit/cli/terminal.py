"""Runs a command on a terminal of 80 columns, as a person does."""

from __future__ import annotations

import os
import pty
import re
import struct
import sys
import termios
from fcntl import ioctl
from pathlib import Path

ROOT = Path(__file__).parents[3]
_STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def in_terminal(home: Path, *arguments: str, typed: str = "", columns: int = 80) -> tuple[int, str]:
    """Return the exit code and what stood on the terminal, without the sequences that steer it.

    Arguments:
        home: HOME and working folder.
        arguments: Those of `scrollintel`.
        typed: What the person types.
        columns: Width of the terminal.
    """
    program = [sys.executable, "-m", "scrollintel", *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SCROLLINTEL_", "XDG_", "COL"))}
    environment = {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    actions = [(os.POSIX_SPAWN_DUP2, slave, stream) for stream in (0, 1, 2)]
    folder = Path.cwd()
    os.chdir(home)
    try:
        child = os.posix_spawn(sys.executable, program, environment, file_actions=actions, setsid=True)
    finally:
        os.chdir(folder)
    os.close(slave)
    os.write(master, typed.encode())
    shown = b""
    try:
        while piece := os.read(master, 65_536):
            shown += piece
    except OSError:  # how Linux says that the other end has been closed
        pass
    os.close(master)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), _STEERING.sub("", shown.decode()).replace("\r\n", "\n")
