"""How one check of a target stands: m of n to fail, a fresh look to confirm, some in a row to heal."""

from __future__ import annotations

from collections import deque

from .symptom import Look


class CheckHealth:
    """Pure state of one check.

    Arguments:
        failures: Bad looks among the last `window` from which it counts as failed.
        window: Looks that are remembered for that.
        successes: Good looks in a row that heal it.

    Attributes:
        last: The last look, or None.
        last_bad: The last look that was bad and counted, or None.
        bad_since: When the first bad look of this failure ended, or None.
        failed: Whether it counts as failed.
        excused: Whether the last look was bad and did not count, because the target is starting.
        awaits_first_good: Whether no look has been good since the last start, or ever.
    """

    __slots__ = (
        "_bad_looks",
        "_conclusive",
        "_confirmed",
        "_failures",
        "_good_in_a_row",
        "_successes",
        "awaits_first_good",
        "bad_since",
        "excused",
        "failed",
        "last",
        "last_bad",
    )

    def __init__(self, *, failures: int, window: int, successes: int) -> None:
        self._failures = failures
        self._successes = successes
        self._bad_looks: deque[bool] = deque(maxlen=window)
        self.restart()

    def restart(self) -> None:
        """Forget everything."""
        self._bad_looks.clear()
        self._good_in_a_row = 0
        self._confirmed = False
        self._conclusive = False
        self.last: Look | None = None
        self.last_bad: Look | None = None
        self.bad_since: float | None = None
        self.failed = False
        self.excused = False
        self.awaits_first_good = True

    @property
    def suspect(self) -> bool:
        """Whether it failed last and is not declared."""
        return self.bad_since is not None and not self.failed

    @property
    def wants_confirmation(self) -> bool:
        """Whether it is suspect and no fresh look has agreed so far."""
        return self.suspect and not self._confirmed

    def excuse(self, look: Look) -> None:
        """Take note of a bad look that does not count."""
        self.last = look
        self.excused = True

    def see(self, look: Look, *, fresh: bool) -> None:
        """Count a look."""
        self.last = look
        self.excused = False
        self._bad_looks.append(not look.good)
        if look.good:
            self._see_good()
            return
        self._good_in_a_row = 0
        self.last_bad = look
        if self.bad_since is None:
            self.bad_since = look.at
        self._conclusive = self._conclusive or look.conclusive
        self._confirmed = self._confirmed or fresh

    def unconfirm(self) -> None:
        """Forget that a fresh look agreed, unless the check counts as failed already."""
        if not self.failed:
            self._confirmed = False

    def declare(self, *, withheld: bool) -> None:
        """Count as failed when enough looks were bad and a fresh one agreed; conclusive ones are not withheld."""
        enough = self._conclusive or (not withheld and sum(self._bad_looks) >= self._failures)
        if self.bad_since is not None and self._confirmed and enough:
            self.failed = True

    def _see_good(self) -> None:
        self.awaits_first_good = False
        self._good_in_a_row += 1
        if self.failed and self._good_in_a_row < self._successes:
            return
        if self.failed:
            self._bad_looks.clear()
        self.failed = self._confirmed = self._conclusive = False
        self.bad_since = None
