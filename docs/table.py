"""A table of a page: its generated cells, and the column that is written by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

Row = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Table:
    """Head and generated cells.

    Arguments:
        head: Names of the generated columns.
        rows: Their cells.
        described: Whether a column Meaning follows. It is written by hand and kept, row by row.
        meanings: Meanings that the code gives, by a row's first cell; they replace what was written by hand.
    """

    head: Row
    rows: Sequence[Row]
    described: bool = True
    meanings: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def text(self, written: Mapping[str, str]) -> str:
        """Return the lines of the table; `written` holds the meanings of the page, by a row's first cell."""
        known = {**written, **self.meanings}
        head = (*self.head, "Meaning") if self.described else self.head
        lines = [head, tuple("---" for _ in head)]
        lines += [(*row, known.get(row[0], "")) if self.described else row for row in self.rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def amount(value: float, unit: str) -> str:
    """Return a number with its unit."""
    number = f"{value:g}" if value < 1e6 else f"{value:.12g}"
    unit = unit.removesuffix("s") if value == 1 else unit
    return f"{number} {unit}".rstrip()


def default(value: Any, unit: str = "") -> str:  # Any: JSON values of mixed types
    """Return a default as a cell."""
    if isinstance(value, bool) or value is None:
        return f"`{value}`"
    if isinstance(value, int | float):
        return amount(value, unit)
    if isinstance(value, list | tuple | dict):
        return ", ".join(f"`{str(item).removeprefix('builtins.')}`" for item in value) or "none"
    return f'`"{value}"`'
