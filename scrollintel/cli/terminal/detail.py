"""A screen about one thing: a text that scrolls, and keys for what can be done to it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from rich.console import Group
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Static

from ..client import Client
from .bars import Head, Said
from .view import Paint, dashboard, paint_of

if TYPE_CHECKING:
    from .app import Dashboard


class DetailScreen(Screen[None]):
    """Looks at one thing until it is left; a subclass asks, paints and offers orders."""

    orders: ClassVar[tuple[str, ...]] = ()
    """Actions that are offered only when they fit and the role may take them."""
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]

    def __init__(self) -> None:
        super().__init__()
        self._at = 0.0
        self._offered: list[bool | None] = []
        self._text = Static("asking …", id="detail-text", markup=False)

    @property
    def dashboard(self) -> Dashboard:
        """The dashboard that this screen is part of."""
        return dashboard(self)

    def compose(self) -> ComposeResult:
        """Give the bars and the text."""
        yield Head()
        with VerticalScroll(id="detail"):
            yield self._text
        yield Said()
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Look at once."""
        self.settle()
        self.dashboard.look_at_once()

    def on_unmount(self) -> None:
        """Let the view beneath be looked after again."""
        self.dashboard.look_at_once()

    @abstractmethod
    def look(self, client: Client) -> Callable[[], None]:
        """Ask, in a thread, and return what shows the answer."""

    @abstractmethod
    def picture(self, paint: Paint, passed: float) -> Group | None:
        """Return the text, or None while nothing is known.

        Arguments:
            paint: Styles.
            passed: Seconds since the answer came.
        """

    def show(self) -> None:
        """Show an answer that has just come."""
        self._at = self.dashboard.clock()
        self.tick()
        offered = [self.check_action(name, ()) for name in self.orders]
        if offered != self._offered:  # the footer is built anew, which is not for every answer
            self._offered = offered
            self.refresh_bindings()

    def tick(self) -> None:
        """Write the text anew: countdowns and ages change."""
        found = self.picture(paint_of(self), self.dashboard.clock() - self._at)
        if found is not None:
            self._text.update(found)

    def settle(self) -> None:
        """Give the text the focus, so that it can be scrolled."""
        self.query_one("#detail", VerticalScroll).focus()

    def action_leave(self) -> None:
        """Go back."""
        _ = self.dismiss(None)
