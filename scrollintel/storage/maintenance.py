"""What an operator does with the schema of a database: look at it, bring it up to date, take it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from . import schema
from .engine import Database
from .errors import SchemaError


class SchemaStep(NamedTuple):
    """At which step a database is, which one this version wants, and its address without a password.

    Arguments:
        step: None for a database without tables of ours.
        exists: False for a SQLite file that is not there yet.
    """

    step: str | None
    wanted: str
    database: str
    exists: bool = True

    @property
    def is_current(self) -> bool:
        """Whether nothing is to be done."""
        return self.step == self.wanted


def schema_step(url: str) -> SchemaStep:
    """Look at which step a database is, whether or not a control plane runs on it; creates nothing.

    Arguments:
        url: The database, as `Database` takes it.

    Raises:
        StoreUnavailableError: when the database cannot be read.
    """
    database = Database(url)
    try:
        if database.path is not None and not database.path.exists():  # a look must not create it
            return SchemaStep(None, schema.head(), database.display, exists=False)
        with database.reader() as connection:
            step = MigrationContext.configure(connection).get_current_revision()
        return SchemaStep(step, schema.head(), database.display)
    finally:
        database.dispose()


def bring_up_to_date(url: str) -> SchemaStep:
    """Bring a database to the newest step, creating a SQLite file that is missing; returns how it stands then.

    Arguments:
        url: The database, as `Database` takes it.

    Raises:
        SchemaError: when the database is at a step that this version does not know.
        DatabaseLockedError, StandbyError: when a control plane runs on the database.
        StoreUnavailableError: when the database cannot be written.
    """
    with _writing(url) as (database, connection):
        schema.upgrade(database, connection)
        return SchemaStep(schema.head(), schema.head(), database.display)


def take_back(url: str, step: str) -> SchemaStep:
    """Take a database back to a step, or to "base"; what later steps added is lost. Returns how it stands then.

    Arguments:
        url: The database, as `Database` takes it.
        step: A step at or before the one that the database is at.

    Raises:
        SchemaError: when there is no such step, or no database.
        DatabaseLockedError, StandbyError: when a control plane runs on the database.
        StoreUnavailableError: when the database cannot be written.
    """
    if schema_step(url).step is None:
        raise SchemaError("there are no tables to take back")
    with _writing(url) as (database, connection):
        schema.downgrade(connection, step)
        return SchemaStep(schema.revision(connection), schema.head(), database.display)


@contextmanager
def _writing(url: str) -> Iterator[tuple[Database, Connection]]:
    database = Database(url)
    try:
        connection = database.connect_writer()
        try:
            yield database, connection
        finally:
            database.release_writer(connection)
    finally:
        database.dispose()
