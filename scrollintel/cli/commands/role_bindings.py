"""`scrollintel role-bindings`: roles of people and groups of the identity provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ..client import path
from ..output import Columns, age_of, plain
from ..paging import paged
from ..program import Group
from ..session import Session
from ..values import binding


def _whose(item: Mapping[str, Any]) -> str:  # Any: JSON values
    """Return the name, or what is known of whoever has none any more."""
    name = item.get("subject")
    return plain(name) if name is not None else f"{plain(item.get('subject_id'))} ({plain(item.get('state'))})"


def _where(item: Mapping[str, Any]) -> str:  # Any: JSON values
    return ", ".join(str(name) for name in item.get("services") or [])


@click.group("role-bindings", cls=Group)
def role_bindings() -> None:
    """Roles of people and groups of the identity provider."""


@role_bindings.command("list")
@paged
@click.pass_obj
def list_(session: Session, /, **query: object) -> None:
    """List who was given a role here; what the settings file gives is not among them."""
    answer = session.client().request("GET", path("role-bindings"), query=query)
    columns: Columns = {
        "Id": "id",
        "Kind": "kind",
        "Subject": _whose,
        "Role": "role",
        "Services": _where,
        "Created": age_of("created_at"),
    }
    session.show_list(answer, columns, "No role bindings.")


@role_bindings.command()
@click.argument("number", metavar="ID")
@click.pass_obj
def show(session: Session, number: str) -> None:
    """Show a role binding."""
    session.show_facts(session.client().request("GET", path("role-bindings", number)))


@role_bindings.command()
@click.option("--person", metavar="NAME", help="Whose role: the subject in the tokens of the identity provider.")
@click.option("--group", metavar="NAME", help="Whose role: a group in the tokens of the identity provider.")
@click.option("--role", "grant", required=True, metavar="ROLE[:SERVICE,...]", help="What they may do, and where.")
@click.pass_obj
def create(session: Session, person: str | None, group: str | None, grant: str) -> None:
    """Give a role to a person or to a group, in force with their next request.

    For example: --group on-call --role operator:orders
    """
    if (person is None) == (group is None):
        raise click.UsageError("name either --person or --group")
    kind, subject = ("group", group) if person is None else ("person", person)
    body = {"kind": kind, "subject": subject, **binding(grant)}
    answer = session.client().request("POST", path("role-bindings"), body=body)
    number = "" if session.json else plain(answer.item().get("id"))
    where = "every service" if body["services"] == ["*"] else ", ".join(body["services"])
    session.show_done(answer, f"Role binding {number} is in force: the {kind} {subject} is {body['role']} of {where}.")


@role_bindings.command()
@click.argument("number", metavar="ID")
@click.option("--reason", help="Why, for the audit log.")
@click.pass_obj
def delete(session: Session, number: str, reason: str | None) -> None:
    """Take a role away, effective with the next request."""
    session.confirm(f"This takes the role of the binding {number} away; who needs it is refused from now on")
    answer = session.client().request("DELETE", path("role-bindings", number), query={"reason": reason})
    session.show_done(answer, f"Role binding {number} is deleted.")
