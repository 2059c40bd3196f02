"""The rule of a wider level: whether what fails below it is one of its parts, or all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence

from ..config.breaker import CircuitBreakerConfig, WindowKind

RATES = (WindowKind.COUNT, WindowKind.TIME)
LEAST_IN_A_ROW, LEAST_FOR_A_RATE, MOST = 10, 64, 1024
"""Calls that a level remembers: at least so many, and twice what its rule asks for, but never more."""
FEWEST = 3
"""Parts that must fail before their level does, where it has so many; of two it takes both."""


class Failed:
    """A call below a level that failed: the part it went to, and when."""

    __slots__ = ("at", "part")

    def __init__(self, part: Hashable, at: float) -> None:
        self.part = part
        self.at = at


class Group:
    """The latest calls below one level, by the part of it that they went to.

    A level fails when its calls meet the rule of the circuit, whichever part they went to, and more than half of the
    parts that they went to fail. Else it is a part that fails, which has a circuit of its own. Pure; times are
    seconds on any monotonic scale. It needs no lock: each method is one indivisible step on `recent`.

    Attributes:
        recent: The latest calls, oldest first: the part itself for a success, a `Failed` for a failure. Whoever
            counts a success appends to it.
    """

    __slots__ = ("_config", "recent")

    def __init__(self, config: CircuitBreakerConfig) -> None:
        self._config = config
        self.recent: deque[Hashable] = deque(maxlen=_memory(config))

    def succeed(self, part: Hashable) -> None:
        """Remember a success of a part."""
        self.recent.append(part)

    def fail(self, part: Hashable, now: float) -> None:
        """Remember a failure of a part."""
        self.recent.append(Failed(part, now))

    def clear(self) -> None:
        """Forget everything, because the level has opened."""
        self.recent.clear()

    def reconfigure(self, config: CircuitBreakerConfig) -> None:
        """Go on under another configuration; what fits is still remembered."""
        self._config = config
        self.recent = deque(self.recent.copy(), maxlen=_memory(config))

    def reason_to_open(self, now: float, parts: int) -> str | None:
        """Return why the level fails as a whole after a failure at `now`, or None when it does not.

        `parts` is how many parts it has; with one it never fails, because the part explains everything.
        """
        calls = self._calls(now)
        if not self._meets_the_rule(calls):
            return None
        failing, seen = self._vote(calls)
        if failing < max(2, min(FEWEST, parts)) or failing * 2 <= seen:
            return None
        return f"{failing} of {seen} parts below it fail"

    def is_to_blame(self, now: float) -> bool:
        """Tell whether failures since the level opened are its own: most parts that were tried fail."""
        failing, seen = self._vote(self._calls(now))
        return failing * 2 > seen

    def _calls(self, now: float) -> Sequence[Hashable]:
        """Return the calls that still matter."""
        calls: Sequence[Hashable] = self.recent.copy()
        config = self._config
        if config.window_kind is WindowKind.TIME or config.window_kind is WindowKind.COUNT_IN_TIME:
            young = now - config.window_size
            calls = [call for call in calls if call.__class__ is not Failed or call.at > young]
        return calls

    def _meets_the_rule(self, calls: Sequence[Hashable]) -> bool:
        config = self._config
        threshold = min(config.failure_threshold, MOST)
        if config.window_kind is WindowKind.CONSECUTIVE:
            row = 0
            for call in reversed(calls):
                if call.__class__ is not Failed:
                    break
                row += 1
            return row >= threshold
        failures = sum(call.__class__ is Failed for call in calls)
        if config.window_kind is WindowKind.COUNT_IN_TIME:
            return failures >= threshold
        return len(calls) >= min(config.minimum_calls, MOST) and failures >= config.failure_rate * len(calls)

    def _vote(self, calls: Sequence[Hashable]) -> tuple[int, int]:
        """Return how many parts fail and how many were called.

        Under a rate a part fails when its own share of failures reaches it, else when its newest call has failed.
        """
        counts: dict[Hashable, list[int]] = {}
        rates = self._config.window_kind in RATES
        for call in calls:
            failed = call.__class__ is Failed
            part = call.part if isinstance(call, Failed) else call
            count = counts.setdefault(part, [0, 0])
            if rates:
                count[0] += 1
                count[1] += failed
            else:
                count[:] = (1, failed)
        share = self._config.failure_rate if rates else 1.0
        return sum(failures >= share * total for total, failures in counts.values()), len(counts)


def _memory(config: CircuitBreakerConfig) -> int:
    if config.window_kind in RATES:
        return min(MOST, max(LEAST_FOR_A_RATE, 2 * config.minimum_calls))
    return min(MOST, max(LEAST_IN_A_ROW, 2 * config.failure_threshold))
