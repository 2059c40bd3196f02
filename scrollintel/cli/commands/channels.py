"""`scrollintel channels`: the ways in which people are told, how each does, and a test of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ..client import path
from ..exit_codes import ExitCode
from ..output import Columns, age_of, part, plain, span
from ..program import Group
from ..session import Session

TEST_TIMEOUT = 20.0
"""Seconds that a test may take; the server waits for the receiver before it answers."""


@click.group(cls=Group)
def channels() -> None:
    """Ways in which people are told: how each does, and a test."""


@channels.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List the channels of the settings file, with what came of the last message."""
    answer = session.client().request("GET", path("alerts", "channels"))
    columns: Columns = {
        "Channel": "name",
        "Kind": "kind",
        "Host": "host",
        "Tells": _tells,
        "Sent": "sent",
        "Given up": "given_up",
        "Waiting": "waiting",
        "Last": age_of("last_at"),
        "Outcome": _outcome,
    }
    session.show_list(answer, columns, "No channels: the settings file has no table [[notifications]].")
    if not session.json:
        timing = part(answer.item(), "alerting")
        if timing.get("enabled") is False:
            session.output.say("Alerts are switched off; incidents are told all the same.")
        elif timing:
            group, again = (span(float(timing[name])) for name in ("group_window", "repeat_interval"))
            session.output.say(f"Alerts of one service are gathered for {group} and repeated after {again}.")


def _tells(item: Mapping[str, Any]) -> str:  # Any: JSON values
    return f"severity {plain(item.get('least_severity'))} and worse"


def _outcome(item: Mapping[str, Any]) -> str:  # Any: JSON values
    error = item.get("last_error")
    return plain(item.get("last_outcome")).replace("_", " ") + ("" if error is None else f": {plain(error)}")


@channels.command()
@click.argument("name")
@click.pass_obj
def test(session: Session, name: str) -> None:
    """Send a real message through a channel and tell what came back; fails when nobody took it."""
    client = session.client(timeout=TEST_TIMEOUT)
    answer = client.request("POST", path("alerts", "channels", name, "test"), body={})
    item = answer.item()
    delivered = item.get("delivered") is True
    said = f"{plain(item.get('answer'))}, after {span(float(item.get('seconds') or 0.0))}"
    session.show_done(answer, f"The channel {name} {'delivers' if delivered else 'does not deliver'}: {said}.")
    if not delivered:
        raise click.exceptions.Exit(ExitCode.FAILED)
