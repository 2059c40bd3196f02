"""`scrollintel tokens` and `scrollintel roles`: who may do what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ..client import path
from ..output import Columns, age_of, parts
from ..paging import paged
from ..problems import UnexpectedAnswerError
from ..program import Command, Group
from ..session import Session
from ..values import DURATION, binding


def _may(item: Mapping[str, Any]) -> str:  # Any: JSON values
    listed = parts(item, "bindings")
    return "; ".join(f"{entry.get('role')}: {', '.join(entry.get('services') or [])}" for entry in listed)


@click.group(cls=Group)
def tokens() -> None:
    """API tokens."""


@tokens.command("list")
@paged
@click.pass_obj
def list_(session: Session, /, **query: object) -> None:
    """List tokens; what they are is known to their holders alone."""
    answer = session.client().request("GET", path("tokens"), query=query)
    columns: Columns = {
        "Id": "id",
        "Name": "name",
        "May": _may,
        "Created": age_of("created_at"),
        "Expires": age_of("expires_at", "never"),
        "Last used": age_of("last_used_at", "never"),
        "Revoked": age_of("revoked_at", "no"),
    }
    session.show_list(answer, columns, "No tokens.")


@tokens.command()
@click.argument("name")
@click.option(
    "--role", "grants", multiple=True, required=True, metavar="ROLE[:SERVICE,...]", help="What it may do, and where."
)
@click.option("--expires-in", type=DURATION, help="Valid for this time, such as 90d; default: as the server says.")
@click.pass_obj
def create(session: Session, name: str, grants: tuple[str, ...], expires_in: float | None) -> None:
    """Create a token; it is shown once."""
    body = {
        "name": name,
        "bindings": [binding(text) for text in grants],
        "expires_in": None if expires_in is None else int(expires_in),
    }
    answer = session.client().request("POST", path("tokens"), body=body)
    if session.json:
        session.show_json(answer)
        return
    found = answer.item()
    if not isinstance(found.get("token"), str):
        raise UnexpectedAnswerError("the answer holds no token; is this a control plane?")
    session.output.note(f"Token {found.get('id')} is shown this once; keep it where secrets are kept.")
    session.output.raw(found["token"])


@tokens.command()
@click.argument("number", metavar="ID")
@click.pass_obj
def revoke(session: Session, number: str) -> None:
    """Revoke a token; it is refused everywhere within 5 s."""
    session.confirm(f"This revokes the token {number}; who uses it is refused from now on")
    answer = session.client().request("DELETE", path("tokens", number))
    session.show_done(answer, f"Token {number} is revoked.")


@click.command(cls=Command)
@click.pass_obj
def roles(session: Session) -> None:
    """List the roles and what each may do."""
    answer = session.client().request("GET", path("roles"))
    columns: Columns = {"Role": lambda item: item.get("name") or item.get("role"), "Permissions": _permissions}
    session.show_list(answer, columns, "No roles.")


def _permissions(item: Mapping[str, Any]) -> str:  # Any: JSON values
    return ", ".join(str(name) for name in item.get("permissions") or [])
