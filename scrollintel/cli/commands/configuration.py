"""`scrollintel configuration`: values that the control plane keeps."""

from __future__ import annotations

import sys

import click

from ..client import path
from ..exit_codes import ExitCode
from ..output import Columns, age_of
from ..paging import paged
from ..problems import ProblemError
from ..program import Group
from ..session import Session
from ..values import json_or_text


@click.group(cls=Group)
def configuration() -> None:
    """Configuration values kept by the control plane."""


@configuration.command("list")
@paged
@click.pass_obj
def list_(session: Session, /, **query: object) -> None:
    """List values; secret ones are not shown."""
    answer = session.client().request("GET", path("configuration"), query=query)
    columns: Columns = {
        "Key": "key",
        "Value": lambda item: "(secret)" if item.get("secret") else item.get("value"),
        "Rev": "revision",
        "Changed": age_of("updated_at"),
        "By": "updated_by",
        "Description": "description",
    }
    session.show_list(answer, columns, "No configuration values.")


@configuration.command()
@click.argument("key")
@click.pass_obj
def get(session: Session, key: str) -> None:
    """Show one value."""
    session.show_facts(session.client().request("GET", path("configuration", key)))


@configuration.command("set")
@click.argument("key")
@click.argument("value", required=False)
@click.option("--secret", is_flag=True, help="Encrypt it; without VALUE it is asked for or read from standard input.")
@click.option("--description", help="One line for people.")
@click.pass_obj
def set_(session: Session, key: str, value: str | None, secret: bool, description: str | None) -> None:
    """Set a value: JSON, or else the text itself."""
    if value is None:
        value = click.prompt(key, hide_input=secret, err=True) if sys.stdin.isatty() else sys.stdin.read().rstrip("\n")
    client = session.client()
    headers = {"If-None-Match": "*"}
    try:
        current = client.request("GET", path("configuration", key))
        headers = {"If-Match": current.etag or f'"{current.item().get("revision")}"'}
    except ProblemError as error:
        if error.exit_code is not ExitCode.NOT_FOUND:
            raise
    body = {"value": json_or_text(value), "secret": secret, "description": description}
    answer = client.request("PUT", path("configuration", key), body=body, headers=headers)
    session.show_done(answer, f"{key} is set.")


@configuration.command()
@click.argument("key")
@click.pass_obj
def delete(session: Session, key: str) -> None:
    """Delete a value."""
    session.confirm(f"This deletes the configuration value {key}")
    answer = session.client().request("DELETE", path("configuration", key))
    session.show_done(answer, f"{key} is deleted.")
