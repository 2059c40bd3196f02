"""What the rules of a circuit answer with: leave to proceed, a refusal, and what has changed."""

from __future__ import annotations

from ..states import CircuitState

_SPENT = -1


class Probe:
    """Leave to try a circuit that is half-open or in a success-driven ramp; counts as failed when its lease ends."""

    __slots__ = ("era", "lease_end")

    def __init__(self, era: int, lease_end: float) -> None:
        self.era = era
        self.lease_end = lease_end

    def spend(self) -> None:
        """Let no later result of it count."""
        self.era = _SPENT


Permit = int | Probe
"""Leave to proceed: the era of an ordinary call, or a probe whose return is awaited."""


class Refusal:
    """No leave to proceed: the state that refuses and the seconds until it may change, or None."""

    __slots__ = ("retry_after", "state")

    def __init__(self, state: CircuitState, retry_after: float | None) -> None:
        self.state = state
        self.retry_after = retry_after


class Transition:
    """One change of state, for history and events; `would` marks what metrics-only mode did not do."""

    __slots__ = ("at", "era", "new", "old", "reason", "would")

    def __init__(
        self, old: CircuitState, new: CircuitState, at: float, era: int, reason: str, would: bool = False
    ) -> None:
        self.old = old
        self.new = new
        self.at = at
        self.era = era
        self.reason = reason
        self.would = would
