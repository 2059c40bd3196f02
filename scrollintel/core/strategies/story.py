"""What has happened to one circuit: its changes of state, why, and what decided the last one."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..machines.answers import Transition
from ..machines.breaker import BreakerMachine
from ..outcome import MOST_TOLD
from ..states import CircuitState, StateChange

if TYPE_CHECKING:
    from ..evidence import Evidence
    from .deciding import Noted


class Story:
    """The changes of a circuit, and the calls that may decide the next one. The circuit's lock guards it.

    Attributes:
        reason: Why the circuit is in its state.
        changes: Changes of state, the oldest first.
        evidence: What decided the last change, or None when no call did.
        noted: Calls that may decide the next change, the oldest first; None for none, because most circuits have none
            and an empty queue takes 600 bytes.
    """

    __slots__ = ("changes", "evidence", "noted", "reason")

    def __init__(self) -> None:
        self.reason = "created"
        self.changes: tuple[StateChange, ...] = ()
        self.evidence: Evidence | None = None
        self.noted: deque[Noted] | None = None

    def note(self, call: Noted) -> None:
        """Remember a call that may decide the next change."""
        if self.noted is None:
            self.noted = deque(maxlen=MOST_TOLD)
        self.noted.append(call)

    def forget_changes(self) -> None:
        """Tell of no change before now."""
        self.changes = ()
        self.evidence = None

    def add(self, transition: Transition, machine: BreakerMachine, at: float, length: int) -> Evidence | None:
        """Take a change, made right now, and return what decided it.

        Arguments:
            transition: The change.
            machine: The circuit's rules, which still hold what it rests on.
            at: When it was, in seconds since 1970-01-01 UTC.
            length: Changes that are kept.
        """
        noted = tuple(self.noted or ())
        self.noted = None
        self.reason = transition.reason
        change = StateChange(at=at, old=transition.old, new=transition.new, reason=transition.reason)
        self.changes = (*self.changes, change)[-length:]
        evidence = _evidence(transition, machine, noted, at - transition.at)
        if evidence is not None or transition.new is not CircuitState.HALF_OPEN:
            self.evidence = evidence
        return evidence


UNTOLD = Story()
"""The story of a circuit to which nothing has happened; only to be read."""


def _evidence(transition: Transition, machine: BreakerMachine, noted: Sequence[Noted], wall: float) -> Evidence | None:
    if not noted and transition.new is not CircuitState.OPEN:
        return None
    from .deciding import deciding

    return deciding(transition, machine, noted, wall)
