"""`scrollintel db`: schema, backup, restore, move. They work on the database itself, without a server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from ...settings.secrecy import without_password
from ..exit_codes import ExitCode
from ..problems import CommandError
from ..program import Group
from ..session import Session


@click.group(cls=Group)
def db() -> None:
    """The database: schema, backup, restore, move."""


@db.command()
@click.pass_obj
def upgrade(session: Session) -> None:
    """Bring the schema up to date, as `serve` does when it starts."""
    from ...storage.maintenance import bring_up_to_date

    found = bring_up_to_date(session.settings().database_url)
    _tell(session, {"step": found.step, "database": found.database}, f"The schema is at {found.step}.")


@db.command()
@click.pass_obj
def check(session: Session) -> int:
    """Tell whether the schema is up to date; nothing is changed. Exit code 1 when it is not."""
    from ...storage.maintenance import schema_step
    from ...storage.schema import refuse_unknown

    found = schema_step(session.settings().database_url)
    refuse_unknown(found.step)
    if found.is_current:
        sentence = f"The schema is at {found.step}: up to date."
    else:
        stands = f"The schema is at {found.step}" if found.step else "There are no tables yet"
        sentence = f"{stands}, this version wants {found.wanted}: run `scrollintel db upgrade`, or start the server."
    document = {"step": found.step, "wanted": found.wanted, "current": found.is_current, "database": found.database}
    _tell(session, document, sentence)
    return ExitCode.OK if found.is_current else ExitCode.FAILED


@db.command()
@click.argument("step")
@click.pass_obj
def downgrade(session: Session, step: str) -> None:
    """Take the schema back to STEP, or to "base"."""
    from ...storage.maintenance import take_back

    url = session.settings().database_url
    where = without_password(url)
    session.confirm(f"This takes {where} back to {step}; what later steps added is lost, make a backup first")
    found = take_back(url, step)
    _tell(session, {"step": found.step, "database": found.database}, f"The schema is at {found.step or 'base'}.")


@db.command()
@click.argument("file")
@click.pass_obj
def backup(session: Session, file: str) -> None:
    """Write a backup into a new FILE with mode 0600; a control plane may run meanwhile."""
    from ...storage.backup import backup as run

    with session.output.progress("backup") as tell:
        rows = run(session.settings().database_url, Path(file).expanduser(), tell)
    _tell(session, {"rows": rows}, f"{file}: {sum(rows.values())} rows. Keep the keys as well, but elsewhere.")


@db.command()
@click.argument("file")
@click.option("--force", is_flag=True, help="Replace the rows that are there.")
@click.pass_obj
def restore(session: Session, file: str, force: bool) -> None:
    """Fill the database from a backup, as a whole or not at all."""
    from ...storage.backup import restore as run
    from ...storage.errors import OccupiedError

    url = session.settings().database_url
    lost = "; what it holds now is lost" if force else ""
    session.confirm(f"This fills {without_password(url)} from {file}{lost}")
    try:
        with session.output.progress("restore") as tell:
            rows = run(Path(file).expanduser(), url, force, tell)
    except OccupiedError as error:
        hint = "--force replaces what is there; make a backup of it first"
        raise CommandError(str(error), ExitCode.CONFLICT, error.code, hint) from None
    _tell(session, {"rows": rows}, f"{sum(rows.values())} rows restored.")


@db.command()
@click.argument("target")
@click.pass_obj
def move(session: Session, target: str) -> None:
    """Copy everything into another, empty database, TARGET, and compare both. The first one stays as it was."""
    from ...storage.backup import move as run

    url = session.settings().database_url
    session.confirm(
        f"This copies {without_password(url)} into {without_password(target)}; stop the control plane first"
    )
    with session.output.progress("move") as tell:
        rows = run(url, target, tell)
    sentence = f"{sum(rows.values())} rows moved and compared; set database.url to {without_password(target)}"
    _tell(session, {"rows": rows}, f"{sentence} and start the control plane.")


def _tell(session: Session, document: Mapping[str, object], sentence: str) -> None:
    if session.json:
        session.output.json(document)
    else:
        session.output.say(sentence)
