"""How unusual a silence is: a ranking among targets, never a decision."""

from __future__ import annotations

from collections import deque
from math import erfc, log, log10, pi, sqrt

WINDOW = 1000
"""Gaps that are remembered: the least for which a p99.9 means something."""
FEWEST = 5
"""Gaps before anything is said."""
LEAST_DEVIATION = 0.1
"""Smallest standard deviation as a share of the mean, so that a metronome is not suspected for a hiccup."""
_FAR = 6.0


class Suspicion:
    """Learns the gaps between beats and tells how far a silence lies outside of them.

    Formula: phi(t) = -log10(1 - F(t)) with a normal F, after Hayashibara et al., "The phi accrual failure detector"
    (2004). A normal tail promises far fewer false alarms than scheduling pauses allow, so silence is first shortened by
    what the longest of a thousand gaps (p99.9) exceeds the mean: up to that gap the value stays below 0.31. Compare the
    values of targets with one another; as a probability they mean nothing.
    """

    def __init__(self) -> None:
        self._gaps: deque[float] = deque(maxlen=WINDOW)
        self._sum = 0.0
        self._squares = 0.0

    def add(self, gap: float) -> None:
        """Learn the seconds between two beats; 0 or more."""
        if len(self._gaps) == WINDOW:
            oldest = self._gaps[0]
            self._sum -= oldest
            self._squares -= oldest * oldest
        self._gaps.append(gap)
        self._sum += gap
        self._squares += gap * gap

    def value(self, silence: float) -> float:
        """Return how unusual `silence` seconds are: 0 while too little is known, rising without bound."""
        count = len(self._gaps)
        if count < FEWEST:
            return 0.0
        mean = self._sum / count
        variance = max(0.0, self._squares / count - mean * mean)
        deviation = max(sqrt(variance), LEAST_DEVIATION * mean)
        if deviation <= 0.0:
            return 0.0
        allowance = max(0.0, self.floor - mean)
        return _minus_log10_tail((silence - allowance - mean) / deviation)

    @property
    def floor(self) -> float:
        """The p99.9 of the measured gaps in seconds: silence up to it is usual; 0 while nothing is known."""
        if not self._gaps:
            return 0.0
        ordered = sorted(self._gaps)
        return ordered[min(len(ordered) - 1, int(0.999 * len(ordered)))]


def _minus_log10_tail(z: float) -> float:
    """-log10 of the share of a standard normal above z; its asymptote where the share is too small for a float."""
    if z < _FAR:
        return max(0.0, -log10(0.5 * erfc(z / sqrt(2.0))))
    return z * z / 2.0 / log(10.0) + log10(z * sqrt(2.0 * pi))
