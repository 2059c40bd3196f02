"""The measured figures, and the promises they are held against."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Unit(Enum):
    """What a figure counts, and so how it is written."""

    SECONDS = "s"
    SHARE = "share"
    COUNT = "count"
    RATIO = "ratio"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; a promise when it has a bound.

    Arguments:
        scenario: Where it was measured.
        key: Stable name for programs.
        title: What it is, for people.
        value: The measured value in its unit, NaN when it could not be measured, which keeps no promise.
        at_most, at_least: Bounds, inclusive.
    """

    scenario: str
    key: str
    title: str
    value: float
    unit: Unit
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_promise(self) -> bool:
        """Whether the figure is held against a bound."""
        return self.at_most is not None or self.at_least is not None

    @property
    def kept(self) -> bool:
        """Whether the value is within its bounds; NaN never is."""
        above = self.at_least is None or self.value >= self.at_least
        return above and (self.at_most is None or self.value <= self.at_most)

    def measured(self) -> str:
        """Return the value as people read it."""
        return write(self.value, self.unit)

    def bound(self) -> str:
        """Return the promise as people read it; empty without one."""
        if self.at_least is not None and self.at_least == self.at_most:
            return f"= {write(self.at_least, self.unit)}"
        lower = "" if self.at_least is None else f"≥ {write(self.at_least, self.unit)}"
        upper = "" if self.at_most is None else f"≤ {write(self.at_most, self.unit)}"
        return " and ".join(part for part in (lower, upper) if part)

    def to_dict(self) -> dict[str, object]:
        """Return the figure as JSON values; None for a value that could not be measured."""
        return {
            "scenario": self.scenario,
            "key": self.key,
            "title": self.title,
            "value": None if self.value != self.value else self.value,
            "unit": self.unit.value,
            "at_most": self.at_most,
            "at_least": self.at_least,
            "kept": self.kept if self.is_promise else None,
        }


def write(value: float, unit: Unit) -> str:
    """Return a value with three significant digits and the unit that suits its size."""
    if value != value:
        return "not seen"
    if unit is Unit.SECONDS:
        for factor, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
            if abs(value) >= factor or name == "µs":
                return f"{value / factor:.3g} {name}" if value else "0 s"
    if unit is Unit.SHARE:
        # Never round a loss away: 99.97 % is not 100 %.
        return "100 %" if value == 1 else f"{min(value * 100, 99.9):.1f} %" if value > 0.5 else f"{value * 100:.1f} %"
    if unit is Unit.RATIO:
        return f"{value:.3g} ×"
    return f"{value:,.0f}"
