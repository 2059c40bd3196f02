"""`scrollintel recovery`: start recoveries and read their history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from ..client import path
from ..output import Columns, age_of, part, parts, plain
from ..paging import paged
from ..program import Group
from ..session import Session
from ..values import MOMENT


@click.group(cls=Group)
def recovery() -> None:
    """Start recoveries and read their history."""


@recovery.command()
@click.argument("service")
@click.option("--failure-type", default="unknown", show_default=True, help="What is wrong, as strategies know it.")
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    metavar="NAME",
    help="What to try; repeat it for more, in this order. Default: what is registered for the service.",
)
@click.option("--reason", help="Why, for the audit log.")
@click.pass_obj
def start(session: Session, service: str, failure_type: str, strategies: tuple[str, ...], reason: str | None) -> None:
    """Start a recovery of a service; `scrollintel recovery strategies` lists what it can try."""
    body: dict[str, object] = {"service": service, "failure_type": failure_type, "reason": reason}
    if strategies:
        body["strategies"] = list(strategies)
    answer = session.client().request("POST", path("recovery", "initiate"), body=body)
    number = "" if session.json else plain(answer.item().get("id"))
    session.show_done(
        answer, f"Recovery {number} of {service} has started; `scrollintel recovery show {number}` tells how it goes."
    )


@recovery.command()
@click.option("--service", required=True, help="Whose strategies.")
@click.pass_obj
def strategies(session: Session, service: str) -> None:
    """List what a recovery of a service can try; those first that are tried without being named."""
    answer = session.client().request("GET", path("recovery", "strategies"), query={"service": service})
    columns: Columns = {
        "Strategy": "name",
        "Built in": "built_in",
        "Default": "default",
        "For": _failures,
        "Description": "description",
    }
    session.show_list(answer, columns, "No strategies.")


def _failures(item: Mapping[str, Any]) -> str:  # Any: JSON values
    kinds = item.get("failure_types")
    return "everything" if kinds is None else ", ".join(map(str, kinds))


@recovery.command()
@click.option("--service", help="Only those of this service.")
@click.option("--since", type=MOMENT, help="Only those since then: a time, or a duration such as 30d.")
@click.pass_obj
def statistics(session: Session, service: str | None, since: str | None) -> None:
    """Show how often services fail and how fast they come back: medians and tails."""
    query = {"service": service, "from": since}
    answer = session.client().request("GET", path("recovery", "statistics"), query=query)
    if session.json:
        session.show_json(answer)
        return
    item = answer.item()
    rows = [{"what": name.replace("_", " "), **part(item, name)} for name in _SPREADS if part(item, name)]
    spread = {name: _rounded(name) for name in ("count", "median", "p90", "p95", "max", "mean")}
    columns: Columns = {"Seconds": "what", **spread}
    session.output.table(rows, columns, "Nothing has failed.")
    rate = item.get("success_rate")
    if isinstance(rate, float):
        session.output.raw(f"\n{plain(item.get('recoveries'))} recoveries, {rate:.0%} with success")


_SPREADS = ("time_to_recover", "time_between_failures", "detection", "initiation", "action", "validation")


def _rounded(name: str) -> Callable[[Mapping[str, Any]], str]:  # Any: JSON values
    def cell(item: Mapping[str, Any]) -> str:  # Any: JSON values
        value = item.get(name)
        return f"{value:.3f}" if isinstance(value, float) else plain(value)

    return cell


@recovery.command("list")
@click.option("--service", help="Only those of this service.")
@click.option("--status", help="Only pending, running, finished or interrupted ones.")
@click.option("--outcome", help="Only those that ended recovered, not_needed, refused or failed.")
@click.option("--since", type=MOMENT, help="Only those since then: a time, or a duration such as 2h.")
@paged
@click.pass_obj
def list_(session: Session, /, since: str | None, **query: object) -> None:
    """List recoveries, the latest first."""
    answer = session.client().request("GET", path("recovery", "history"), query={**query, "from": since})
    columns: Columns = {
        "Id": "id",
        "Service": "service",
        "Failure": "failure_type",
        "Status": "status",
        "Outcome": "outcome",
        "Started": age_of("started_at"),
        "Reason": "reason",
    }
    session.show_list(answer, columns, "No recoveries.")


@recovery.command()
@click.argument("number", metavar="ID")
@click.option("--reason", required=True, help="Why, for the audit log.")
@click.pass_obj
def cancel(session: Session, number: str, reason: str) -> None:
    """End a recovery after the step that it is in; nothing is undone."""
    session.confirm(f"The recovery {number} ends after the step that it is in, and nothing is undone")
    answer = session.client().request("POST", path("recovery", number, "cancel"), body={"reason": reason})
    session.show_done(answer, f"The recovery {number} ends.")


@recovery.command()
@click.argument("number", metavar="ID")
@click.pass_obj
def show(session: Session, number: str) -> None:
    """Show a recovery with its steps."""
    answer = session.client().request("GET", path("recovery", number))
    if session.json:
        session.show_json(answer)
        return
    item = answer.item()
    session.output.facts((name.replace("_", " "), value) for name, value in item.items() if name != "steps")
    steps = parts(item, "steps")
    if steps:
        session.output.raw("\nSteps")
        session.output.table(steps, {name.replace("_", " "): name for name in steps[0]}, "None.")
