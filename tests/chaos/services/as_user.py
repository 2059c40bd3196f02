"""Runs a program as another user when this process is root, which PostgreSQL refuses: as_user.py USER PROGRAM ARG..."""

from __future__ import annotations

import os
import pwd
import sys


def main() -> None:
    """Become the user, then the program."""
    user, program = sys.argv[1], sys.argv[2]
    if os.getuid() == 0:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    os.execv(program, sys.argv[2:])


if __name__ == "__main__":
    main()
