"""What a case yields: rows of samples, and the verdicts on this library's rows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .candidate import Kind


@dataclass(slots=True)
class Row:
    """The samples of one candidate. `note` says what the check before the timing found."""

    name: str
    kind: Kind
    note: str = ""
    samples: list[float] = field(default_factory=list)
    highest: bool = False
    """True where more is better, as with calls per second."""

    @property
    def best(self) -> float:
        return max(self.samples) if self.highest else min(self.samples)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target beside the measured figure; `kept` is None when there was nothing to compare with."""

    row: str
    target: str
    measured: str
    kept: bool | None


@dataclass(slots=True)
class Table:
    """All rows of one case. `left_out` names who could not take part, and why."""

    name: str
    title: str
    meaning: str
    unit: str
    rows: list[Row]
    over_bare: bool = True
    """Whether the figure is what is added to the bare call, rather than the whole."""
    left_out: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def row(self, name: str) -> Row | None:
        return next((row for row in self.rows if row.name == name), None)

    @property
    def bare(self) -> Row | None:
        return next((row for row in self.rows if row.kind is Kind.BARE), None)

    def figure(self, row: Row, over_bare: bool | None = None) -> float:
        """Return the best sample, less the bare call where the case counts what is added."""
        wanted = self.over_bare if over_bare is None else over_bare
        return row.best - self.bare.best if wanted and self.bare is not None else row.best

    @property
    def fastest_peer(self) -> Row | None:
        return best_of([row for row in self.rows if row.kind is Kind.PEER])

    def of_fastest_peer(self, row: Row) -> float | None:
        """Return the figure as a multiple of the fastest peer's, or None where there is nothing to divide by."""
        fastest = self.fastest_peer
        base = self.figure(fastest) if fastest is not None else 0.0
        return self.figure(row) / base if base else None

    def ordered(self) -> list[Row]:
        return sorted(self.rows, key=lambda row: -row.best if row.highest else row.best)

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        return {
            "name": self.name,
            "title": self.title,
            "unit": self.unit,
            "over_bare": self.over_bare,
            "rows": [
                {
                    "name": row.name,
                    "kind": row.kind.value,
                    "best": row.best,
                    "median": row.median,
                    "figure": self.figure(row),
                    "of_fastest_peer": self.of_fastest_peer(row),
                    "note": row.note,
                }
                for row in self.ordered()
            ],
            "left_out": self.left_out,
            "verdicts": [
                {"row": v.row, "target": v.target, "measured": v.measured, "kept": v.kept} for v in self.verdicts
            ],
        }


def best_of(rows: Sequence[Row]) -> Row | None:
    """Return the row with the best sample, or None without rows."""
    if not rows:
        return None
    return (max if rows[0].highest else min)(rows, key=lambda row: row.best)
