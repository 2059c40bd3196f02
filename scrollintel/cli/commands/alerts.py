"""`scrollintel alerts` and `scrollintel silences`: what fires and why, and of what nobody is told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ..client import path
from ..output import Columns, age_of, parts, plain
from ..paging import paged
from ..program import Command, Group
from ..session import Session
from ..values import DURATION

NAMES = (
    "circuit_open_too_long", "circuit_flapping", "retry_budget_exhausted", "error_budget_burn", "recovery_failing",
    "storm_brake_engaged", "automation_stopped", "audit_chain_broken", "platform_degraded", "replica_stale",
)  # fmt: skip


@click.command(cls=Command)
@click.option("--name", type=click.Choice(NAMES), metavar="NAME", help="Only those of this name.")
@click.option("--service", help="Only those of this service.")
@click.option("--state", type=click.Choice(("pending", "firing")), help="Only those in this state.")
@paged
@click.pass_obj
def alerts(session: Session, /, **query: object) -> None:
    """List what fires or is about to, the worst first."""
    answer = session.client().request("GET", path("alerts"), query=query)
    columns: Columns = {
        "Name": "name",
        "State": _state,
        "Severity": "severity",
        "Service": "service",
        "Target": "target",
        "Since": age_of("since"),
        "Muted": "muted",
        "Summary": "summary",
    }
    session.show_list(answer, columns, "Nothing fires.")


def _state(item: Mapping[str, Any]) -> str:  # Any: JSON values
    return "ending" if item.get("ending") else plain(item.get("state"))


@click.group(cls=Group)
def silences() -> None:
    """Alerts that nobody is told of for a while."""


@silences.command("list")
@paged
@click.pass_obj
def list_(session: Session, /, **query: object) -> None:
    """List the silences in force."""
    answer = session.client().request("GET", path("silences"), query=query)
    columns: Columns = {
        "Id": "id",
        "Silences": _matchers,
        "Ends": age_of("until"),
        "By": "created_by",
        "Reason": "reason",
    }
    session.show_list(answer, columns, "No silences.")


def _matchers(item: Mapping[str, Any]) -> str:  # Any: JSON values
    return ", ".join(
        f"{plain(part.get('label'))}={plain(part.get('value'))}{'*' if part.get('match') == 'prefix' else ''}"
        for part in parts(item, "matchers")
    )


@silences.command()
@click.option("--name", metavar="NAME", help="Alerts of this name, such as circuit_open_too_long.")
@click.option("--service", metavar="NAME", help="Alerts of this service.")
@click.option("--target", metavar="NAME", help="Alerts about this circuit, policy, replica or watched target.")
@click.option("--for", "duration", type=DURATION, required=True, help="How long, such as 2h; at most 30d.")
@click.option("--reason", required=True, help="Why, for the audit log.")
@click.pass_obj
def add(session: Session, /, duration: float, reason: str, **matched: str | None) -> None:
    """Tell nobody of alerts that fit all of these; a value that ends in * fits whatever begins so.

    For example: --service orders --target 'orders/*' --for 2h --reason "we move it"
    """
    matchers = [
        {"label": label, "value": value.removesuffix("*"), "match": "prefix" if value.endswith("*") else "exact"}
        for label, value in matched.items()
        if value is not None
    ]
    if not matchers:
        raise click.UsageError("name at least one of --name, --service and --target")
    until = (datetime.now(UTC) + timedelta(seconds=duration)).isoformat().replace("+00:00", "Z")
    body = {"matchers": matchers, "until": until, "reason": reason}
    answer = session.client().request("POST", path("silences"), body=body)
    number = "" if session.json else plain(answer.item().get("id"))
    session.show_done(answer, f"Silence {number} is in force until {until}.")


@silences.command()
@click.argument("number", metavar="ID")
@click.option("--reason", help="Why, for the audit log.")
@click.pass_obj
def end(session: Session, number: str, reason: str | None) -> None:
    """End a silence: people hear of what fires."""
    answer = session.client().request("DELETE", path("silences", number), query={"reason": reason})
    session.show_done(answer, f"Silence {number} has ended.")
