"""What lies over the other screens: a confirmation that names the consequence, and help."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from ..marks import CIRCUITS, CONDITIONS, INCIDENTS
from .orders import Order
from .view import grid, paint_of

MAX_REASON = 1000
"""Characters of a reason that the control plane takes."""
KEYS = (
    ("1  2  3", "overview, circuits, incidents"),
    ("↑ ↓  j k", "move; Page Up and Page Down, Home and End move further"),
    ("Enter", "open what the cursor is on"),
    ("Escape", "go back; clear the filter"),
    ("/", "filter circuits: part of a name or service, state:open, service:orders"),
    ("s  S", "sort circuits by the next column; turn the order round. A click on a heading sorts as well"),
    ("i  c  r", "in a circuit: isolate, close, reset"),
    ("o", "incidents: only those that are open"),
    ("a  x", "in an incident: acknowledge, cancel"),
    ("y  n", "in an incident: approve or refuse the plan that waits"),
    ("t", "dark or light"),
    ("q", "quit"),
)


class Confirm(ModalScreen[str | None]):
    """Gives the reason, perhaps an empty one, when the order is meant, and None when it is not.

    Enter in the line for the reason goes on to the button, so that no single key carries an order out.

    Arguments:
        order: What is asked about.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Do nothing")]

    def __init__(self, order: Order) -> None:
        super().__init__()
        self._order = order

    def compose(self) -> ComposeResult:
        """Give consequence, reason and buttons."""
        needed = "Why? It is written to the audit log." if self._order.needs_reason else "Why? (may be left out)"
        with Vertical(id="dialog"):
            yield Static(Text(self._order.consequence), id="consequence", markup=False)
            yield Input(placeholder=needed, max_length=MAX_REASON, id="reason", compact=True)
            yield Static("", id="missing", markup=False)
            with Horizontal(id="buttons"):
                yield Button(Text(self._order.title, overflow="ellipsis"), id="do", variant="error", compact=True)
                yield Button("Do nothing", id="leave", compact=True)

    def on_mount(self) -> None:
        """Begin with the reason."""
        self.query_one("#reason", Input).focus()

    def on_input_submitted(self) -> None:
        """Go on to the button."""
        if self._has_reason():
            self.query_one("#do", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Give the answer."""
        if event.button.id != "do":
            _ = self.dismiss(None)
        elif self._has_reason():
            _ = self.dismiss(self.query_one("#reason", Input).value.strip())

    def action_leave(self) -> None:
        """Do nothing."""
        _ = self.dismiss(None)

    def _has_reason(self) -> bool:
        line = self.query_one("#reason", Input)
        missing = self._order.needs_reason and not line.value.strip()
        self.query_one("#missing", Static).update("A reason is needed." if missing else "")
        if missing:
            line.focus()
        return not missing


class Help(ModalScreen[None]):
    """Keys, and what the shapes mean."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q", "leave", "Back")]

    def compose(self) -> ComposeResult:
        """Give the text."""
        with VerticalScroll(id="dialog"):
            yield Static("", id="help-text", markup=False)

    def on_mount(self) -> None:
        """Write the text."""
        paint = paint_of(self)
        rows: list[tuple[str, str | Text]] = [*KEYS, ("", "")]
        for title, marks in (("circuits", CIRCUITS), ("targets", CONDITIONS), ("incidents", INCIDENTS)):
            rows.append((title, Text("   ").join(paint.mark(mark) for mark in marks.values())))
        self.query_one("#help-text", Static).update(grid(rows, bold=True))
        self.query_one("#dialog", VerticalScroll).focus()

    def action_leave(self) -> None:
        """Go back."""
        _ = self.dismiss(None)
