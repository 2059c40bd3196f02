"""Whether a repair has helped: fresh looks, several in a row good, within a time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from .symptom import Depth, Look


@dataclass(slots=True)
class Soak:
    """Counts rounds of fresh looks; a bad one begins anew.

    Arguments:
        successes: Rounds in a row in which every look has to be good.
        timeout: Seconds that the proof may take.
        began: Monotonic seconds.
    """

    successes: int
    timeout: float
    began: float
    rounds: int = 0
    in_a_row: int = 0
    last_bad: str = field(default="")

    def take(self, looks: Collection[Look], now: float) -> bool | None:
        """Take a round; True once it is proven, False when the time is over, None while it goes on."""
        self.rounds += 1
        bad = next((look for look in looks if not look.good), None)
        if bad is None:
            self.in_a_row += 1
            if self.in_a_row >= self.successes:
                return True
        else:
            self.in_a_row, self.last_bad = 0, bad.detail
        return False if now - self.began >= self.timeout else None

    def sentence(self, depths: Collection[Depth]) -> str:
        """Return what the proof rests on, or what was wrong last."""
        if self.in_a_row >= self.successes:
            return f"healthy {self.in_a_row} times in a row at {', '.join(sorted(depths))}"
        return f"not healthy within {self.timeout:g} s; last: {self.last_bad or 'no look'}"


def depths_of(available: Collection[Depth]) -> tuple[Depth, ...]:
    """Return the depths that prove health: ready and deep, together with alive; alive alone where there is no other."""
    return tuple(depth for depth in Depth if depth in available)
