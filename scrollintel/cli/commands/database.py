"""`scrollintel db`: schema, backup, restore, move. They work on the database itself, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...settings.secrecy import without_password
from ..exit_codes import ExitCode
from ..program import Group
from ..schema_step import schema_step
from ..session import Session

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ...storage.engine import Database


@click.group(cls=Group)
def db() -> None:
    """The database: schema, backup, restore, move."""


@contextmanager
def _writing(session: Session) -> Iterator[tuple[Database, Connection]]:
    """Give the database and the connection that writes; no control plane may run on it."""
    from ...storage.engine import Database

    database = Database(session.settings().database_url)
    try:
        connection = database.connect_writer()
        try:
            yield database, connection
        finally:
            database.release_writer(connection)
    finally:
        database.dispose()


@db.command()
@click.pass_obj
def upgrade(session: Session) -> None:
    """Bring the schema up to date, as `serve` does when it starts."""
    from ...storage import schema

    with _writing(session) as (database, connection):
        schema.upgrade(database, connection)
        _tell(session, {"step": schema.head(), "database": database.display}, f"The schema is at {schema.head()}.")


@db.command()
@click.pass_obj
def check(session: Session) -> int:
    """Tell whether the schema is up to date; nothing is changed. Exit code 1 when it is not."""
    from ...storage import schema
    from ...storage.engine import Database

    database = Database(session.settings().database_url)
    try:
        step = schema_step(database)
    finally:
        database.dispose()
    current = step == schema.head()
    sentence = f"The schema is at {step or 'nothing'}"
    sentence += ": up to date." if current else f", this version wants {schema.head()}: run `scrollintel db upgrade`."
    _tell(session, {"step": step, "wanted": schema.head(), "current": current}, sentence)
    return ExitCode.OK if current else ExitCode.FAILED


@db.command()
@click.argument("step")
@click.pass_obj
def downgrade(session: Session, step: str) -> None:
    """Take the schema back to STEP, or to "base"."""
    from ...storage import schema

    where = without_password(session.settings().database_url)
    session.confirm(f"This takes {where} back to {step}; what later steps added is lost, make a backup first")
    with _writing(session) as (_, connection):
        schema.downgrade(connection, step)
    _tell(session, {"step": step}, f"The schema is at {step}.")


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
@click.option("--force", is_flag=True, help="Rows that are there may be lost.")
@click.pass_obj
def restore(session: Session, file: str, force: bool) -> None:
    """Fill the database from a backup, as a whole or not at all."""
    from ...storage.backup import restore as run

    url = session.settings().database_url
    lost = "; what it holds now is lost" if force else ""
    session.confirm(f"This fills {without_password(url)} from {file}{lost}")
    with session.output.progress("restore") as tell:
        rows = run(Path(file).expanduser(), url, force, tell)
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
    sentence = f"{sum(rows.values())} rows moved and compared; set database.url to {without_password(target)}."
    _tell(session, {"rows": rows}, sentence)


def _tell(session: Session, document: dict[str, object], sentence: str) -> None:
    if session.json:
        session.output.json(document)
    else:
        session.output.say(sentence)
