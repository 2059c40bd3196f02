"""Takes limits on itself and becomes a program: limits.py MEMORY_BYTES FILES -- PROGRAM ARGUMENT..."""

from __future__ import annotations

import os
import resource
import sys


def main() -> None:
    """Set the limits, then become the program."""
    memory, files = int(sys.argv[1]), int(sys.argv[2])
    for kind, wanted in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_NOFILE, files), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (limit, limit))
    os.execv(sys.argv[4], sys.argv[4:])  # noqa: S606 # nosec B606 - an argument vector of the operator's file


if __name__ == "__main__":
    main()
