"""The database as the control plane uses it: one connection that writes, and a few that read."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, Engine, ExceptionContext, event, text

from . import postgres, sqlite
from .errors import StandbyError, StoreFullError, StoreUnavailableError
from .failures import Failure, classify, translated
from .file_lock import FileLock
from .location import create_private_file, parse_location
from .reserve import Reserve

Dialect = Literal["sqlite", "postgresql"]


class Database:
    """One SQLite file that this process owns, or one PostgreSQL database of which one control plane is the leader.

    May be used from any thread; the connection that writes belongs to one thread at a time. Creating it touches
    nothing: files and connections are opened when they are first needed.

    Arguments:
        url: Path of a SQLite file (its folder is created when missing), `sqlite:///PATH` or `postgresql://...`.
        readers: Connections that read at the same time; default 4.
        patience: Seconds that a reader waits for a free connection; default 5.
        statement_timeout: Seconds for one statement on PostgreSQL; default 10.

    Attributes:
        full: Whether there was no room for the last thing that was to be written.
        reserve: Room that is kept beside a SQLite file; None on PostgreSQL.

    Raises:
        ConfigError: when `url` is neither, or the driver for PostgreSQL is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        readers: int = 4,
        patience: float = 5.0,
        statement_timeout: float = postgres.STATEMENT_TIMEOUT,
    ) -> None:
        self._url = parse_location(url)
        self._lock = threading.Lock()
        self._writer: Connection | None = None  # guarded by _lock
        self._opened: tuple[int, int] | None = None
        self.dialect: Dialect = "postgresql"
        self.path: Path | None = None
        self._file_lock: FileLock | None = None
        self.full = False
        self.reserve: Reserve | None = None
        if self._url.get_backend_name() == "sqlite":
            self.dialect = "sqlite"
            self.path = Path(self._url.database or "")
            self._file_lock = FileLock(self.path)
            self.reserve = Reserve(self.path)
            self._writers = sqlite.writer_engine(self.path)
            self._readers = sqlite.reader_engine(self.path, size=readers, patience=patience)
        else:
            self._writers = postgres.writer_engine(self._url, statement_timeout=statement_timeout)
            self._readers = postgres.reader_engine(
                self._url, size=readers, patience=patience, statement_timeout=statement_timeout
            )
        event.listen(self._writers, "handle_error", self._watch_room)

    def __repr__(self) -> str:
        return f"Database({self.display!r})"

    @property
    def display(self) -> str:
        """The address without its password, for people."""
        return self._url.render_as_string(hide_password=True)

    @property
    def name(self) -> str:
        """The database's name on its server, or the file's in its folder; tells nobody where that is."""
        return (self._url.database or "") if self.path is None else self.path.name

    @property
    def writers(self) -> Engine:
        """The engine behind `connect_writer`, for migrations and restores that run before anything else writes."""
        return self._writers

    @property
    def is_leader(self) -> bool:
        """Whether this process holds the connection that writes."""
        return self._writer is not None

    # ------------------------------------------------------------------ owning

    def own(self) -> None:
        """Make this process the owner of a SQLite file until `dispose`, creating the file; nothing on PostgreSQL.

        Raises:
            DatabaseLockedError: when another process owns it.
            StoreUnavailableError: when the file cannot be created or opened.
        """
        if self.path is None or self._file_lock is None or self._file_lock.held:
            return
        with translated(OSError):
            create_private_file(self.path)
            self._file_lock.acquire()

    # ------------------------------------------------------------------ room

    def _watch_room(self, context: ExceptionContext) -> StoreFullError | None:
        """Notice in the driver's error that there is no room, give the reserve back, and say so in our own words."""
        if classify(context.original_exception) is not Failure.FULL:
            return None
        self.full = True
        if self.reserve is not None:
            self.reserve.release()
        return StoreFullError()

    def regain_room(self) -> bool:
        """Keep the reserve when there is room for it, and tell whether the database has room as far as is known.

        For whoever serves: copies and checks of a database keep none.
        """
        if self.reserve is not None:
            with contextlib.suppress(OSError):  # a database without a reserve is better than none
                self.full = not self.reserve.hold()
        return not self.full

    def wrote(self) -> None:
        """Note that something could be written. With a reserve that says nothing: it may have been written there."""
        if self.reserve is None:
            self.full = False

    # ------------------------------------------------------------------ writing

    def connect_writer(self) -> Connection:
        """Return the connection that writes; the caller gives it back with `release_writer`.

        On PostgreSQL it holds the leader's lock for as long as its session lives, so that whoever loses the connection
        has lost the lock with it and cannot write any more.

        Raises:
            StandbyError: when another control plane is the leader.
            DatabaseLockedError: when another process owns the SQLite file.
            StoreUnavailableError: when the database cannot be reached.
            RuntimeError: when this process has the connection already.
        """
        with self._lock:
            if self._writer is not None:
                raise RuntimeError("the connection that writes is in use")
            self.own()
            with translated(OSError):
                connection = self._writers.connect()
                try:
                    self._opened = self._identity()
                    if self.dialect == "postgresql":
                        self._lead(connection)
                except BaseException:
                    connection.invalidate()
                    connection.close()
                    raise
            self._writer = connection
            return connection

    @staticmethod
    def _lead(connection: Connection) -> None:
        with connection.begin():
            if not postgres.try_lock(connection, postgres.LEADER):
                raise StandbyError
            if connection.scalar(text("SELECT pg_is_in_recovery()")):
                raise StoreUnavailableError("the database server is a read-only standby")
            postgres.insist_on_durable_commits(connection)

    def check_writer(self, connection: Connection) -> None:
        """Raise StoreUnavailableError unless the connection still reaches the database that it was opened on."""
        with translated(OSError):
            # A deleted or replaced file would be written to happily, and be gone with the process.
            if self._identity() != self._opened:
                raise StoreUnavailableError("the database file has been replaced")
            if connection.invalidated:  # SQLAlchemy would open another session, without the leader's lock
                raise StoreUnavailableError("the connection to the database has been lost")
            with connection.begin():
                connection.execute(text("SELECT 1"))

    def _identity(self) -> tuple[int, int] | None:
        """Return device and inode of the SQLite file, or None on PostgreSQL."""
        if self.path is None:
            return None
        status = self.path.stat()
        return status.st_dev, status.st_ino

    def release_writer(self, connection: Connection) -> None:
        """Undo what is not committed and close the connection; never raises."""
        with self._lock:
            if self._writer is connection:
                self._writer = None
        # The driver's connection is closed and not reused, whatever state an error left it in.
        with contextlib.suppress(Exception):
            connection.invalidate()
        with contextlib.suppress(Exception):
            connection.close()

    # ------------------------------------------------------------------ reading

    @contextlib.contextmanager
    def reader(self) -> Iterator[Connection]:
        """Lend a connection that cannot write, in one transaction that is undone at the end.

        Raises:
            StoreUnavailableError: when the database cannot be reached, or no connection becomes free in time.
        """
        pool = self._readers.pool
        with translated(), self._readers.connect() as connection:
            try:
                with connection.begin() as transaction:
                    yield connection
                    transaction.rollback()
            finally:
                if self._readers.pool is not pool:  # disposed of meanwhile: nobody would close the connection
                    connection.invalidate()

    def dispose(self) -> None:
        """Close every connection and give up a SQLite file."""
        writer = self._writer
        if writer is not None:
            self.release_writer(writer)
        self._readers.dispose()
        self._writers.dispose()
        if self._file_lock is not None:
            self._file_lock.release()
