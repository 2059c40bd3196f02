"""`scrollintel events`: follow what happens."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

import click

from ..client import path
from ..output import plain
from ..problems import UnreachableError
from ..program import Command
from ..session import Session

STREAM = "text/event-stream"
SILENCE = 15.0
"""Seconds without a line, comments of the server included, after which the stream counts as broken."""
_PAUSES = (0.5, 1.0, 2.0, 5.0)


class Event(NamedTuple):
    """One server-sent event."""

    id: str
    name: str
    data: str


def parse(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events in the lines of a stream; comments and an unfinished last event are left out."""
    number, name, data = "", "", list[str]()
    for line in lines:
        if not line:
            if data:
                yield Event(number, name or "message", "\n".join(data))
            name, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "id" and "\0" not in value:
            number = value
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)


@click.command(cls=Command)
@click.option("--event", "names", multiple=True, help="Only events with this name; may be given several times.")
@click.option("--after", "last", help="Go on behind the event with this id.")
@click.option("--count", type=click.IntRange(1), help="End after so many events.")
@click.pass_obj
def events(session: Session, names: tuple[str, ...], last: str | None, count: int | None) -> None:
    """Follow what happens until Ctrl-C; a lost connection is taken up where it ended. --json gives JSON lines."""
    client = session.client()
    silence = max(SILENCE, session.timeout or 0.0)  # a stream on which nothing happens is no server that hangs
    left, failures, began = count, 0, False
    while True:
        headers = {"Last-Event-ID": last} if last else {}
        try:
            chosen = {"event": names or None}
            with client.lines(path("events"), STREAM, query=chosen, headers=headers, silence=silence) as lines:
                began = True
                for event in parse(lines):
                    failures = 0
                    last = event.id or last
                    _show(session, event)
                    if left is not None and (left := left - 1) == 0:
                        return
            session.output.note("the control plane has ended the stream; trying again")
        except UnreachableError as error:
            if not began:
                raise
            session.output.note(f"{error}; trying again")
        time.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
        failures += 1


def _show(session: Session, event: Event) -> None:
    try:
        data = json.loads(event.data)
    except (ValueError, RecursionError):
        data = event.data
    if session.json:
        session.output.raw(json.dumps({"id": event.id, "event": event.name, "data": data}, ensure_ascii=False))
        return
    fields = data if isinstance(data, dict) else {"data": data}
    at = fields.get("at")
    try:
        shown = datetime.fromisoformat(str(at)).astimezone().strftime("%H:%M:%S")
    except (ValueError, OverflowError):
        shown = datetime.now().astimezone().strftime("%H:%M:%S")
    said = {"at": at, "event": event.name}  # stands at the beginning of the line
    told = "  ".join(
        f"{name}={plain(value)}"
        for name, value in fields.items()
        if value is not None and (name not in said or value != said[name])
    )
    session.output.raw(f"{shown}  {plain(event.name)}  {told}")
