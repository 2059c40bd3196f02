"""`scrollintel degradation`: levels of services."""

from __future__ import annotations

import click

from ..client import path
from ..output import Columns, age_of
from ..paging import paged
from ..program import Group
from ..session import Session
from ..values import DURATION

LEVELS = ("none", "minimal", "moderate", "severe", "critical")


@click.group(cls=Group)
def degradation() -> None:
    """Degradation levels of services."""


@degradation.command("list")
@paged
@click.pass_obj
def list_(session: Session, /, **query: object) -> None:
    """List degraded services with cause and since when."""
    answer = session.client().request("GET", path("degradation"), query=query)
    columns: Columns = {
        "Service": "service",
        "Level": "level",
        "Since": age_of("since"),
        "Ends": age_of("expires_at", "when restored"),
        "Reason": "reason",
    }
    session.show_list(answer, columns, "No service is degraded.")


@degradation.command("set")
@click.argument("service")
@click.argument("level", type=click.Choice(LEVELS))
@click.option("--reason", required=True, help="Why, for the audit log and for whoever wonders.")
@click.option("--expires-in", type=DURATION, help="Ends by itself after this time, such as 30m; default: never.")
@click.pass_obj
def set_(session: Session, service: str, level: str, reason: str, expires_in: float | None) -> None:
    """Set the level of a service on all its replicas."""
    body = {"service": service, "level": level, "reason": reason, "expires_in": expires_in}
    answer = session.client().request("POST", path("degradation"), body=body)
    session.show_done(answer, f"{service} is at level {level}.")


@degradation.command()
@click.argument("service")
@click.option("--reason", help="Why, for the audit log.")
@click.pass_obj
def restore(session: Session, service: str, reason: str | None) -> None:
    """Take back the level that was set by hand."""
    body = {} if reason is None else {"reason": reason}
    answer = session.client().request("POST", path("degradation", service, "restore"), body=body)
    session.show_done(answer, f"{service} is restored.")
