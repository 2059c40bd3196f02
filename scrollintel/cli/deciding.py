"""The calls that decided a circuit's state, in a few words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from .marks import CALLS, mark_of
from .output import part, parts, plain


def calls_of(change: Mapping[str, Any]) -> str:  # Any: JSON values
    """Return the calls that decided a change of state, oldest first, and what failed; empty when none did.

    Such as `✓✕✕ 2 of 3 failed: TimeoutError 2`.
    """
    evidence = part(change, "evidence")
    if not evidence:
        return ""
    calls = parts(evidence, "calls")
    shapes = "".join(mark_of(CALLS, call.get("outcome")).shape for call in calls)
    counted = Counter(plain(call.get("error")) for call in calls if call.get("error") is not None)
    kinds = ", ".join(f"{name} {number}" for name, number in counted.most_common())
    failed = f"{plain(evidence.get('failures'))} of {plain(evidence.get('total'))} failed"
    return " ".join(filter(None, (shapes, failed))) + (f": {kinds}" if kinds else "")
