"""The dashboard itself: which view is shown, and what keeps it up to date."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.filter import LineFilter, NoColor
from textual.screen import ModalScreen
from textual.widgets import Footer, TabbedContent, TabPane

from ..client import Client
from ..marks import Tone
from ..problems import CommandError, ProblemError
from .access import Access, ask_access
from .asking import Asking
from .bars import Head, Said
from .circuits import Circuits
from .contact import Contact
from .dialogs import Confirm, Help
from .incidents import Incidents
from .orders import Order
from .overview import Overview
from .view import View

TICK = 0.25
"""Seconds between two looks at the clock, for countdowns and ages."""
ACCESS_AGE = 30.0
"""Seconds after which it is asked again what the session may do."""
DARK, LIGHT, NO_COLOR = "textual-dark", "textual-light", "ansi-dark"
_TABS = {"overview": "1 Overview", "circuits": "2 Circuits", "incidents": "3 Incidents"}


class Dashboard(App[None]):
    """Overview, circuits and incidents of one control plane.

    Arguments:
        client: How the control plane is asked; its timeout bounds every question.
        interval: Seconds between two questions; 0.1 to 60, default 1.
        light: Whether to begin with the light theme.
        no_color: Whether to use no colours; `NO_COLOR` in the environment does the same.
        clock: Seconds on a monotonic scale, for countdowns and for how stale something is.
    """

    TITLE = "scrollintel"
    CSS_PATH = "dashboard.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "show('overview')", "Overview", show=False),
        Binding("2", "show('circuits')", "Circuits", show=False),
        Binding("3", "show('incidents')", "Incidents", show=False),
        Binding("t", "turn_light", "Light", show=False),
        Binding("question_mark", "explain", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(
        self,
        client: Client,
        *,
        interval: float = 1.0,
        light: bool = False,
        no_color: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.client = client
        self.clock = clock
        self.access = Access()
        self.contact = Contact(interval, clock())
        self.said: tuple[str, Tone] = ("", Tone.QUIET)
        self._interval = interval
        self._asking = Asking()
        self._ordering = False
        self._views: dict[str, Overview | Circuits | Incidents] = {}
        self._access_asked: float | None = None
        self.no_color = self.no_color or no_color
        self.theme = NO_COLOR if self.no_color else LIGHT if light else DARK

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what is done to every line; without colours no colour is sent at all, not even grey."""
        return [NoColor()] if self.no_color else super().get_line_filters()

    def compose(self) -> ComposeResult:
        """Give the bars and the three views."""
        # Kept, because they are still asked for while the screen is taken down.
        self._views = {"overview": Overview(id="overview-view"), "circuits": Circuits(id="circuits-view"),
                       "incidents": Incidents(id="incidents-view")}  # fmt: skip
        yield Head()
        with TabbedContent(id="views") as self._tabs:
            for name, view in self._views.items():
                with TabPane(_TABS[name], id=name):
                    yield view
        yield Said()
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to look."""
        self.set_interval(TICK, self.tick)
        self.view.settle()
        self.look_at_once()

    @property
    def view(self) -> View:
        """What is shown, beneath a dialog if there is one."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, ModalScreen):
                continue
            if isinstance(screen, View):
                return screen
        return self._views.get(self._tabs.active, self._views["overview"])

    def tick(self) -> None:
        """Show what changes with time alone."""
        for screen in self.screen_stack:
            for bar in screen.query(Head):
                bar.tick()
        self.view.tick()

    def look_at_once(self) -> None:
        """Ask what the view on the screen wants to know, now and then after each interval; a question before ends."""
        self.run_worker(self._keep_looking(), group="looking", exclusive=True)

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self._look(self.view)
            except CommandError as error:
                self.contact.failed(error)
            else:
                self.contact.heard(self.clock())
            self.tick()
            await asyncio.sleep(self._interval)

    async def _look(self, view: View) -> None:
        asked = self._access_asked
        if asked is None or self.clock() - asked > ACCESS_AGE:
            self.access = await self._asking.run(partial(ask_access, self.client))
            self._access_asked = self.clock()
            self.refresh_bindings()
        show = await self._asking.run(partial(view.look, self.client))
        if view is self.view:
            show()

    def order(self, order: Order) -> None:
        """Have something carried out once somebody has confirmed it; one thing at a time."""
        if not self._ordering:
            self._ordering = True
            self.run_worker(self._carry_out(order), group="orders")

    async def _carry_out(self, order: Order) -> None:
        try:
            await self._confirmed(order)
        finally:
            self._ordering = False
        self.look_at_once()

    async def _confirmed(self, order: Order | None) -> None:
        while order is not None:
            reason = await self.push_screen_wait(Confirm(order))
            if reason is None:
                self.say("Nothing was done.", Tone.QUIET)
                return
            wanted, order = order, None
            try:
                self.say(await self._asking.run(partial(wanted.send, self.client, reason or None)), Tone.GOOD)
            except ProblemError as error:
                order = wanted.again(error)
                if order is None:
                    self.say("  ".join(error.lines()), Tone.BAD)
            except CommandError as error:
                self.say("  ".join(error.lines()), Tone.BAD)

    def say(self, sentence: str, tone: Tone) -> None:
        """Show what came of an order, until the next one."""
        self.said = (sentence, tone)
        for screen in self.screen_stack:
            for bar in screen.query(Said):
                bar.tick()

    def on_tabbed_content_tab_activated(self) -> None:
        """Give the view that is shown the focus, and look at once."""
        self.view.settle()
        self.look_at_once()

    async def action_show(self, name: str) -> None:
        """Show one of the three views, from wherever somebody is."""
        while len(self.screen_stack) > 1:
            await self.pop_screen()
        self._tabs.active = name

    async def action_explain(self) -> None:
        """Show the keys."""
        await self.push_screen(Help())

    def action_turn_light(self) -> None:
        """Turn from dark to light and back; without colours there is nothing to turn."""
        if not self.no_color:
            self.theme = DARK if self.theme == LIGHT else LIGHT
            self.look_at_once()

    async def action_quit(self) -> None:
        """End; what is being asked is given up."""
        self.workers.cancel_all()
        self.exit()
