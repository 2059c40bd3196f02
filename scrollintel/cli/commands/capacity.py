"""`scrollintel capacity`: limits, detectors, warm fallbacks, servers and pools over all replicas."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from ...control.capacity import KINDS
from ..client import path
from ..output import Columns, ago, parts, plain, span
from ..paging import paged
from ..problems import UnexpectedAnswerError
from ..program import Group
from ..session import Session

SHARES = frozenset({"share", "success_share", "agreement", "goodput", "usual_goodput"})
"""Figures from 0 to 1."""


def _replicas(item: Mapping[str, Any]) -> str:  # Any: JSON values
    stale = item.get("stale_replicas") or 0
    return f"{item.get('replicas', 0)}" + (f" ({stale} stale)" if stale else "")


LIST_COLUMNS: Columns = {
    "Name": "name",
    "Kind": lambda item: _words(item.get("kind")),
    "Member": "member",
    "Service": "service",
    "State": "state",
    "Replicas": _replicas,
    "Why": "why",
}


@click.group(cls=Group)
def capacity() -> None:
    """Limits, detectors, warm fallbacks, servers and pools."""


@capacity.command("list")
@click.option(
    "--kind", "kinds", type=click.Choice(list(KINDS)), metavar="KIND", multiple=True,
    help=f"Only these: {', '.join(KINDS)}; may be given several times.",
)  # fmt: skip
@click.option("--name", help="Only those of this policy, server or pool.")
@click.option("--search", help="Only those whose name contains this.")
@click.option("--service", help="Only those of this service.")
@click.option("--acting", is_flag=True, help="Only those that act on calls now, or need somebody.")
@paged
@click.pass_obj
def list_(session: Session, /, kinds: tuple[str, ...], acting: bool, **query: object) -> None:
    """List them over all replicas of each service, and why each is as it is."""
    asked = {**query, "kind": kinds or None, "acting": "true" if acting else None}
    answer = session.client().request("GET", path("capacity"), query=asked)
    session.show_list(answer, LIST_COLUMNS, "No replica reports limits, detectors, warm fallbacks, servers or pools.")


@capacity.command()
@click.argument("name")
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show everything of one policy, server or pool, on each replica."""
    answer = session.client().request("GET", path("capacity", name))
    if session.json:
        session.show_json(answer)
        return
    output, found = session.output, answer.item()
    if not isinstance(found.get("name"), str):
        raise UnexpectedAnswerError("the answer tells of no capacity; is this a control plane?")
    for place, item in enumerate(parts(found, "parts")):
        if place:
            output.raw("")
        member = "" if item.get("member") is None else f" {plain(item.get('member'))}"
        output.say(f"{_words(item.get('kind'))}{member} of {plain(item.get('service'))}: {_words(item.get('state'))}")
        output.say(str(item.get("why") or ""))
        figures = _figures(item)
        if figures:
            output.say(figures)
        columns: Columns = {
            "Replica": "replica",
            "Host": "host",
            "State": "state",
            "Reported": _reported,
            "Reason": lambda row: row.get("reason") or "–",
            "Figures": lambda row: _figures(row) or "–",
        }
        output.table(parts(item, "on_replicas"), columns, "None reports it.")


def _words(text: object) -> str:
    return plain(text).replace("_", " ")


def _reported(row: Mapping[str, Any]) -> str:  # Any: JSON values
    age = row.get("age")
    ending = f"{span(float(age))} ago" if isinstance(age, int | float) else "–"
    return f"stale, {ending}" if row.get("stale") else ending


def _figures(item: Mapping[str, Any]) -> str:  # Any: JSON values
    found = item.get("figures")
    known = found if isinstance(found, dict) else {}
    return ", ".join(f"{_words(name)} {_figure(name, value)}" for name, value in known.items())


def _figure(name: str, value: object) -> str:
    if not isinstance(value, int | float):
        return plain(value)
    if name in SHARES:
        return f"{100 * value:.4g} %"
    if name == "last_worked":
        return ago(datetime.fromtimestamp(min(max(0.0, value), 2.0**33), UTC).isoformat())
    return span(value) if name == "returns_in" else f"{value:.6g}"
