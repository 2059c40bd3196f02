"""The third view: incidents, and plans that wait for a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import DataTable, Static

from ..client import Client, path
from ..marks import INCIDENTS, Mark, Tone, mark_of
from ..output import parts, plain
from . import wording
from .incident import IncidentScreen
from .overview import severity
from .table import Column, LiveTable, Row
from .view import Paint, dashboard, paint_of

Json = Mapping[str, Any]  # Any: JSON values
LIMIT = 200
"""Incidents that are asked for, the newest."""
COLUMNS = (
    Column("target", "Target"), Column("severity", "Severity", 8), Column("state", "State", 12),
    Column("age", "For", 16), Column("failure", "Failure"), Column("taken", "Taken by"),
    Column("detail", "Detail", 120),
)  # fmt: skip
_ASKS = Mark("?", "asks", Tone.WARNING)
_QUESTION = "question "
"""Begins the key of a row that is a question about no incident."""


class Incidents(Vertical):
    """Table of incidents, open ones first; `o` shows those alone."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("o", "only_open", "Open only")]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._incidents: list[dict[str, Any]] = []
        self._questions: list[dict[str, Any]] = []
        self._known = False
        self._second = -1
        self._only_open = False
        self._table = LiveTable(COLUMNS, id="incidents-table")
        self._line = Static("connecting …", id="incidents-said", markup=False)

    def compose(self) -> ComposeResult:
        """Give the table and the line that counts."""
        yield self._table
        yield self._line

    def look(self, client: Client) -> Callable[[], None]:
        """Ask for incidents and for questions that stand."""
        incidents = client.get(path("incidents"), limit=LIMIT)
        return partial(self._show, incidents, client.get(path("approvals"), limit=LIMIT))

    def tick(self) -> None:
        """Let the ages grow, once a second."""
        second = int(dashboard(self).clock())
        if second != self._second:
            self._second = second
            self._fill()

    def settle(self) -> None:
        """Give the table the focus."""
        self._table.focus()

    def _show(self, incidents: Json, questions: Json) -> None:
        self._incidents, self._questions = parts(incidents, "items"), parts(questions, "items")
        self._known = True
        self._fill()

    def _fill(self) -> None:
        if not self._known:
            return
        paint = paint_of(self)
        running = [item for item in self._incidents if item.get("ended_at") is None]
        over = [] if self._only_open else [item for item in self._incidents if item.get("ended_at") is not None]
        running.sort(key=lambda item: wording.number(item.get("severity")) or 9.0)
        others = [item for item in self._questions if item.get("incident") is None and item.get("decision") is None]
        rows = [_asked(item, paint) for item in others] + [_row(item, paint) for item in (*running, *over)]
        self._table.fill(rows)
        self._line.update(self._said(len(running)))

    def _said(self, running: int) -> str:
        standing = sum(item.get("decision") is None for item in self._questions)
        asked = f", {wording.spoken(standing, 'plan waits', 'plans wait')} for a person" if standing else ""
        kept = "" if self._only_open else f", {len(self._incidents) - running:,} over"
        return f"{wording.spoken(running, 'open incident')}{kept}{asked}"

    def action_only_open(self) -> None:
        """Show open ones alone, or all."""
        self._only_open = not self._only_open
        self._fill()

    async def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open an incident, or a question about none."""
        key = event.row_key.value
        if key is None:
            return
        if key.startswith(_QUESTION):
            await self.app.push_screen(IncidentScreen(question=key.removeprefix(_QUESTION)))
        else:
            await self.app.push_screen(IncidentScreen(key))


def _row(item: Json, paint: Paint) -> Row:
    ended = item.get("ended_at")
    since = wording.age(item.get("declared_at"))
    return str(item.get("id")), (
        Text(plain(item.get("target")), no_wrap=True, overflow="ellipsis"),
        severity(item, paint),
        paint.mark(mark_of(INCIDENTS, item.get("state"))),
        Text(since if ended is None else f"over, {wording.age(ended)} ago"),
        Text(plain(item.get("failure_type"))),
        Text("" if item.get("acknowledged_by") is None else plain(item.get("acknowledged_by"))),
        Text(plain(item.get("detail")), no_wrap=True, overflow="ellipsis"),
    )


def _asked(item: Json, paint: Paint) -> Row:
    return f"{_QUESTION}{item.get('id')}", (
        Text(plain(item.get("target")), no_wrap=True, overflow="ellipsis"),
        Text(""),
        paint.mark(_ASKS),
        Text(wording.age(item.get("requested_at"))),
        Text(""),
        Text(""),
        Text(plain(item.get("why")), no_wrap=True, overflow="ellipsis"),
    )
