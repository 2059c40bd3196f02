"""What the views have in common: they ask in a thread, show on the screen, and colour by tone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from rich.table import Table
from rich.text import Text
from textual.widget import Widget

from ..client import Client
from ..marks import Mark, Tone

if TYPE_CHECKING:
    from .app import Dashboard

_VARIABLES = {
    Tone.GOOD: "text-success",
    Tone.BUSY: "text-primary",
    Tone.WARNING: "text-warning",
    Tone.BAD: "text-error",
}
"""The theme's colours that can be read on its backgrounds."""
_PLAIN = {Tone.GOOD: "", Tone.BUSY: "", Tone.WARNING: "bold", Tone.BAD: "bold", Tone.QUIET: "dim"}
_BOLD = (Tone.WARNING, Tone.BAD)


@runtime_checkable
class View(Protocol):
    """Something on the screen that is kept up to date."""

    def look(self, client: Client) -> Callable[[], None]:
        """Ask, in a thread, and return what shows the answer and is called beside the screen's other work."""

    def tick(self) -> None:
        """Show what changes with time alone, such as a countdown."""

    def settle(self) -> None:
        """Take the focus."""


def dashboard(widget: Widget) -> Dashboard:
    """Return the dashboard that a widget is part of."""
    return cast("Dashboard", widget.app)


class Paint:
    """Rich styles by tone.

    Arguments:
        variables: The theme's variables.
        no_color: Whether weight has to do without colour.
    """

    def __init__(self, variables: Mapping[str, str], *, no_color: bool) -> None:
        self._styles: dict[Tone, str] = dict(_PLAIN)
        if not no_color:
            for tone, variable in _VARIABLES.items():
                # Themes may name colours in a way that Rich does not know; those are left to the terminal.
                color = variables.get(variable, "")
                if color.startswith("#"):
                    self._styles[tone] = f"bold {color}" if tone in _BOLD else color

    def style(self, tone: Tone) -> str:
        """Return the style of a tone."""
        return self._styles[tone]

    def mark(self, mark: Mark) -> Text:
        """Return shape and word of a mark in the style of its tone."""
        return Text(mark.text, style=self._styles[mark.tone], no_wrap=True)

    def bold(self, text: str) -> Text:
        """Return a heading."""
        return Text(text, style="bold")


def grid(rows: Iterable[Sequence[str | Text]], *, headings: Sequence[str] = (), bold: bool = False) -> Table:
    """Return texts in columns, of which the last one is wrapped.

    Arguments:
        rows: Cells; what they say is never taken for markup.
        headings: What stands above the columns, or nothing.
        bold: Whether the first column is.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=bool(headings), show_edge=False, header_style="bold")
    cells = [[Text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    width = max((len(row) for row in cells), default=len(headings))
    for place in range(width):
        heading = Text(headings[place]) if headings else Text()
        last = place == width - 1
        style = "bold" if bold and place == 0 else ""
        table.add_column(heading, style=style, no_wrap=not last, overflow="fold" if last else "ellipsis")
    for row in cells:
        table.add_row(*row)
    return table


def paint_of(widget: Widget) -> Paint:
    """Return the styles of the theme in force."""
    app = widget.app
    return Paint(app.theme_variables, no_color=app.no_color)
