"""The database itself: SQLite in a file of ours, or PostgreSQL; one connection writes, a few read."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

from .errors import DatabaseLockedError, SchemaError, StandbyError, StoreUnavailableError

WRITER_LOCK = 0x5C0117
"""Key of the PostgreSQL advisory lock that the writing connection holds; shared by all control planes of a database."""
CONNECT_TIMEOUT = 3
"""Seconds to reach PostgreSQL."""
STATEMENT_TIMEOUT = 10
"""Seconds that one statement may take there."""
READERS = 4
"""Read connections at once."""


class Database:
    """One database.

    SQLite runs in WAL mode with `synchronous=FULL`, which loses nothing acknowledged when the power fails. One process
    owns the file by a lock on a file beside it, one connection of it writes and moves the log, and readers are
    `query_only`: that keeps clear of the race that SQLite up to 3.51.2 has between processes that reset the log.

    On PostgreSQL the connection that writes holds an advisory lock for as long as it lives, so that a control plane
    that lost its connection cannot write beside its successor.

    Arguments:
        url: "sqlite:////path/to/file.db" or "postgresql://user:password@host/name".

    Raises:
        SchemaError: when the address is none of these.
    """

    def __init__(self, url: str) -> None:
        self.url = parse_url(url)
        self.dialect = self.url.get_backend_name()
        self._lock_file: int | None = None
        self._mutex = threading.Lock()
        if self.dialect == "sqlite":
            self.path: Path | None = Path(self.url.database or "")
            self._writer, self._reader = _sqlite_engines(self.url)
        else:
            self.path = None
            self._writer, self._reader = _postgresql_engines(self.url)

    @property
    def address(self) -> str:
        """The address without the password."""
        return self.url.render_as_string(hide_password=True)

    # ------------------------------------------------------------------ writing

    def connect_writer(self) -> Connection:
        """Return the connection that may write; there is one in the world.

        Raises:
            StandbyError: when another control plane has it (PostgreSQL).
            DatabaseLockedError: when another process has the file (SQLite).
            StoreUnavailableError: when the database cannot be reached.
        """
        if self.dialect == "sqlite":
            self._own_file()
        connection: Connection | None = None
        try:
            connection = self._writer.connect()
            if self.dialect == "postgresql":
                with connection.begin():
                    held = connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": WRITER_LOCK}).scalar()
                if not held:
                    raise StandbyError
        except SQLAlchemyError as error:
            _discard(connection)
            raise unavailable(error) from None
        except BaseException:
            _discard(connection)
            raise
        return connection

    def release_writer(self, connection: Connection) -> None:
        """Close the writing connection for good; a handle that has failed once is never used again."""
        _discard(connection)
        self._disown_file()

    def check_writer(self, connection: Connection) -> None:
        """Raise StoreUnavailableError unless the connection still works."""
        try:
            with connection.begin():
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            raise unavailable(error) from None
        if self.path is not None and not self.path.exists():
            raise StoreUnavailableError("the database file is gone")

    def _own_file(self) -> None:
        assert self.path is not None
        with self._mutex:
            if self._lock_file is not None:
                return
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                descriptor = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise StoreUnavailableError(f"the folder of the database cannot be used: {error.strerror}") from None
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
                os.close(descriptor)
                raise DatabaseLockedError(f"process {owner or 'unknown'} has the database file {self.path}") from None
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            self._lock_file = descriptor
            if not self.path.exists():
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def _disown_file(self) -> None:
        with self._mutex:
            if self._lock_file is not None:
                os.close(self._lock_file)
                self._lock_file = None

    # ------------------------------------------------------------------ reading

    @contextmanager
    def reader(self) -> Iterator[Connection]:
        """Give a connection that can only read, in a transaction of its own.

        Raises:
            StoreUnavailableError: when the database cannot be reached.
        """
        try:
            with self._reader.connect() as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            raise unavailable(error) from None

    def dispose(self) -> None:
        """Close everything."""
        self._reader.dispose()
        self._writer.dispose()
        self._disown_file()


def parse_url(text_of_url: str) -> URL:
    """Return a database address as SQLAlchemy's, with the driver that is used; raises SchemaError."""
    try:
        url = make_url(text_of_url)
    except ArgumentError:
        raise SchemaError("the database address must be sqlite:///… or postgresql://…") from None
    name = url.get_backend_name()
    if name == "sqlite":
        if not url.database or url.database == ":memory:":
            raise SchemaError("an SQLite database needs a file: sqlite:////path/to/file.db")
        return url.set(drivername="sqlite", database=str(Path(url.database).absolute()))
    if name in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise SchemaError("the database address must be sqlite:///… or postgresql://…")


def unavailable(error: SQLAlchemyError) -> StoreUnavailableError:
    """Return what callers hear of a database error; its text may hold values, so only its kind is told."""
    cause = getattr(error, "orig", None) or error
    words = str(cause).lower()
    if "full" in words or "no space" in words:
        return StoreUnavailableError("the disk of the database is full", retry_after=5.0)
    return StoreUnavailableError(f"the database cannot be used ({type(cause).__name__})")


def _discard(connection: Connection | None) -> None:
    if connection is not None:
        with suppress(SQLAlchemyError):
            connection.invalidate()
        with suppress(SQLAlchemyError):
            connection.close()


def _sqlite_engines(url: URL) -> tuple[Engine, Engine]:
    arguments = {"check_same_thread": False, "timeout": 5.0}
    writer = create_engine(url, poolclass=NullPool, connect_args=arguments)
    reader = create_engine(url, poolclass=QueuePool, pool_size=READERS, max_overflow=0, connect_args=arguments)

    @event.listens_for(writer, "connect")
    def prepare_writer(connection: Any, record: object) -> None:  # Any: the driver's connection
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "journal_size_limit=67108864",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(reader, "connect")
    def prepare_reader(connection: Any, record: object) -> None:  # Any: the driver's connection
        for pragma in ("query_only=ON", "wal_autocheckpoint=0"):
            connection.execute(f"PRAGMA {pragma}")

    return writer, reader


def _postgresql_engines(url: URL) -> tuple[Engine, Engine]:
    arguments = {
        "connect_timeout": CONNECT_TIMEOUT,
        "application_name": "scrollintel",
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "options": f"-c statement_timeout={STATEMENT_TIMEOUT * 1000} -c lock_timeout=5000 -c timezone=UTC",
    }
    writer = create_engine(url, poolclass=NullPool, connect_args=arguments)
    reading = {**arguments, "options": f"{arguments['options']} -c default_transaction_read_only=on"}
    reader = create_engine(
        url, pool_size=READERS, max_overflow=0, pool_pre_ping=True, pool_timeout=5, connect_args=reading
    )
    return writer, reader
