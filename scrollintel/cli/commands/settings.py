"""`scrollintel config` and `scrollintel check-config`: the settings in force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ..exit_codes import ExitCode
from ..program import Command
from ..session import Session

if TYPE_CHECKING:
    from ...settings.advice import Advice


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
@click.option("--strict", is_flag=True, help="End with exit code 1 when there are remarks, too.")
@click.pass_obj
def check_config(session: Session, strict: bool) -> int:
    """Check the settings and say what they amount to; every mistake is listed, with its place and what is allowed.

    For each service: what is watched, what happens on which failure, and who has to agree. Remarks name what is valid
    and most likely not meant, such as a circle of dependencies or a runbook that is not listed. Mistakes end it with
    exit code 2.
    """
    from ...settings import advise, explain

    settings = session.settings()
    explained, remarks = explain(settings), advise(settings)
    if session.json:
        session.output.json(
            {
                "valid": True,
                "file": None if settings.file is None else str(settings.file),
                "targets": [item.to_dict() for item in explained],
                "remarks": [item.to_dict() for item in remarks],
            }
        )
        return _code(remarks, strict)
    read = "no settings file; defaults and variables" if settings.file is None else str(settings.file)
    session.output.say(f"The settings are valid ({read}).")
    if settings.recovery.freeze:
        session.output.say("Nothing is repaired at all (recovery.freeze).")
    for item in explained:
        session.output.say("")
        session.output.say(f"{item.target} ({item.location})")
        for sentence in (*item.watched, *item.failures, *item.limits):
            session.output.say(f"  {sentence}")
    if remarks:
        session.output.say("")
        session.output.say(f"Remarks: {len(remarks)}")
    for remark in remarks:
        place = "" if remark.location is None else f" ({remark.location})"
        session.output.say(f"  {remark.about}{place}: {remark.detail} [{remark.code}]")
    return _code(remarks, strict)


def _code(remarks: Sequence[Advice], strict: bool) -> int:
    return ExitCode.FAILED if strict and remarks else ExitCode.OK
