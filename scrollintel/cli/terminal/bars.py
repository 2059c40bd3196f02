"""The lines above and below each view: whether what is shown is fresh, and what came of an order."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from ..marks import Tone
from ..output import plain
from .view import dashboard, paint_of


class Head(Static):
    """Which control plane it is, who asks, and `live` or `stale since`."""

    def __init__(self) -> None:
        super().__init__("", classes="head", markup=False)
        self._text = Text()

    def on_mount(self) -> None:
        """Show it at once."""
        self.tick()

    def tick(self) -> None:
        """Write it anew."""
        shown, paint = dashboard(self), paint_of(self)
        stale = shown.contact.stale_since(shown.clock())
        text = Text(f"scrollintel  {plain(shown.client.target.name)}", style="bold", no_wrap=True, overflow="ellipsis")
        if shown.access.who is not None:
            text.append(f"  as {plain(shown.access.who)}", style="not bold")
        if stale is None:
            known = shown.contact.answered is not None
            text.append(
                "  ● live" if known else "  … connecting", style=paint.style(Tone.GOOD if known else Tone.QUIET)
            )
        else:
            text = Text(f"✖ {plain(stale)}", style=paint.style(Tone.BAD), overflow="fold")
        self.set_class(stale is not None, "stale")
        if text != self._text:
            self._text = text
            self.update(text)


class Said(Static):
    """What came of the last order; empty until there is one."""

    def __init__(self) -> None:
        super().__init__("", classes="said", markup=False)

    def on_mount(self) -> None:
        """Show what has been said last."""
        self.tick()

    def tick(self) -> None:
        """Write it anew."""
        said, tone = dashboard(self).said
        self.display = bool(said)
        self.update(Text(plain(said), style=paint_of(self).style(tone)))
