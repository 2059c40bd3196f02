"""The database itself refuses to change or delete what must stay: audit records, checkpoints, revisions of policies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import DBAPIError

from scrollintel.models.fault_tolerance_models import metadata
from scrollintel.storage.engine import Database
from scrollintel.storage.schema import upgrade
from tests.storage.sample_data import contents, fill, rows_of

TABLES = ("audit_records", "audit_checkpoints", "policy_revisions")


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """Return the writing connection of a database with rows in every table."""
    connection = database.connect_writer()
    upgrade(database, connection)
    with connection.begin():
        fill(connection)
    yield connection
    database.release_writer(connection)


def attempts(table: str, dialect: str) -> list[str]:
    """Return statements that would change, delete or replace rows."""
    columns = [column.name for column in metadata.tables[table].c]
    keys = [column.name for column in metadata.tables[table].primary_key]
    everything = ", ".join(f'"{name}"' for name in columns)
    common = [
        f"UPDATE {table} SET {columns[-1]} = {columns[-1]}",
        f"UPDATE {table} SET {keys[0]} = {keys[0]}",
        f"DELETE FROM {table}",
        f"INSERT INTO {table} ({everything}) SELECT {everything} FROM {table} WHERE true "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {columns[-1]} = excluded.{columns[-1]}",
    ]
    if dialect == "postgresql":
        return [*common, f"TRUNCATE {table}", f"TRUNCATE {table} CASCADE"]
    return [
        *common,
        f"REPLACE INTO {table} SELECT * FROM {table}",
        f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
        f"UPDATE OR REPLACE {table} SET {keys[-1]} = {keys[-1]} + 1",
    ]


@pytest.mark.parametrize("table", TABLES)
def test_append_only_tables_refuse_every_change(connection: Connection, table: str) -> None:
    """Rows are added and nothing else, whatever the statement."""
    with connection.begin():
        before = contents(connection)[table]
    for statement in attempts(table, connection.dialect.name):
        with pytest.raises(DBAPIError, match="append-only"), connection.begin():
            connection.execute(text(statement))
    with connection.begin():
        connection.execute(insert(metadata.tables[table]), rows_of(metadata.tables[table], 4)[3])
        assert contents(connection)[table][:3] == before


@pytest.mark.parametrize("table", TABLES)
def test_append_only_tables_refuse_a_replacement_without_recursive_triggers(sqlite_url: str, table: str) -> None:
    """A tool that opens the file without the writer's settings cannot replace rows either."""
    database = Database(sqlite_url)
    connection = database.connect_writer()
    upgrade(database, connection)
    with connection.begin():
        fill(connection)
    connection.exec_driver_sql("PRAGMA recursive_triggers = OFF")
    connection.rollback()
    with pytest.raises(DBAPIError, match="append-only"), connection.begin():
        connection.execute(text(f"REPLACE INTO {table} SELECT * FROM {table}"))
    database.dispose()
