"""Errors of the drivers mean what the control plane takes them for, and their texts go no further."""

from __future__ import annotations

import errno
import sqlite3
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from scrollintel.storage.engine import Database
from scrollintel.storage.errors import StoreFullError, StoreUnavailableError
from scrollintel.storage.failures import Failure, classify, translated
from scrollintel.storage.schema import upgrade
from scrollintel.storage.sqlite import open_sqlite
from tests.servers.postgres import Postgres
from tests.storage.sample_data import fill


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """Return the writing connection of a database at the newest step."""
    connection = database.connect_writer()
    upgrade(database, connection)
    yield connection
    database.release_writer(connection)


def failure_of(connection: Connection, *statements: str) -> Failure:
    """Return what the error of the last statement means."""
    with pytest.raises(DBAPIError) as caught, connection.begin():
        for statement in statements:
            connection.execute(text(statement))
    return classify(caught.value)


def test_broken_rules_are_conflicts(connection: Connection) -> None:
    """A key that exists, a value that a rule forbids, a missing value: the database works and says no."""
    insert = "INSERT INTO control_state (key, value) VALUES ('a', '1')"
    assert failure_of(connection, insert, insert) is Failure.CONFLICT
    assert failure_of(connection, "INSERT INTO control_state (key) VALUES ('a')") is Failure.CONFLICT
    with connection.begin():
        fill(connection)
    assert failure_of(connection, "UPDATE audit_records SET body = ''") is Failure.CONFLICT


def test_wrong_statements_are_faults(connection: Connection) -> None:
    """What no database would run is a mistake in the program."""
    assert failure_of(connection, "SELEC 1") is Failure.FAULT
    assert failure_of(connection, "SELECT * FROM nowhere") is Failure.FAULT


def test_statement_without_end_is_unavailability_on_postgres(postgres_url: str) -> None:
    """The server breaks off what takes too long."""
    database = Database(postgres_url, statement_timeout=0.05)
    connection = database.connect_writer()
    assert failure_of(connection, "SELECT pg_sleep(20)") is Failure.UNAVAILABLE
    database.dispose()


def test_ended_session_is_unavailability_on_postgres(postgres_url: str) -> None:
    """A connection that the server has closed is one that can be opened again."""
    database = Database(postgres_url)
    connection = database.connect_writer()
    assert failure_of(connection, "SELECT pg_terminate_backend(pg_backend_pid())") is Failure.UNAVAILABLE
    database.dispose()


def test_missing_database_is_unavailability_on_postgres(postgres: Postgres) -> None:
    """A database that does not exist yet may come."""
    database = Database(postgres.url("not_there"))
    with pytest.raises(StoreUnavailableError):
        database.connect_writer()
    database.dispose()


def test_locked_and_damaged_sqlite_files_are_unavailability(tmp_path: Path) -> None:
    """Neither is a mistake in the program."""
    path = tmp_path / "x.db"
    path.touch()
    first, second = open_sqlite(path, writing=True), open_sqlite(path, writing=True)
    first.execute("BEGIN IMMEDIATE")
    second.execute("PRAGMA busy_timeout = 0")
    with pytest.raises(sqlite3.OperationalError) as locked:
        second.execute("BEGIN IMMEDIATE")
    first.close()
    second.close()
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(sqlite3.DatabaseError) as damaged:
        open_sqlite(path, writing=True)
    assert [classify(locked.value), classify(damaged.value)] == [Failure.UNAVAILABLE] * 2


def test_full_sqlite_file_is_full(tmp_path: Path) -> None:
    """A file that cannot grow is told from one that cannot be reached."""
    path = tmp_path / "x.db"
    path.touch()
    connection = open_sqlite(path, writing=True)
    connection.execute("PRAGMA max_page_count = 3")
    with pytest.raises(StoreFullError), translated():
        connection.execute("CREATE TABLE t AS WITH n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n LIMIT 9999) "
                           "SELECT x, hex(randomblob(50)) FROM n")  # fmt: skip
    connection.close()


def test_errors_show_no_values_of_rows(connection: Connection) -> None:
    """A row that is refused may hold a secret: the error says which rule it breaks, and nothing of the row."""
    insert = text("INSERT INTO api_tokens (id, name, digest, subject, bindings, created_at, created_by) "
                  "SELECT :id, 'hunter2', 'hunter2', 'hunter2', '[]', installed.created_at, :by "
                  "FROM api_tokens AS installed LIMIT 1")  # fmt: skip
    with connection.begin():
        fill(connection)
    for values in ({"id": "a", "by": None}, {"id": "hunter2", "by": "x"}):
        with pytest.raises(DBAPIError) as caught, connection.begin():
            connection.execute(insert, values)
            connection.execute(insert, values)
        assert "hunter2" not in "".join(traceback.format_exception(caught.value)).replace("'hunter2'", "")
        assert "api_tokens" in str(caught.value)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, StoreFullError), (errno.EDQUOT, StoreFullError), (errno.EACCES, StoreUnavailableError)],
)
def test_errors_of_files_are_translated_without_their_path(number: int, expected: type[Exception]) -> None:
    """The caller learns what is wrong, and no name of a file."""
    with pytest.raises(StoreUnavailableError) as caught, translated(OSError):
        raise OSError(number, "text", "/secret/path")
    assert type(caught.value) is expected
    assert "secret" not in str(caught.value)


def test_other_errors_pass_through() -> None:
    """What has nothing to do with the database stays what it is."""
    with pytest.raises(ZeroDivisionError), translated(OSError):
        raise ZeroDivisionError
    with pytest.raises(FileNotFoundError), translated():
        raise FileNotFoundError
