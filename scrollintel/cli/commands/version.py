"""`scrollintel version`."""

from __future__ import annotations

import click

from ... import __version__
from ..program import Command
from ..session import Session


@click.command(cls=Command)
@click.pass_obj
def version(session: Session) -> None:
    """Print the version."""
    if session.json:
        session.output.json({"version": __version__})
    else:
        session.output.raw(f"scrollintel {__version__}")
