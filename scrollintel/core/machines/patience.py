"""How long a waiting line may be longer than what runs."""

from __future__ import annotations

SHORTEST = 0.5
RESPONSE_TIMES = 60.0
REFILL = 2.0


class Patience:
    """Time for which a line may stand: spent while somebody waits, gathered while nobody does.

    A line that comes and goes is a burst, and to refuse it would refuse calls of a dependency that is well. One that
    stands adds waiting to every call and serves none more. So there is half a second of patience, which is a pause of
    a garbage collector or a lost packet, or sixty response times when that is longer: even at a load of 0.9 the line of
    a single worker empties within that. Each second without anybody in line gives two back.

    Source: the distinction of CoDel (RFC 8289) and of Facebook's controlled delay (Maurer, "Fail at scale", ACM Queue,
    2015), with an allowance in place of an interval, so that a moment without anybody does not begin it anew.

    Arguments:
        now: Seconds on any monotonic scale.

    Attributes:
        left: Seconds that a line may still stand.
    """

    __slots__ = ("_now", "left")

    def __init__(self, now: float) -> None:
        self.left = SHORTEST
        self._now = now

    def pass_time(self, now: float, waiting: int, response_time: float | None) -> None:
        """Spend or gather what has passed since the last look.

        Arguments:
            now: Seconds.
            waiting: Calls in line.
            response_time: What the dependency takes when nobody queues, in seconds, if that is known.
        """
        passed, self._now = now - self._now, now
        if waiting:
            self.left = max(0.0, self.left - passed)
        else:
            most = max(SHORTEST, RESPONSE_TIMES * (response_time or 0.0))
            self.left = min(most, self.left + REFILL * passed)
