"""A measured figure, and how it is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


def quantile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that at least `share` of them do not exceed (nearest rank)."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Times:
    """How long something took, over many runs.

    Arguments:
        what: Subject of the sentence.
        load: `idle`, or what else ran.
        seconds: One for each run.
        target: What is promised at `share`, seconds; None when nothing is.
        share: Quantile of the promise.
    """

    what: str
    load: str
    seconds: tuple[float, ...]
    target: float | None = None
    share: float = 0.95

    @property
    def met(self) -> bool:
        """Whether the promise is kept."""
        return self.target is None or quantile(self.seconds, self.share) <= self.target

    def row(self) -> str:
        """Return a row of a table."""
        middle, high, most = (quantile(self.seconds, share) * 1000 for share in (0.5, 0.95, 1.0))
        promise = "–" if self.target is None else f"{self.target * 1000:g} ms at {_at(self.share)}"
        verdict = "–" if self.target is None else ("kept" if self.met else "**missed**")
        numbers = f"{middle:.1f} ms | {high:.1f} ms | {most:.1f} ms"
        return f"| {self.what} | {self.load} | {len(self.seconds)} | {numbers} | {promise} | {verdict} |"


def _at(share: float) -> str:
    return "most" if share >= 1.0 else f"p{share * 100:g}"


HEAD = "| What | Load | Runs | Median | p95 | Maximum | Promise | |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
