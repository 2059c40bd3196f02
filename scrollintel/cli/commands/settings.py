"""`scrollintel config` and `scrollintel check-config`: the settings in force."""

from __future__ import annotations

import click

from ..program import Command
from ..session import Session


@click.command(cls=Command)
@click.pass_obj
def config(session: Session) -> None:
    """Show the settings in force and where each comes from; passwords are left out."""
    settings = session.settings()
    values = settings.to_dict()
    if session.json:
        session.output.json({"file": None if settings.file is None else str(settings.file), **values})
        return
    rows = [
        {"setting": f"{table}.{key}", "value": value, "from": settings.sources.get(f"{table}.{key}", "default")}
        for table, fields in values.items()
        for key, value in fields.items()
    ]
    session.output.table(rows, {"Setting": "setting", "Value": "value", "From": "from"}, "")
    declared = settings.declared
    session.output.note(f"declared: {len(declared.policies)} policies, {len(declared.services)} services")


@click.command("check-config", cls=Command)
@click.pass_obj
def check_config(session: Session) -> None:
    """Check the settings; every mistake is listed, with its place and what is allowed."""
    settings = session.settings()
    if session.json:
        session.output.json({"valid": True, "file": None if settings.file is None else str(settings.file)})
    else:
        read = "no settings file; defaults and variables" if settings.file is None else str(settings.file)
        session.output.say(f"The settings are valid ({read}).")
