"""A rate limit with burst: permits accrue with time and can be reserved ahead of it."""

from __future__ import annotations

import math

_TOLERANCE = 1e-6  # seconds: a wait shorter than this no sleep can keep, and the sums of times are not more exact


class RateMachine:
    """Rules of one token bucket with reservations. Pure and not thread-safe; the owning gate locks.

    The bucket starts full. A call that may wait reserves the next permit that will accrue, so the count can be
    negative: then that many calls have been told when to start. A permit may be granted up to a microsecond, and never
    more than a thousandth of a permit, before it has accrued; it is owed all the same, so nothing adds up.

    Arguments:
        rate_per_second: Permits that accrue per second; above 0.
        capacity: Most permits that can be saved up, hence the largest burst; at least 1.

    Times are seconds on any monotonic scale; a `now` that goes back is read as the latest one seen.

    Source: token bucket, as in RFC 2697; reservations as in Guava's RateLimiter and resilience4j's rate limiter.
    """

    __slots__ = ("_at", "_capacity", "_rate", "_tokens", "_tolerance")

    def __init__(self, rate_per_second: float, capacity: float) -> None:
        self._at = -math.inf
        self._rate = rate_per_second
        self._capacity = capacity
        self._tokens = capacity
        self._tolerance = min(_TOLERANCE, 0.001 / rate_per_second)

    def acquire(self, now: float, max_wait: float) -> float:
        """Return the seconds until the call may start; a result above `max_wait` refuses it.

        A wait of at most `max_wait` seconds (0: start now or not at all) takes the permit, and the caller starts
        after that wait or calls `give_back`. Otherwise nothing is taken, and the result is the time until a permit
        would be there if no other call came first.
        """
        rate = self._rate
        tokens = self._accrue(now) - 1.0
        if tokens >= 0.0:
            wait = 0.0
        else:
            wait = -tokens / rate
            if wait <= self._tolerance:
                wait = 0.0
            elif max_wait < wait <= max_wait + self._tolerance:
                wait = max_wait
        if wait <= max_wait:
            self._tokens = tokens
        return wait

    def give_back(self) -> None:
        """Return the permit of a call that did not start; permits beyond the capacity are lost.

        Calls that wait already keep their times: the permit goes to whoever comes next.
        """
        tokens = self._tokens + 1.0
        self._tokens = tokens if tokens < self._capacity else self._capacity

    def available(self, now: float) -> float:
        """Return the permits there are at `now`, at most the capacity; below 0 as many are reserved ahead."""
        if now <= self._at:
            return self._tokens
        tokens = self._tokens + (now - self._at) * self._rate
        return tokens if tokens < self._capacity else self._capacity

    def reconfigure(self, rate_per_second: float, capacity: float, now: float) -> None:
        """Accrue up to `now` at the old rate, then follow the new one.

        Permits above the new capacity are lost and none are added. Reserved permits stay owed.
        """
        tokens = self._accrue(now)
        self._rate = rate_per_second
        self._capacity = capacity
        self._tokens = tokens if tokens < capacity else capacity
        self._tolerance = min(_TOLERANCE, 0.001 / rate_per_second)

    def _accrue(self, now: float) -> float:
        tokens = self._tokens = self.available(now)
        if now > self._at:
            self._at = now
        return tokens
