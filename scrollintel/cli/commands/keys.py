"""`scrollintel keys`: encryption keys."""

from __future__ import annotations

import click

from ..client import path
from ..output import Columns, age_of
from ..program import Group
from ..session import Session


@click.group(cls=Group)
def keys() -> None:
    """Encryption keys."""


@keys.command()
@click.pass_obj
def status(session: Session) -> None:
    """Show which keys are in use and whether a rotation is under way."""
    answer = session.client().request("GET", path("keys"))
    if not session.json:
        found = answer.item()
        rotating = "under way" if found.get("rotating") else "none"
        session.output.facts([("key-encryption key", found.get("key_encryption_key")), ("rotation", rotating)])
    columns: Columns = {
        "Data key": "id",
        "Purpose": "purpose",
        "Wrapped by": "key_encryption_key",
        "Created": age_of("created_at"),
        "Retired": age_of("retired_at", "no"),
        "Values": "values",
    }
    session.show_list(answer, columns, "No data keys.")


@keys.command()
@click.option(
    "--what",
    type=click.Choice(["key-encryption-key", "data-keys"]),
    default="key-encryption-key",
    show_default=True,
    help="The key that wraps the others, or the others.",
)
@click.pass_obj
def rotate(session: Session, what: str) -> None:
    """Begin with new keys; what is under the former ones is sealed again while the control plane goes on."""
    session.confirm(f"This replaces the {what.replace('-', ' ')}; back up the keys afterwards")
    answer = session.client().request("POST", path("keys", "rotate"), body={"what": what.replace("-", "_")})
    session.show_done(answer, "The rotation has started; `scrollintel keys status` shows how far it is.")
