"""What happens in a simulation: the ways in which an operation ends, and how a dependency behaves over time."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from scrollintel.core.states import CircuitState

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
ISOLATED, METRICS_ONLY = CircuitState.ISOLATED, CircuitState.METRICS_ONLY
WALL = 1_700_000_000.0
OK, BAD, ANSWER = "ok", "bad", "answered by the fallback"
MARGIN, LEASE = 5.0, 60.0


class Broken(Exception):
    """The dependency fails."""


class Unwelcome(Exception):
    """The caller asked for something impossible; configured to be ignored."""


SUCCESS, BROKEN, UNWELCOME, CANCELLED, EXIT, ILL, NESTED = 0, 1, 2, 3, 4, 5, 6
"""Ends of an operation; from `NESTED` on it makes further calls before it ends like the kind six below."""
ERRORS: dict[int, type[BaseException]] = {
    BROKEN: Broken, UNWELCOME: Unwelcome, CANCELLED: asyncio.CancelledError, EXIT: KeyboardInterrupt,
}  # fmt: skip


@dataclass(frozen=True)
class Phase:
    """How a dependency behaves for a while: weights of the ends, of the durations and of the pauses between calls."""

    kinds: dict[int, float]
    durations: dict[int, float]
    pauses: dict[int, float]


QUICK = {0: 1, 1: 20, 3: 50, 10: 30, 90: 5, 1024: 0.05}
SLOW = {10: 30, 900: 10, 1024: 20, 1025: 20, 1500: 20, 4095: 2, 4096: 4, 4097: 2}
HUNG = {10: 5, 4096: 10, 5000: 10, 9_216: 5, 9_217: 5, 30_000: 5, 70_000: 3}
BUSY = {0: 5, 1: 40, 20: 40, 100: 10}
CALM = {100: 10, 1000: 5, 3000: 1, 8192: 0.5}
RARE = {2000: 5, 9_000: 5, 30_000: 1, 900_000: 0.1}
PHASES = [
    Phase({SUCCESS: 1}, QUICK, BUSY),
    Phase({SUCCESS: 999, BROKEN: 1}, QUICK, BUSY),
    Phase({SUCCESS: 990, BROKEN: 3, UNWELCOME: 3, CANCELLED: 2, EXIT: 1, ILL: 1}, QUICK, BUSY),
    Phase({SUCCESS: 80, BROKEN: 20}, QUICK, BUSY),
    Phase({SUCCESS: 60, BROKEN: 20, ILL: 20, UNWELCOME: 5, CANCELLED: 5}, QUICK, CALM),
    Phase({SUCCESS: 1, BROKEN: 20, CANCELLED: 1}, QUICK, BUSY | {1024: 5, 4096: 2}),
    Phase({SUCCESS: 5, BROKEN: 20, UNWELCOME: 2, CANCELLED: 2, ILL: 5}, QUICK, CALM),
    Phase({SUCCESS: 20, BROKEN: 1, CANCELLED: 1}, SLOW, BUSY),
    Phase({SUCCESS: 20, BROKEN: 5, CANCELLED: 2, EXIT: 1, UNWELCOME: 1}, HUNG, CALM),
    Phase({SUCCESS: 10, BROKEN: 5, ILL: 1, CANCELLED: 1}, QUICK, RARE),
    Phase({SUCCESS: 50, NESTED: 5, NESTED + BROKEN: 5, BROKEN: 10}, QUICK, CALM),
    Phase({SUCCESS: 10, NESTED: 5, NESTED + BROKEN: 5, BROKEN: 10, NESTED + CANCELLED: 1}, QUICK | HUNG, CALM),
]
LIKELIHOOD = [30, 20, 10, 8, 8, 5, 8, 6, 5, 5, 4, 4]


class Script:
    """What the operation does each time it is run, drawn in advance."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.kinds: list[int] = []
        self.durations: list[float] = []

    def extend(self, phase: Phase, number: int) -> None:
        """Draw the behaviour for `number` runs."""
        draw = self.source.choices
        self.kinds += draw(list(phase.kinds), phase.kinds.values(), k=number)
        self.durations += [n / 1024 for n in draw(list(phase.durations), phase.durations.values(), k=number)]
