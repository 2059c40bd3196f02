"""SQLite: one process owns the file, one of its connections writes, the others only read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, NullPool, QueuePool, create_engine, event

from .errors import StoreUnavailableError

BUSY_TIMEOUT = 5.0
"""Seconds to wait for a lock within the file; with one writer there is none but for moments."""

_WRITER = (
    "PRAGMA synchronous = FULL",  # NORMAL loses acknowledged commits when the power fails
    "PRAGMA fullfsync = ON",  # macOS: a plain fsync stops at the disk's own cache
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",  # so that a REPLACE meets the triggers that refuse a delete
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA wal_autocheckpoint = 1000",
    "PRAGMA journal_size_limit = 67108864",
)
_READER = ("PRAGMA query_only = ON", "PRAGMA trusted_schema = OFF", "PRAGMA wal_autocheckpoint = 0")


def open_sqlite(path: Path, *, writing: bool) -> sqlite3.Connection:
    """Open the file without a transaction of the driver's own making.

    A reader opens it with `mode=ro`, so that it cannot check-point, not even when it is the last to close.
    """
    mode = "rw" if writing else "ro"
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,  # a pool hands connections from thread to thread, never to two at once
    )
    try:
        if writing:
            (journal,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if journal != "wal":
                raise StoreUnavailableError("the file system cannot hold a SQLite write-ahead log")
        for statement in _WRITER if writing else _READER:
            connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def writer_engine(path: Path) -> Engine:
    """Return an engine whose every connection may write; the caller sees to it that there is one at a time."""
    engine = create_engine(
        "sqlite://", creator=lambda: open_sqlite(path, writing=True), poolclass=NullPool, hide_parameters=True
    )
    # IMMEDIATE: a transaction that begins by reading must not fail when it comes to writing.
    event.listen(engine, "begin", _begin("BEGIN IMMEDIATE"))
    return engine


def reader_engine(path: Path, *, size: int, patience: float) -> Engine:
    """Return an engine with up to `size` connections that cannot write; waits `patience` seconds for a free one."""
    engine = create_engine(
        "sqlite://",
        creator=lambda: open_sqlite(path, writing=False),
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=patience,
        hide_parameters=True,
    )
    event.listen(engine, "begin", _begin("BEGIN"))
    return engine


def _begin(statement: str) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return begin
