"""The second view: all circuits in a table that can be filtered and sorted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import DataTable, Input, Static

from ..client import Client, path
from ..marks import CIRCUITS, Tone, mark_of
from ..output import part, parts, plain
from . import wording
from .choosing import ORDERS, Choice
from .circuit import CircuitScreen
from .table import Column, LiveTable, Row
from .view import Paint, dashboard, paint_of

Json = Mapping[str, Any]  # Any: JSON values
LIMIT = 1000
"""Circuits that are asked for."""
COLUMNS = (
    Column("circuit", "Circuit"), Column("state", "State", 14), Column("since", "For", 6), Column("probe", "Probe", 12),
    Column("failed", "Failed", 8), Column("refused", "Refused", 9), Column("p99", "p99", 6), Column("ok", "OK", 11),
    Column("replicas", "Replicas", 14),
)  # fmt: skip
"""Keys, which are those of `ORDERS`, and headings."""


class Circuits(Vertical):
    """Table and filter line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "sort", "Sort"),
        Binding("S", "turn", "Turn round", key_display="S", show=False),
        Binding("escape", "clear", "Clear", show=False),
    ]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._items: list[dict[str, Any]] = []
        self._chosen: list[Json] = []
        self._at = 0.0
        self._more = False
        self._known = False
        self._choice = Choice()
        self._filter = Input(placeholder="part of a name or service, state:open, service:orders", id="filter")
        self._table = LiveTable(COLUMNS, id="circuits-table")
        self._line = Static("connecting …", id="circuits-said", markup=False)

    def compose(self) -> ComposeResult:
        """Give filter line, table and the line that counts."""
        self._filter.compact = True
        self._filter.display = False
        yield self._filter
        yield self._table
        yield self._line

    def look(self, client: Client) -> Callable[[], None]:
        """Ask for all circuits."""
        return partial(self._show, client.get(path("circuit-breakers"), limit=LIMIT))

    def tick(self) -> None:
        """Count the waits for probes down."""
        passed = dashboard(self).clock() - self._at
        for item in self._chosen:
            if item.get("next_probe") is not None:
                self._table.put(str(item.get("name")), "probe", _probe(item, passed))

    def settle(self) -> None:
        """Give the table the focus."""
        self._table.focus()

    def _show(self, page: Json) -> None:
        self._items, self._at = parts(page, "items"), dashboard(self).clock()
        self._more, self._known = bool(page.get("next_cursor")), True
        self._fill()

    def _fill(self) -> None:
        if not self._known:
            return
        found = self._chosen = self._choice.of(self._items)
        paint, passed = paint_of(self), dashboard(self).clock() - self._at
        arrow = "▲" if self._choice.backwards else "▼"
        columns = [
            column._replace(heading=f"{column.heading} {arrow}") if column.key == self._choice.order else column
            for column in COLUMNS
        ]
        self._table.fill([_row(item, paint, passed) for item in found], columns)
        self._line.update(self._said(len(found)))

    def _said(self, shown: int) -> str:
        if not self._items:
            return "No circuits: no application has joined yet, and none is configured here."
        counted = f"{shown:,} of {wording.spoken(len(self._items), 'circuit')}"
        limited = f", the first {LIMIT:,} by name only" if self._more else ""
        chosen = f", filter: {plain(self._choice.words)}" if self._choice.words else ""
        return f"{counted}{limited}{chosen}"

    def action_filter(self) -> None:
        """Open the filter line."""
        self._filter.display = True
        self._filter.focus()

    def action_clear(self) -> None:
        """Close the filter line and show everything."""
        self._filter.value = ""
        self._filter.display = False
        self._choose(replace(self._choice, words=""))
        self.settle()

    def action_sort(self) -> None:
        """Sort by the next column."""
        keys = [column.key for column in COLUMNS]
        following = keys[(keys.index(self._choice.order) + 1) % len(keys)]
        self._choose(replace(self._choice, order=following, backwards=False))

    def action_turn(self) -> None:
        """Turn the order round."""
        self._choose(self._choice.sorted_by(self._choice.order))

    def _choose(self, choice: Choice) -> None:
        self._choice = choice
        self._fill()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while somebody types."""
        self._choose(replace(self._choice, words=event.value.strip()))

    def on_input_submitted(self) -> None:
        """Leave the filter line; an empty one is closed."""
        self._filter.display = bool(self._filter.value.strip())
        self.settle()

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        """Sort by a column whose heading is clicked."""
        if event.column_key.value in ORDERS:
            self._choose(self._choice.sorted_by(event.column_key.value))

    async def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open a circuit."""
        if event.row_key.value is not None:
            await self.app.push_screen(CircuitScreen(event.row_key.value))


def _probe(item: Json, passed: float) -> Text:
    wait = item.get("next_probe")
    return Text("" if wait is None else wording.countdown(wait, passed))


def _row(item: Json, paint: Paint, passed: float) -> Row:
    counters, times = part(item, "counters"), part(item, "response_times")
    stale = wording.number(item.get("stale_replicas"))
    replicas = wording.count(item.get("replicas")) + (f" ({stale:.0f} silent)" if stale else "")
    name = str(item.get("name"))
    failed, refused = counters.get("failures"), counters.get("rejections")
    return name, (
        Text(plain(name), no_wrap=True, overflow="ellipsis"),
        paint.mark(mark_of(CIRCUITS, item.get("state"))),
        Text(wording.age(item.get("since"))),
        _probe(item, passed),
        Text(wording.count(failed), justify="right", style=paint.style(Tone.WARNING) if failed else ""),
        Text(wording.count(refused), justify="right", style=paint.style(Tone.WARNING) if refused else ""),
        Text(wording.lasting(times.get("p99")), justify="right"),
        Text(wording.count(counters.get("successes")), justify="right"),
        Text(replicas, justify="right"),
    )
