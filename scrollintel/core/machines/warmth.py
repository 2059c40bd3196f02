"""Whether a fallback would work if it were needed now, from how it ran lately."""

from __future__ import annotations

FAILURES = 3
"""Runs in a row that did not work after which a fallback is cold."""
_REFRESH = 0.5
"""Share of `cold_after` after which a fallback is tried, however few calls come."""


class WarmthMachine:
    """What is known of one fallback. Pure and not thread-safe; the owner locks.

    A fallback is cold when its last runs did not work, or when it has not worked for `cold_after` seconds. At first it
    is warm, since nothing is known against it.

    Times are seconds on any monotonic scale.

    Attributes:
        runs: Shadow runs that began.
        worked, failed, late: How they ended; a late one has not worked.
        compared, agreed: Those whose result was compared with the real one, and those where both agreed.
        last_worked: When it worked last, in a shadow run or for a real call; None when it has not yet.
        cold: Whether it was cold when that was looked at last.
    """

    __slots__ = (
        "_begun", "_in_a_row", "_since", "agreed", "cold", "cold_after", "compared", "failed", "last_worked", "late",
        "runs", "worked",
    )  # fmt: skip

    def __init__(self, cold_after: float, now: float) -> None:
        self.cold_after = cold_after
        self.runs = self.worked = self.failed = self.late = self.compared = self.agreed = 0
        self.last_worked: float | None = None
        self.cold = False
        self._since = self._begun = now
        self._in_a_row = 0

    @property
    def next_due(self) -> float:
        """When it is to be tried although no draw asks for it."""
        return self._begun + _REFRESH * self.cold_after

    def begin(self, now: float) -> None:
        """Count a shadow run that begins."""
        self.runs += 1
        self._begun = now

    def end(self, now: float, *, worked: bool, late: bool = False, agreed: bool | None = None) -> None:
        """Count the end of a shadow run; `agreed` is None when nothing was compared."""
        if late:
            self.late += 1
        elif worked:
            self.worked += 1
        else:
            self.failed += 1
        if agreed is not None:
            self.compared += 1
            self.agreed += agreed
        self.ran(now, worked=worked and not late)

    def cancel(self) -> None:
        """Undo a shadow run that never began to run, or was ended from outside."""
        self.runs -= 1

    def ran(self, now: float, *, worked: bool) -> None:
        """Note a run, also one for a real call."""
        self._begun = now
        if worked:
            self.last_worked = now
            self._in_a_row = 0
        else:
            self._in_a_row += 1

    def turn(self, now: float) -> bool:
        """Look whether it is cold now; True when that has changed."""
        cold = self._in_a_row >= FAILURES or now - self._known_since >= self.cold_after
        changed, self.cold = cold is not self.cold, cold
        return changed

    def reason(self, now: float) -> str:
        """Return in one sentence why it is cold."""
        if self._in_a_row >= FAILURES:
            return f"its last {self._in_a_row} runs did not work"
        if self.last_worked is None:
            return f"it has not worked yet, for {now - self._since:.0f} s"
        return f"it has not worked for {now - self.last_worked:.0f} s"

    @property
    def _known_since(self) -> float:
        return self._since if self.last_worked is None else self.last_worked
