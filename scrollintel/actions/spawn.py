"""Becomes a program, once: takes a lock that lasts as long as the program, says who it is, and replaces itself.

Run as a script by an isolated interpreter: spawn.py STATUS_FD LOCK PIDFILE KEY DIRECTORY -- PROGRAM ARGUMENT...
The lock's descriptor stays open across the replacement, so that no second one can start while this one or a child of
it lives. What goes wrong is written to STATUS_FD, which closes by itself when the program has begun.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys

TAKEN = "taken"
"""What is said when another one lives."""


def start_ticks(pid: int | str) -> int | None:
    """Return when a process started, in clock ticks since the machine did; None where that cannot be read."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:  # noqa: PTH123 - pathlib would cost milliseconds
            # The second field is a name in parentheses that may hold anything; field 22 is the 20th after it.
            return int(stream.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def main() -> None:
    """Take the lock, write the pidfile, become the program."""
    status = int(sys.argv[1])
    lock, pidfile, key, directory = sys.argv[2:6]
    command = sys.argv[7:]
    os.set_inheritable(status, False)
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.write(status, TAKEN.encode())
            os._exit(75)  # EX_TEMPFAIL
        os.set_inheritable(descriptor, True)
        if directory:
            os.chdir(directory)
        content = {"pid": os.getpid(), "ticks": start_ticks("self"), "key": key}
        fresh = f"{pidfile}.{os.getpid()}"
        with open(fresh, "w") as stream:  # noqa: PTH123 - as above
            json.dump(content, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(fresh, pidfile)  # noqa: PTH105 - as above
        os.execv(command[0], command)  # noqa: S606 # nosec B606 - an argument vector of the operator's file
    except OSError as error:
        os.write(status, f"{type(error).__name__}: {error.strerror}: {error.filename}".encode()[:500])
        os._exit(71)  # EX_OSERR


if __name__ == "__main__":
    main()
