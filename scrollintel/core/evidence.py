"""The calls that decided a circuit's state, as far as the circuit remembers them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

OUTCOMES = ("success", "failure", "slow")
RULES = ("consecutive", "count", "time", "count_in_time", "probes")
"""What was weighed: one of the kinds of windows, or the probes of a half-open circuit."""


@dataclass(frozen=True, slots=True)
class DecidingCall:
    """One call that was weighed.

    Attributes:
        outcome: success, failure or slow; a failure that was slow as well is a failure.
        error: Name of the error's class, "result" for a returned value that counted as a failure; None where the call
            did not fail or only its outcome is remembered. Never the error's text.
        at: When it ended, in seconds since 1970-01-01 UTC; None where only its outcome is remembered.
        seconds: How long it took, or None.
    """

    outcome: str
    error: str | None = None
    at: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class DecidingSpan:
    """The calls of one part of a time window, which begins at `start` (seconds since 1970-01-01 UTC)."""

    start: float
    calls: int
    failures: int
    slow: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a circuit held when its calls made it open or close.

    Attributes:
        rule: One of `RULES`.
        total, failures, slow: Calls that were weighed, and failures and slow ones among them.
        calls: The newest of them, oldest first, at most `MOST_TOLD`. For the rule `time` those that failed or were
            slow, for `consecutive` and `count_in_time` those that failed.
        spans: For the rule `time` all calls by parts of the window, oldest first, parts without a call left out.
    """

    rule: str
    total: int
    failures: int
    slow: int
    calls: tuple[DecidingCall, ...]
    spans: tuple[DecidingSpan, ...] = ()

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return it as JSON values."""
        return {**asdict(self), "calls": list(map(asdict, self.calls)), "spans": list(map(asdict, self.spans))}
