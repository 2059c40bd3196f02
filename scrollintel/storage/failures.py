"""What an error of a database driver means for the control plane."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from sqlalchemy.exc import DBAPIError, TimeoutError

from .errors import StoreFullError, StoreUnavailableError


class Failure(StrEnum):
    """`UNAVAILABLE`: unreachable, broken or too slow. `FULL`: no room left. `CONFLICT`: a rule of the tables or a
    concurrent change is against it. `FAULT`: the statement itself is wrong."""

    UNAVAILABLE = "unavailable"
    FULL = "full"
    CONFLICT = "conflict"
    FAULT = "fault"


_FAULTY_CODES = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH})
"""SQLite's codes for a wrong statement; every other code speaks of the file, its locks or memory."""

_STATES = (
    ("53100", Failure.FULL),  # disk full
    ("53", Failure.UNAVAILABLE),  # out of connections or memory
    ("23", Failure.CONFLICT),  # a constraint
    ("40", Failure.CONFLICT),  # serialization failure, deadlock
    ("08", Failure.UNAVAILABLE),  # connection
    ("57", Failure.UNAVAILABLE),  # shut down, or a statement that ran out of time
    ("58", Failure.UNAVAILABLE),  # a system error of the server
    ("25006", Failure.UNAVAILABLE),  # the server has become a read-only standby
    ("25P03", Failure.UNAVAILABLE),  # ended for idling in a transaction
    ("55P03", Failure.UNAVAILABLE),  # a lock was not given in time
    ("28", Failure.UNAVAILABLE),  # the password is not, or not yet, accepted
    ("3D000", Failure.UNAVAILABLE),  # the database does not exist, or not yet
    ("XX", Failure.UNAVAILABLE),  # corrupt data, internal error
)
"""PostgreSQL's error codes by prefix, the first that fits (its manual, appendix A)."""


def classify(error: BaseException) -> Failure:
    """Return what an error of SQLAlchemy or a driver means."""
    if isinstance(error, StoreFullError):
        return Failure.FULL
    if isinstance(error, StoreUnavailableError | TimeoutError):
        return Failure.UNAVAILABLE
    if isinstance(error, OSError):
        return Failure.FULL if error.errno in {errno.ENOSPC, errno.EDQUOT} else Failure.UNAVAILABLE
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, sqlite3.Error):
        return _classify_sqlite(original)
    state = getattr(original, "sqlstate", None)
    if isinstance(state, str):
        return next((failure for prefix, failure in _STATES if state.startswith(prefix)), Failure.FAULT)
    # psycopg has no code for what happened before or after the server could speak.
    if type(original).__name__ in {"OperationalError", "InterfaceError", "ConnectionTimeout"}:
        return Failure.UNAVAILABLE
    return Failure.FAULT


def _classify_sqlite(error: sqlite3.Error) -> Failure:
    if isinstance(error, sqlite3.IntegrityError):
        return Failure.CONFLICT
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return Failure.UNAVAILABLE if isinstance(error, sqlite3.OperationalError) else Failure.FAULT
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return Failure.FULL
    return Failure.FAULT if code & 0xFF in _FAULTY_CODES else Failure.UNAVAILABLE


@contextmanager
def translated(*further: type[Exception]) -> Iterator[None]:
    """Turn errors that say that the database cannot be used into StoreUnavailableError or StoreFullError.

    Those of SQLAlchemy and the drivers, and those of the classes in `further`, such as OSError. The new error holds no
    text of the driver, which may name hosts, users, paths or values.
    """
    expected: tuple[type[Exception], ...] = (DBAPIError, TimeoutError, sqlite3.Error, *further)
    try:
        yield
    except expected as error:
        failure = classify(error)
        if failure is Failure.FULL:
            raise StoreFullError from error
        if failure is Failure.UNAVAILABLE:
            raise StoreUnavailableError from error
        raise
