"""A table that is refreshed every second without losing the row that somebody looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

Row = tuple[str, tuple[Text, ...]]
"""Key and cells."""


class LiveTable(DataTable[Text]):
    """Takes all rows at once and changes only the cells that differ.

    Arguments:
        columns: Keys and headings.
        id: Of the widget.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("enter", "select_cursor", "Open"),
    ]

    def __init__(self, columns: Sequence[tuple[str, str]], *, id: str) -> None:
        super().__init__(id=id, cursor_type="row")
        self._shown: dict[str, tuple[Text, ...]] = {}
        self._columns: list[tuple[str, str]] = []
        self._head(columns)

    def _head(self, columns: Sequence[tuple[str, str]]) -> None:
        self.clear(columns=True)
        self._columns, self._shown = list(columns), {}
        for key, heading in columns:
            self.add_column(Text(heading), key=key)

    def fill(self, rows: Sequence[Row], columns: Sequence[tuple[str, str]] | None = None) -> None:
        """Show these rows in this order; the cursor stays on its row when that is still there.

        Arguments:
            rows: Keys and cells; no key comes twice.
            columns: Keys and headings when they have changed.
        """
        chosen, line, top = self.chosen, self.cursor_row, self.scroll_y
        if columns is not None and list(columns) != self._columns:
            self._head(columns)
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

    def _change(self, rows: Sequence[Row]) -> None:
        for key, cells in rows:
            before = self._shown[key]
            for (column, _), old, new in zip(self._columns, before, cells, strict=True):
                if old != new or old.style != new.style:
                    self.update_cell(key, column, new, update_width=True)
        self._shown = dict(rows)

    @property
    def chosen(self) -> str | None:
        """Key of the row under the cursor, or None in an empty table."""
        keys = list(self._shown)
        return keys[self.cursor_row] if 0 <= self.cursor_row < len(keys) else None
