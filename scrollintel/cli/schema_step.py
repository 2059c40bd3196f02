"""At which step the schema of a database is, read without owning the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..storage.engine import Database


def schema_step(database: Database) -> str | None:
    """Return the step, or None for a database that does not exist yet or has no tables of ours.

    Raises:
        StoreUnavailableError: when the database cannot be read.
    """
    from alembic.runtime.migration import MigrationContext

    if database.path is not None and not database.path.exists():
        return None  # a look must not create the file
    with database.reader() as connection:
        return MigrationContext.configure(connection).get_current_revision()
