"""Backups, their return, and the way from one database to the other.

A backup is one SQLite file with the schema of the control plane, whichever database it was made of. Keys that seal
secret values lie outside the database and are not in it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import Connection, text

from ..models.fault_tolerance_models import metadata
from . import schema
from .copying import Progress, copy_tables, empty_tables, filled_tables, silent
from .engine import Database
from .errors import BackupError, DatabaseLockedError, OccupiedError
from .failures import translated
from .location import create_private_file, sync_folder
from .sqlite import open_sqlite

PAGES = 2_000
"""Pages of a SQLite file that are copied between two reports of progress."""
LONG = 3_600.0
"""Seconds for one statement on PostgreSQL."""


def backup(url: str, target: Path, progress: Progress | None = None) -> dict[str, int]:
    """Write a backup of a database into a new file with mode 0600; returns table → rows.

    The control plane may run meanwhile: the backup shows one moment of it and holds no writer up.

    Arguments:
        url: The database, as `Database` takes it.
        target: The file; it must not exist. It appears under this name once it is complete.
        progress: Is told of tables and their rows, or of "pages" of a SQLite file.

    Raises:
        OccupiedError: when the file exists.
        BackupError: when the backup is damaged.
        SchemaError: when a PostgreSQL database is not at the newest step.
        StoreUnavailableError: when the database cannot be read, or the file not be written.
    """
    if target.exists():
        raise OccupiedError(f"{target.name} exists; a backup never replaces a file")
    part = target.with_name(target.name + ".part")
    with translated(OSError), _opened(url) as database:
        _remove(part)
        create_private_file(part)
        try:
            if database.path is not None:
                _copy_file(database, part, progress or silent)
            else:
                _copy_from_server(database, part, progress or silent)
            rows = _checked(part)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            try:
                os.link(part, target)  # unlike a renaming, this replaces nothing
            except FileExistsError:
                raise OccupiedError(f"{target.name} exists; a backup never replaces a file") from None
        finally:
            _remove(part)
        sync_folder(target.parent)
    return rows


def restore(source: Path, url: str, force: bool = False, progress: Progress | None = None) -> dict[str, int]:
    """Fill a database from a backup; returns table → rows. It is filled as a whole or not at all.

    A backup of an older version is brought up to date. No control plane may run on the database.

    Arguments:
        source: A file that `backup` has written.
        url: The database, as `Database` takes it.
        force: Whether rows that are there may be lost.
        progress: As for `backup`.

    Raises:
        OccupiedError: when the database holds rows and `force` is not set.
        BackupError: when the file is no sound backup.
        SchemaError: when the backup is of a newer version.
        DatabaseLockedError, StandbyError: when a control plane runs on the database.
        StoreUnavailableError: when the database cannot be written.
    """
    rows = _checked(source)
    with translated(OSError), _opened(url) as database, _writing(database) as connection:
        _refuse_newer(source)
        if not force:
            _insist_on_empty(database, connection)
        if database.path is not None:
            _restore_file(source, connection, progress or silent)
            schema.upgrade(database, connection)
            return rows
        schema.upgrade(database, connection)
        with _up_to_date(source) as current, connection.begin():
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            empty_tables(connection)
            return copy_tables(current, connection, progress or silent)


def move(from_url: str, to_url: str, progress: Progress | None = None) -> dict[str, int]:
    """Copy everything from one database into another, empty one, and compare both; returns table → rows.

    The other one is filled as a whole or not at all, and the first one is left as it was. No control plane may run on
    either of them. Works from SQLite to PostgreSQL, the other way round, and between two of a kind.

    Arguments:
        from_url, to_url: The databases, as `Database` takes them.
        progress: Is told of tables and their rows.

    Raises:
        OccupiedError: when the other database holds rows.
        BackupError: when a row does not fit, or both differ afterwards.
        SchemaError: when the first database is not at the newest step.
        DatabaseLockedError, StandbyError: when a control plane runs on one of them.
        StoreUnavailableError: when one of them cannot be reached.
    """
    with ExitStack() as stack:
        stack.enter_context(translated(OSError))
        source = stack.enter_context(_opened(from_url))
        if source.path is not None and not source.path.exists():
            raise BackupError(f"there is no file {source.path.name}")
        reading = stack.enter_context(_writing(source))
        with reading.begin():
            schema.insist_on_current(reading)
        target = stack.enter_context(_opened(to_url))
        writing = stack.enter_context(_writing(target))
        _insist_on_empty(target, writing)
        schema.upgrade(target, writing)
        with reading.begin() as untouched, writing.begin():
            if target.dialect == "postgresql":
                writing.execute(text("SET LOCAL statement_timeout = 0"))
            rows = copy_tables(reading, writing, progress or silent)
            untouched.rollback()
    return rows


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(url, statement_timeout=LONG)
    try:
        yield database
    finally:
        database.dispose()


@contextmanager
def _writing(database: Database) -> Iterator[Connection]:
    connection = database.connect_writer()
    try:
        yield connection
    finally:
        database.release_writer(connection)


def _insist_on_empty(database: Database, connection: Connection) -> None:
    """Refuse a database that holds a row in one of our tables, or whose tables are not ours."""
    if schema.revision(connection) is None:
        return
    schema.upgrade(database, connection)
    with connection.begin():
        filled = filled_tables(connection)
    if filled:
        raise OccupiedError(f"the database is not empty: there are rows in {', '.join(filled)}")


# ------------------------------------------------------------------------------------------------------ SQLite files


def _copy_file(database: Database, part: Path, progress: Progress) -> None:
    """Copy a SQLite file page by page, whether or not a control plane runs on it."""
    assert database.path is not None
    if not database.path.exists():
        raise BackupError(f"there is no file {database.path.name}")
    # Whoever owns the file may also take over the log that a control plane that was killed has left.
    owner = True
    try:
        database.own()
    except DatabaseLockedError:
        owner = False
    with (
        contextlib.closing(open_sqlite(database.path, writing=owner)) as source,
        contextlib.closing(sqlite3.connect(part, isolation_level=None)) as target,
    ):
        # A snapshot that is open keeps the copy from beginning anew with each change of the writer.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        source.backup(target, pages=PAGES, progress=_pages(progress))
        target.execute("PRAGMA journal_mode = DELETE").fetchone()  # so that the backup is one file


def _restore_file(source: Path, connection: Connection, progress: Progress) -> None:
    """Copy a backup over the content of the writer's file, in one transaction of it."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    with contextlib.closing(open_sqlite(source, writing=False)) as backup_file:
        backup_file.backup(driver, pages=PAGES, progress=_pages(progress))


def _remove(file: Path) -> None:
    """Remove a file of ours with what SQLite and its lock have put beside it."""
    for suffix in ("", "-wal", "-shm", "-journal", ".lock"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _pages(progress: Progress) -> Callable[[int, int, int], object]:
    return lambda status, left, total: progress("pages", total - left, total)


def _checked(file: Path) -> dict[str, int]:
    """Return table → rows of a backup; refuses what is damaged or no backup."""
    if not file.is_file():
        raise BackupError(f"there is no file {file.name}")
    try:
        with contextlib.closing(open_sqlite(file, writing=False)) as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if found != ("ok",):
                raise BackupError(f"{file.name} is damaged")
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            if "alembic_version" not in tables:
                raise BackupError(f"{file.name} is no backup of a control plane")
            return {
                table.name: connection.execute(
                    f'SELECT count(*) FROM "{table.name}"'  # noqa: S608 # nosec B608 - our names
                ).fetchone()[0]
                for table in metadata.sorted_tables
                if table.name in tables
            }
    except sqlite3.Error:
        raise BackupError(f"{file.name} is damaged or no backup of a control plane") from None


def _refuse_newer(file: Path) -> None:
    with contextlib.closing(open_sqlite(file, writing=False)) as connection:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    schema.refuse_unknown(None if found is None else found[0])


@contextmanager
def _up_to_date(source: Path) -> Iterator[Connection]:
    """Lend a copy of a backup that is at the newest step of the schema, in a transaction."""
    with tempfile.TemporaryDirectory(prefix="scrollintel-") as folder:
        copy = Path(folder) / "copy.db"
        create_private_file(copy)
        with (
            contextlib.closing(open_sqlite(source, writing=False)) as original,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            original.backup(target)
        with _opened(str(copy)) as database, _writing(database) as connection:
            schema.upgrade(database, connection)
            with connection.begin():
                yield connection


# -------------------------------------------------------------------------------------------------------- PostgreSQL


def _copy_from_server(database: Database, part: Path, progress: Progress) -> None:
    """Copy table by table what one snapshot shows."""
    with _opened(str(part)) as copy, _writing(copy) as connection:
        schema.upgrade(copy, connection)
        with database.reader() as source, connection.begin():
            source.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            schema.insist_on_current(source)
            copy_tables(source, connection, progress)
    # The log is in the file once its last connection is closed; one file is left, as of SQLite.
    with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as done:
        done.execute("PRAGMA journal_mode = DELETE").fetchone()
