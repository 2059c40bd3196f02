"""Beats of one target: when the last one came, and when it last told of progress."""

from __future__ import annotations

from ..recovery.suspicion import Suspicion
from ..recovery.target import Heartbeat


class Beats:
    """Pure state; times are monotonic seconds.

    Arguments:
        heartbeat: What is expected.
        now: When the watch begins; silence counts from here.
        grace: Seconds that the first beat may take.
    """

    def __init__(self, heartbeat: Heartbeat, now: float, *, grace: float = 30.0) -> None:
        self.heartbeat = heartbeat
        self.grace = grace
        self.suspicion = Suspicion()
        self.last_at = now
        self.progressed_at = now
        self.count = 0
        self._progress: float | str | None = None

    def take(self, now: float, progress: float | str | None) -> None:
        """Take a beat."""
        if self.count:
            self.suspicion.add(max(0.0, now - self.last_at))
        self.count += 1
        self.last_at = now
        if progress is not None and progress != self._progress:
            self._progress = progress
            self.progressed_at = now

    def restart(self, now: float) -> None:
        """Begin anew, because the target was started."""
        self.last_at = self.progressed_at = now
        self._progress = None
        self.count = 0

    def silence(self, now: float) -> float:
        """Return the seconds since the last beat."""
        return now - self.last_at

    def is_silent(self, now: float) -> bool:
        """Tell whether it has been silent for too long; before its first beat it may take its time to start."""
        patience = self.heartbeat.timeout if self.count else max(self.heartbeat.timeout, self.grace)
        return self.silence(now) > patience

    def is_stalled(self, now: float) -> bool:
        """Tell whether it beats and has not progressed for too long."""
        patience = self.heartbeat.progress_timeout
        return (
            patience is not None and self.count > 0 and not self.is_silent(now) and now - self.progressed_at > patience
        )
