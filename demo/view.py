"""The live view: both lanes side by side, circuits, level, services and the timeline."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.box import ROUNDED
from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from scrollintel import DegradationLevel

from .figures import Unit, write
from .meter import buckets, summarise
from .stage import Stage
from .timeline import Entry, Mark
from .traffic import Lane

RECENT = 2.0
"""Seconds over which rates, shares and waits of the view are taken."""
CELL = 0.4
"""Seconds that one cell of the history of a lane stands for."""
STYLES = {
    Mark.SCENE: "bold",
    Mark.FAULT: "bold red",
    Mark.REPAIR: "green",
    Mark.CIRCUIT: "yellow",
    Mark.LEVEL: "magenta",
    Mark.RECOVERY: "cyan",
    Mark.MEASURE: "bold bright_white",
}
SIGNS = {
    Mark.SCENE: "▶",
    Mark.FAULT: "✖",
    Mark.REPAIR: "✔",
    Mark.CIRCUIT: "◆",
    Mark.LEVEL: "▼",
    Mark.RECOVERY: "↻",
    Mark.MEASURE: "◷",
}
STATES = {"closed": "bold green", "open": "bold red", "half_open": "bold yellow"}
BARS = " ▁▂▃▄▅▆▇█"
ROWS = 3
WIDE = 96
"""Columns from which there is room for process ids."""


class View:
    """Draws one frame from the stage; knows nothing of how it is refreshed."""

    def __init__(self, stage: Stage, names: Sequence[str], seconds: float) -> None:
        self._stage = stage
        self._names = names
        self._seconds = seconds

    def frame(self, console: Console) -> RenderableType:
        """Return the view as it is now, for the size of this console."""
        width, height = console.size
        layout = Layout()
        layout.split_column(
            Layout(self._head(), size=5, name="head"),
            Layout(name="lanes", size=8),
            Layout(name="state", size=7),
            Layout(self._timeline(height - 20 - 2, width - 4), name="timeline"),
        )
        stage = self._stage
        layout["lanes"].split_row(
            Layout(_lane(stage.protected, "with scrollintel", "green", stage.showing.began, width // 2)),
            Layout(_lane(stage.control, "without (control)", "red", stage.showing.began, width - width // 2)),
        )
        layout["state"].split_row(
            Layout(self._policies()), Layout(self._level()), Layout(self._services(pids=width >= WIDE))
        )
        return layout

    def _head(self) -> Panel:
        stage, chips = self._stage, Text()
        done = {figure.scenario for figure in stage.figures}
        broken = {figure.scenario for figure in stage.figures if figure.is_promise and not figure.kept}
        for name in self._names:
            if name == stage.showing.name and name not in done:
                chips.append(f" ▶ {name} ", style="bold black on bright_cyan")
            elif name in done:
                chips.append(
                    f" ✘ {name} " if name in broken else f" ✔ {name} ", style="red" if name in broken else "green"
                )
            else:
                chips.append(f" · {name} ", style="dim")
        faults = ", ".join(stage.faults.active.values())
        now = (
            Text("BROKEN NOW: ", style="bold red").append(faults)
            if faults
            else Text("nothing is broken", style="green")
        )
        body = Group(
            _two_ends(chips, Text(f"{stage.timeline.now():.0f} s of about {self._seconds:.0f} s", style="dim")),
            Text(stage.showing.phase, style="bold", no_wrap=True, overflow="ellipsis"),
            _two_ends(now, Text(f"{stage.stream.rate:g} requests/s down each lane", style="dim")),
        )
        title = "[bold]scrollintel[/] real services on this machine, broken for real"
        return Panel(body, title=title, box=ROUNDED, border_style="bright_cyan")

    def _policies(self) -> Panel:
        lines: list[Text] = []
        for policy in self._stage.showing.policies():
            head = Text(policy.name, style="bold")
            if policy.state is not None:
                head.append(f"  {policy.state.replace('_', ' ').upper()}", style=STATES.get(policy.state, "bold"))
            if policy.retry_after:
                head.append(f"  {policy.retry_after:.1f} s", style="dim")
            lines.append(head)
            lines.append(Text(f"  {policy.rejections} refused, {policy.timeouts} late"))
            lines.append(Text(f"  {policy.retries} retries, {policy.fallbacks} fallbacks"))
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        body = Group(*lines) if lines else Text("none in this scenario", style="dim")
        return Panel(body, title="policies", box=ROUNDED, border_style="yellow")

    def _level(self) -> Panel:
        showing = self._stage.showing
        if showing.level is None:
            return Panel(
                Text("none in this scenario", style="dim"), title="degradation", box=ROUNDED, border_style="magenta"
            )
        level = DegradationLevel(showing.level())
        head = Text("■" * level + "□" * (4 - level) + " ", style="magenta").append(level.name, style="bold")
        lines = [head]
        for name, enabled in showing.features().items():
            lines.append(Text(f"{'✔' if enabled else '✘'} {name}", style="green" if enabled else "red"))
        return Panel(Group(*lines), title="degradation", box=ROUNDED, border_style="magenta")

    def _services(self, *, pids: bool) -> Panel:
        stage, active = self._stage, self._stage.faults.active
        grid = Table.grid(padding=(0, 1))
        for service in (stage.storefront, stage.inventory):
            state, style = "running", "green"
            if service.is_gone():
                state, style = "gone", "bold red"
            elif service.name in active:
                state, style = "stopped", "bold red"
            elif f"{service.name} starved" in active:
                state, style = "starved", "bold yellow"
            grid.add_row(
                service.name, Text(state, style=style), Text(f"pid {service.pid}" if pids else "", style="dim")
            )
        trouble = next((name for name in ("database locked", "table missing") if name in active), None)
        text = Text(
            {"database locked": "locked", "table missing": "no table"}.get(trouble or "", "usable"),
            style="bold red" if trouble else "green",
        )
        grid.add_row("database", text, Text("SQLite" if pids else "", style="dim"))
        restarts = len(stage.platform.incidents)
        grid.add_row("control plane", Text(f"{restarts}", style="cyan"), Text("restarts" if pids else "", style="dim"))
        return Panel(grid, title="services", box=ROUNDED, border_style="blue")

    def _timeline(self, lines: int, width: int) -> Panel:
        shown = self._stage.timeline.entries[-max(1, lines) :]
        return Panel(
            Group(*(entry_line(entry, width) for entry in shown)), title="timeline", box=ROUNDED, border_style="white"
        )


def entry_line(entry: Entry, width: int | None = None) -> Text:
    """Return an entry of the timeline as one coloured line."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{entry.at:7.2f} s ", style="dim")
    text.append(f"{SIGNS[entry.mark]} {entry.text}", style=STYLES[entry.mark])
    if width is not None:
        text.truncate(width, overflow="ellipsis")
    return text


def _lane(lane: Lane, title: str, colour: str, began: float, width: int) -> Panel:
    now = time.monotonic()
    cells = max(10, width - 4)
    samples = lane.meter.recent(now - cells * CELL)
    recent = summarise([sample for sample in samples if sample.ended >= now - RECENT])
    # Who waits for too long has no answer either, though the request has not failed yet.
    asked = recent.requests + lane.meter.overdue(now)
    share = (recent.requests - recent.failed) / asked if asked else 0.0
    head = _two_ends(
        Text(f"{write(share, Unit.SHARE)} answered", style=f"bold {_colour(share)}"),
        Text(f"{recent.requests / RECENT:.0f} answers/s", style="bold"),
    )
    waits = _two_ends(
        Text(f"wait p50 {write(recent.p50, Unit.SECONDS)}, p99 {write(recent.p99, Unit.SECONDS)}"),
        Text(f"{lane.meter.in_flight} waiting", style="bold red" if lane.meter.in_flight > 20 else ""),
    )
    total = lane.meter.summary(began)
    kept = total.stale + total.kept + total.reduced
    whole = _two_ends(
        Text.assemble(
            "scenario: ",
            (f"{total.fresh} live", "green"),
            *((", ", (f"{kept} kept", "yellow")) if kept else ()),
            ", ",
            (f"{total.failed} lost", "red" if total.failed else "green"),
        ),
        Text(write(total.answered, Unit.SHARE), style=f"bold {_colour(total.answered)}"),
    )
    history = buckets(samples, now, CELL, cells)
    body = Group(head, *_history(history), waits, whole)
    return Panel(body, title=f"[bold]{title}[/]", box=ROUNDED, border_style=colour)


def _two_ends(left: Text, right: Text) -> Table:
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(left, Text(" ").append_text(right))
    return grid


def _history(shares: Sequence[float | None]) -> list[Text]:
    """Return the share answered over time as bars of `ROWS` lines."""
    lines = []
    for row in reversed(range(ROWS)):
        text = Text(no_wrap=True)
        for share in shares:
            eighths = 0 if share is None else max(1, round(share * ROWS * 8)) - row * 8
            cell = " ·"[row == 0] if share is None else BARS[max(0, min(8, eighths))]
            text.append(cell, style="dim" if share is None else _colour(share))
        lines.append(text)
    return lines


def _colour(share: float) -> str:
    return "green" if share >= 0.99 else "yellow" if share >= 0.8 else "red"
