"""A table that is refreshed every second without losing the row that somebody looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

Row = tuple[str, tuple[Text, ...]]
"""Key and cells."""
WIDEST = 60
"""Cells that a column may be wide when it fits its texts."""


class Column(NamedTuple):
    """One column.

    Arguments:
        key: Its name.
        heading: What stands above it.
        width: Cells; None fits its texts. The table never measures by itself: it would look at all rows for each
            cell that gets shorter.
    """

    key: str
    heading: str
    width: int | None = None


class LiveTable(DataTable[Text]):
    """Takes all rows at once and changes only the cells that differ.

    Arguments:
        columns: What is shown of each row.
        id: Of the widget.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("enter", "select_cursor", "Open"),
    ]

    def __init__(self, columns: Sequence[Column], *, id: str) -> None:
        super().__init__(id=id, cursor_type="row")
        self._shown: dict[str, tuple[Text, ...]] = {}
        self._columns: list[Column] = []
        self._widths: list[int] = []
        self._head(columns, [column.width or len(column.heading) for column in columns])

    def _head(self, columns: Sequence[Column], widths: list[int]) -> None:
        self.clear(columns=True)
        self._columns, self._widths, self._shown = list(columns), widths, {}
        for column, width in zip(columns, widths, strict=True):
            self.add_column(Text(column.heading), key=column.key, width=width)

    def fill(self, rows: Sequence[Row], columns: Sequence[Column] | None = None) -> None:
        """Show these rows in this order; the cursor stays on its row when that is still there.

        Arguments:
            rows: Keys and cells; of rows with the same key the last one is shown.
            columns: The columns when their headings have changed.
        """
        rows = list(dict(rows).items())
        chosen, line, top = self.chosen, self.cursor_row, self.scroll_y
        wanted = self._columns if columns is None else list(columns)
        widths = self._fitting(wanted, rows)
        if wanted != self._columns or widths != self._widths:
            self._head(wanted, widths)
        if self._shown and [key for key, _ in rows] == list(self._shown):
            self._change(rows)
            return
        self.clear()
        for key, cells in rows:
            self.add_row(*cells, key=key)
        self._shown = dict(rows)
        if rows:
            row = list(self._shown).index(chosen) if chosen in self._shown else min(line, len(rows) - 1)
            self.move_cursor(row=max(0, row), scroll=False)
            self.scroll_to(y=top, animate=False)

    def _fitting(self, columns: Sequence[Column], rows: Sequence[Row]) -> list[int]:
        """Return the widths; none gets smaller, so that columns do not jump."""
        found = []
        for place, (column, before) in enumerate(zip(columns, self._widths, strict=True)):
            if column.width is None:
                longest = max((cells[place].cell_len for _, cells in rows), default=0)
                found.append(max(before, min(longest, WIDEST)))
            else:
                found.append(column.width)
        return found

    def _change(self, rows: Sequence[Row]) -> None:
        for key, cells in rows:
            before = self._shown[key]
            for column, old, new in zip(self._columns, before, cells, strict=True):
                if old != new or old.style != new.style:
                    self.update_cell(key, column.key, new)
        self._shown = dict(rows)

    def put(self, key: str, column: str, cell: Text) -> None:
        """Show another text in one cell of a row that is there."""
        place = next(place for place, known in enumerate(self._columns) if known.key == column)
        cells = self._shown[key]
        if cells[place] != cell:
            self._shown[key] = (*cells[:place], cell, *cells[place + 1 :])
            self.update_cell(key, column, cell)

    @property
    def chosen(self) -> str | None:
        """Key of the row under the cursor, or None in an empty table."""
        keys = list(self._shown)
        return keys[self.cursor_row] if 0 <= self.cursor_row < len(keys) else None
