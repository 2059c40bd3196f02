"""The schema of the database: brought up to date at start, under a lock, and refused when it is newer than the code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from ..models.fault_tolerance_models import metadata
from . import postgres
from .engine import Database
from .errors import SchemaError
from .failures import translated

MIGRATIONS = Path(__file__).parent / "migrations"


class SchemaStatus(NamedTuple):
    """Which step the database is at, which one the code wants, and what differs from the models nevertheless."""

    current: str | None
    wanted: str
    differences: tuple[str, ...]

    @property
    def is_current(self) -> bool:
        """Whether nothing is to be done."""
        return self.current == self.wanted and not self.differences


def head() -> str:
    """Return the newest step that the code knows."""
    found = _script().get_current_head()
    assert found is not None
    return found


def upgrade(database: Database, connection: Connection) -> None:
    """Bring the schema up to date; `connection` is the one that may write.

    Raises:
        SchemaError: when the database is at a step that this version does not know.
    """
    _run(connection, lambda config: command.upgrade(config, "head"))


def downgrade(connection: Connection, revision: str) -> None:
    """Take the schema back to a step, or to "base"; what later steps added is lost.

    Raises:
        SchemaError: when there is no such step.
    """
    known = {script.revision for script in _script().walk_revisions()} | {"base"}
    if revision not in known:
        raise SchemaError(f"there is no step {revision!r}; known are {', '.join(sorted(known))}")
    _run(connection, lambda config: command.downgrade(config, revision))


def status(connection: Connection) -> SchemaStatus:
    """Return how the schema stands against code and models."""
    with connection.begin():
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        current = context.get_current_revision()
        differences = () if current is None else tuple(str(item) for item in compare_metadata(context, metadata))
    return SchemaStatus(current, head(), differences)


def revision(connection: Connection) -> str | None:
    """Return the step that the database is at, or None for one without our tables."""
    with connection.begin():
        return MigrationContext.configure(connection).get_current_revision()


def refuse_unknown(current: str | None) -> None:
    """Raise SchemaError for a step that this version does not know."""
    known = {script.revision for script in _script().walk_revisions()}
    if current is not None and current not in known:
        raise SchemaError(
            f"the database is at step {current!r}, which this version does not know: it was written by a "
            "newer one; use that, or restore a backup"
        )


def insist_on_current(connection: Connection) -> None:
    """Raise SchemaError unless the database is at the newest step; in a transaction of the caller's."""
    current = MigrationContext.configure(connection).get_current_revision()
    refuse_unknown(current)
    if current != head():
        raise SchemaError(f"the database is at step {current!r} and has to be brought to {head()!r} first")


def _run(connection: Connection, action: Callable[[Config], None]) -> None:
    with translated(), _alone(connection):
        refuse_unknown(MigrationContext.configure(connection).get_current_revision())
        action(_config(connection))


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Hold one transaction around all steps; on PostgreSQL one process at a time, on SQLite the file has one owner."""
    with connection.begin():
        if connection.dialect.name == "postgresql":
            postgres.wait_for_lock(connection, postgres.MIGRATION)
            connection.execute(text("SET LOCAL statement_timeout = 0"))  # a step may rewrite a large table
        yield


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _script() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))
