"""How much of a property test runs in `make test`, and all of it in `make properties`."""

from __future__ import annotations

import os

THOROUGH = os.environ.get("SCROLLINTEL_THOROUGH") == "1"
SHARE = 4


def examples(thorough: int) -> int:
    """Return the number of examples for this run, of `thorough` in the long form."""
    return thorough if THOROUGH else max(20, thorough // SHARE)
