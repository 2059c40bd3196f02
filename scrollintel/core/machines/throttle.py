"""Adaptive throttling by the client: what the dependency would refuse anyway is not sent."""

from __future__ import annotations

from math import ceil, floor, inf, log

from ..config.throttle import ThrottleConfig

BUCKETS = 10
"""Buckets of the window; totals drop a whole bucket at a time."""
_EXCESS = (2.0, 1.0, 0.75, 0.5)
"""By rank, what the excess of the multiplier over 1 is multiplied by: the more critical, the later throttled."""
_CHANCE = 1e-4
"""Chance of a run that lets go while the dependency accepts just what throttles the least critical."""


class ThrottleMachine:
    """Rules of one throttle. Pure and not thread-safe; the owning gate locks.

    Attempts count when they have ended, and refused ones at once: an attempt that still runs says nothing about what
    the dependency accepts, and would look like a refusal where answers take long.

    When as many attempts in a row were accepted as chance hardly explains while it would still throttle, the dependency
    has recovered, and what was before is forgotten: 23 attempts with a multiplier of 2. Without that a window of the
    past would refuse calls of a dependency that is well again.

    Times are seconds on any monotonic scale; a `now` that goes back is read as the latest one seen.

    Attributes:
        requests, accepts: Attempts in the window, refused ones included, and the accepted ones among them.
    """

    __slots__ = ("_accepts", "_bucket", "_config", "_enough", "_requests", "_run", "_width", "accepts", "requests")

    def __init__(self, config: ThrottleConfig) -> None:
        self._bucket = self._run = 0
        self.reconfigure(config)

    def reconfigure(self, config: ThrottleConfig) -> None:
        """Go on under `config`; with another window the counts start anew."""
        width = config.window / BUCKETS
        self._config = config
        least = 1.0 + (config.multiplier - 1.0) * _EXCESS[-1]
        self._enough = ceil(-log(_CHANCE) / log(least)) if least > 1.0 else inf
        if width != getattr(self, "_width", None):
            self._width = width
            self._bucket = self._run = 0
            self._forget()

    def share(self, now: float, rank: int) -> float:
        """Return the share of attempts of a rank that is refused now, from 0 to `max_share`."""
        self._turn(now)
        config = self._config
        if self.requests < config.min_requests:
            return 0.0
        multiplier = 1.0 + (config.multiplier - 1.0) * _EXCESS[rank]
        share = (self.requests - multiplier * self.accepts) / (self.requests + 1)
        return min(config.max_share, max(0.0, share))

    def admit(self, now: float, rank: int, draw: float) -> bool:
        """Tell whether an attempt may be sent, and count it when it may not.

        Arguments:
            now: Seconds.
            rank: Class of the call, from 0, the most critical one, to 3.
            draw: A random number from 0 up to but not including 1.
        """
        share = self.share(now, rank)
        if not share or draw >= share:
            return True
        self._count(accepted=False)
        return False

    def record(self, now: float, *, accepted: bool) -> None:
        """Count an attempt that was sent and has ended."""
        self._turn(now)
        self._count(accepted=accepted)
        if not accepted:
            self._run = 0
            return
        self._run += 1
        if self._run >= self._enough and self.requests > self.accepts:
            self._forget()

    def absorb(self, number: int) -> None:
        """Count accepted attempts that ended in the present bucket, without looking at each."""
        place = self._bucket % BUCKETS
        self._requests[place] += number
        self._accepts[place] += number
        self.requests += number
        self.accepts += number
        self._run += number

    @property
    def boundary(self) -> float:
        """End of the present bucket."""
        return (self._bucket + 1) * self._width

    def _forget(self) -> None:
        """Begin anew."""
        self._requests = [0] * BUCKETS
        self._accepts = [0] * BUCKETS
        self.requests = self.accepts = 0

    def _count(self, *, accepted: bool) -> None:
        place = self._bucket % BUCKETS
        self._requests[place] += 1
        self.requests += 1
        if accepted:
            self._accepts[place] += 1
            self.accepts += 1

    def _turn(self, now: float) -> None:
        bucket = floor(now / self._width)
        old = bucket - self._bucket
        if old <= 0:
            return
        if self.requests:
            for number in range(self._bucket + 1, self._bucket + 1 + min(old, BUCKETS)):
                place = number % BUCKETS
                self.requests -= self._requests[place]
                self.accepts -= self._accepts[place]
                self._requests[place] = self._accepts[place] = 0
        self._bucket = bucket
