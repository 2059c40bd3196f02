"""The entry of the command line; says in one sentence what is missing when its libraries are not installed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

MISSING = "the command line needs click and rich, which are not installed"
HINT = 'pip install "scrollintel[cli]"'


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
        told = {"code": "missing_extra", "detail": MISSING, "hint": HINT}
        as_json = "--json" in (sys.argv if arguments is None else arguments)
        sys.stderr.write(f"{json.dumps(told)}\n" if as_json else f"Error: {MISSING} [missing_extra]\n  {HINT}\n")
        return 1
    return run(arguments)
