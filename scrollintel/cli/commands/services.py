"""`scrollintel services`: services and what they depend on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ..client import path
from ..output import Columns, parts
from ..paging import paged
from ..program import Group
from ..session import Session

KINDS = ("hard", "soft", "fallback")


def _needs(item: Mapping[str, Any]) -> str:  # Any: JSON values
    listed = parts(item, "depends_on")
    return ", ".join(
        str(entry.get("name")) + ("" if entry.get("kind") == "hard" else f" ({entry.get('kind')})") for entry in listed
    )


@click.group(cls=Group)
def services() -> None:
    """Services and what they depend on."""


@services.command("list")
@paged
@click.pass_obj
def list_(session: Session, /, **query: object) -> None:
    """List registered services."""
    answer = session.client().request("GET", path("services"), query=query)
    columns: Columns = {
        "Service": "name",
        "Tier": "tier",
        "Owner": "owner",
        "Depends on": _needs,
        "Source": "source",
        "Description": "description",
    }
    session.show_list(answer, columns, "No services are registered; `scrollintel replicas list` shows what has joined.")


@services.command()
@click.argument("name")
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show a service in full."""
    session.show_facts(session.client().request("GET", path("services", name)))


@services.command()
@click.argument("name")
@click.option("--tier", type=click.IntRange(1, 5), default=3, show_default=True, help="How much depends on it; 1 most.")
@click.option("--owner", help="Who answers for it.")
@click.option("--description", help="One line for people.")
@click.option(
    "--depends-on", "needs", multiple=True, metavar="SERVICE[:KIND]", help="hard (default), soft or fallback."
)
@click.pass_obj
def register(
    session: Session, name: str, tier: int, owner: str | None, description: str | None, needs: tuple[str, ...]
) -> None:
    """Register a service."""
    body = {
        "name": name,
        "tier": tier,
        "owner": owner,
        "description": description,
        "depends_on": [_dependency(text) for text in needs],
    }
    answer = session.client().request("POST", path("services"), body=body)
    session.show_done(answer, f"Service {name} is registered.")


def _dependency(text: str) -> dict[str, str]:
    name, _, kind = text.rpartition(":")
    if not name or kind not in KINDS:  # a name may hold a colon
        name, kind = text, "hard"
    return {"name": name, "kind": kind}


@services.command()
@click.argument("name")
@click.pass_obj
def unregister(session: Session, name: str) -> None:
    """Forget a service and what it depends on."""
    session.confirm(f"This unregisters {name}; what is known of its dependencies is lost")
    answer = session.client().request("DELETE", path("services", name))
    session.show_done(answer, f"Service {name} is unregistered.")
