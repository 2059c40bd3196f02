"""The entry of the command line; says in one sentence what is missing when its libraries are not installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

MISSING = "The command line needs click and rich: pip install 'scrollintel[cli]'\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code.

    Arguments:
        arguments: What follows the program's name; None takes the arguments of the process.
    """
    try:
        from .program import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in {"click", "rich"}:
            raise
        sys.stderr.write(MISSING)
        return 1
    return run(arguments)
