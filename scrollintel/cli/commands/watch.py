"""`scrollintel watch`: targets, incidents and automation, live."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Group as Lines
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..client import Client, path
from ..marks import CONDITIONS, mark_of
from ..output import parts, plain, span
from ..problems import UnreachableError
from ..program import Command
from ..session import Session

INTERVAL = 0.5
"""Seconds between two pictures."""
SHOWN = 5
"""Incidents that are shown with the end of their timeline."""
STYLES = {
    "healthy": "green",
    "suspect": "yellow",
    "failed": "bold red",
    "recovering": "cyan",
    "validating": "cyan",
    "quarantined": "bold magenta",
}

Json = Mapping[str, Any]  # Any: JSON values


@click.command(cls=Command)
@click.option("--once", is_flag=True, help="Show one picture and end.")
@click.option("--interval", type=click.FloatRange(0.1, 60.0), default=INTERVAL, help="Seconds between two pictures.")
@click.pass_obj
def watch(session: Session, once: bool, interval: float) -> None:
    """Watch targets and incidents live, until Ctrl-C; --json gives the targets once."""
    client = session.client()
    console = session.output.console()
    if once or session.json or not console.is_terminal:
        answers = [client.request("GET", path(name)) for name in ("checks", "incidents", "automation")]
        if session.json:
            session.show_json(answers[0])
        else:
            console.print(_picture(client, answers[0].item(), answers[1].item(), answers[2].item()))
        return
    shown, since = Text("connecting …"), time.monotonic()
    with Live(shown, console=console, screen=True, auto_refresh=False) as live:
        while True:
            try:
                found = [client.request("GET", path(name)).item() for name in ("checks", "incidents", "automation")]
                picture, since = _picture(client, *found), time.monotonic()
                live.update(picture, refresh=True)
            except UnreachableError:
                stale = Text(f"stale since {span(time.monotonic() - since)}: nobody answers", style="bold red")
                live.update(Lines(stale, live.renderable), refresh=True)
            time.sleep(interval)


def _picture(client: Client, checks: Json, incidents: Json, automation: Json) -> Lines:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("Target", "Condition", "For", "Last found"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for item in parts(checks, "items"):
        condition = plain(item.get("condition"))
        looks = parts(item, "checks")
        bad = [look for look in looks if not look.get("good")] or looks
        told = plain(bad[0].get("detail")) if bad else ""
        age = "" if item.get("since") is None else span(float(item["since"]))
        mark = Text(f"{mark_of(CONDITIONS, condition).text}", style=STYLES.get(condition, ""))
        table.add_row(plain(item.get("target")), mark, age, told)
    lines: list[Text | Table] = [_standing(automation), Text(""), table, Text("")]
    open_ones = [item for item in parts(incidents, "items") if item.get("ended_at") is None]
    for item in open_ones[:SHOWN]:
        lines.append(_headline(item))
        story = client.request("GET", path("incidents", plain(item.get("id")))).item()
        lines += [
            Text(f"    {plain(event.get('kind')):<11} {plain(event.get('detail'))}", style="dim", no_wrap=True)
            for event in parts(story, "timeline")[-4:]
        ]
    if not open_ones:
        lines.append(Text("No open incidents.", style="green"))
    return Lines(*lines)


def _headline(item: Json) -> Text:
    said = f"{plain(item.get('target'))} {plain(item.get('failure_type'))}: {plain(item.get('state'))}"
    return Text(f"{said} – {plain(item.get('detail'))}", style="bold", no_wrap=True)


def _standing(automation: Json) -> Text:
    for name, word in (("stopped", "reason"), ("brake", "why")):
        held = automation.get(name)
        if isinstance(held, Mapping):
            return Text(
                f"automation is {name if name == 'stopped' else 'braked'}: {plain(held.get(word))}", style="bold red"
            )
    running = f"{automation.get('running')} of {automation.get('max_running')} recoveries"
    return Text(
        f"automation: {'watching' if automation.get('watching') else 'watches nothing'}, {running}", style="dim"
    )
