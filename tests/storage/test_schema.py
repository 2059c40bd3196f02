"""Migrations lead to what the models say, on both databases, with and without data."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.schema import CreateTable

from scrollintel.models.fault_tolerance_models import metadata
from scrollintel.storage import schema
from scrollintel.storage.engine import Database
from scrollintel.storage.errors import SchemaError
from tests.servers.postgres import Postgres
from tests.storage.sample_data import contents, fill, rows_of


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """Return a PostgreSQL database that nothing has been done to."""
    url = postgres.new_database()
    yield url
    postgres.drop(url)


def described(connection: Connection) -> dict[str, object]:
    """Return everything that the database tells of its tables: columns, keys, indexes, rules, comments, triggers."""
    inspector = inspect(connection)
    found: dict[str, object] = {}
    for name in sorted(set(inspector.get_table_names()) - {"alembic_version"}):
        columns = [
            {key: str(value) for key, value in column.items() if key != "autoincrement"}
            for column in inspector.get_columns(name)
        ]
        found[name] = (
            columns,
            inspector.get_pk_constraint(name),
            sorted(inspector.get_foreign_keys(name), key=str),
            sorted(inspector.get_indexes(name), key=str),
            sorted(inspector.get_check_constraints(name), key=str),
            sorted(inspector.get_unique_constraints(name), key=str),
            inspector.get_table_comment(name) if connection.dialect.name == "postgresql" else None,
        )
    if connection.dialect.name == "postgresql":
        query = "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
    else:
        query = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
    found["triggers"] = sorted(tuple(row) for row in connection.execute(text(query)))
    return found


def test_migrations_make_what_the_models_say(database: Database) -> None:
    """Tables made by the migrations are those that the metadata would make, down to the names of their rules."""
    connection = database.connect_writer()
    with connection.begin():
        metadata.create_all(connection)
        expected = described(connection)
        metadata.drop_all(connection)
    schema.upgrade(database, connection)
    with connection.begin():
        assert described(connection) == expected
    assert schema.status(connection) == (schema.head(), schema.head(), ())


def test_migrations_make_the_same_kind_of_sqlite_tables(sqlite_url: str) -> None:
    """AUTOINCREMENT and WITHOUT ROWID, of which the inspection of SQLite tells nothing, are there as well."""
    database = Database(sqlite_url)
    connection = database.connect_writer()
    schema.upgrade(database, connection)
    with connection.begin():
        for table in metadata.sorted_tables:
            made = connection.scalar(text("SELECT sql FROM sqlite_schema WHERE name = :name"), {"name": table.name})
            wanted = str(CreateTable(table).compile(connection))
            for word in ("AUTOINCREMENT", "WITHOUT ROWID"):
                assert (word in made) == (word in wanted), (table.name, word)
    database.dispose()


def test_upgrade_that_is_repeated_changes_nothing(database: Database) -> None:
    """An up-to-date database with rows stays as it is."""
    connection = database.connect_writer()
    schema.upgrade(database, connection)
    with connection.begin():
        fill(connection)
        before = contents(connection)
    schema.upgrade(database, connection)
    with connection.begin():
        assert contents(connection) == before
    assert schema.status(connection).is_current


def test_downgrade_with_data_removes_all_traces_and_upgrade_works_again(database: Database) -> None:
    """Taken back to the start, a database with rows in every table is empty, and can be used afresh."""
    connection = database.connect_writer()
    schema.upgrade(database, connection)
    with connection.begin():
        fill(connection)
    schema.downgrade(connection, "base")
    with connection.begin():
        assert set(inspect(connection).get_table_names()) == {"alembic_version"}
        if database.dialect == "postgresql":
            ours = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            assert connection.scalar(text(ours)) == 0
    schema.upgrade(database, connection)
    with connection.begin():
        fill(connection)
    assert schema.status(connection).is_current


def test_names_of_token_owners_survive_the_upgrade_and_sealed_ones_go_with_the_downgrade(database: Database) -> None:
    """Step 2 leaves names for the control plane to seal; going back takes out what nothing of before could open."""
    connection = database.connect_writer()
    schema.upgrade(database, connection)
    schema.downgrade(connection, "0001")
    tokens = metadata.tables["api_tokens"]
    with connection.begin():
        connection.execute(insert(tokens), rows_of(tokens))
        connection.execute(text("UPDATE api_tokens SET subject = 'ann@example.org'"))
        before = connection.execute(select(tokens)).mappings().all()
    schema.upgrade(database, connection)
    with connection.begin():
        assert connection.execute(select(tokens)).mappings().all() == before
        sealed = f"sub_{'0' * 32}:sip1:AAAA"
        connection.execute(text("UPDATE api_tokens SET subject = :sealed"), {"sealed": sealed})
    schema.downgrade(connection, "0001")
    with connection.begin():
        after = connection.execute(select(tokens)).mappings().all()
    assert [dict(row) for row in after] == [{**row, "subject": None} for row in before]
    schema.upgrade(database, connection)
    assert schema.status(connection).is_current


def test_downgrade_to_an_unknown_step_is_refused(database: Database) -> None:
    """A step that does not exist is named, with those that do."""
    connection = database.connect_writer()
    schema.upgrade(database, connection)
    with pytest.raises(SchemaError, match=r"no step '7'; known are 0001, 0002, 0003"):
        schema.downgrade(connection, "7")
    assert schema.status(connection).is_current


def test_newer_schema_is_refused_and_left_alone(database: Database) -> None:
    """A database that a newer version has written is not touched."""
    connection = database.connect_writer()
    schema.upgrade(database, connection)
    with connection.begin():
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        before = described(connection)
    with pytest.raises(SchemaError, match="newer"):
        schema.upgrade(database, connection)
    with connection.begin():
        assert described(connection) == before
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


def test_schema_that_was_changed_by_hand_is_told(database: Database) -> None:
    """A missing index shows in the status though the step is the newest."""
    connection = database.connect_writer()
    schema.upgrade(database, connection)
    with connection.begin():
        connection.execute(text("DROP INDEX ix_health_checks_at"))
    status = schema.status(connection)
    assert status.current == status.wanted
    assert not status.is_current
    assert "ix_health_checks_at" in status.differences[0]


def test_processes_that_start_at_once_upgrade_one_after_the_other(postgres_url: str) -> None:
    """Several processes find an empty PostgreSQL database at the same moment; all end well, with one schema."""
    program = (
        "import sys; from scrollintel.storage import schema; from scrollintel.storage.engine import Database\n"
        "database = Database(sys.argv[1]); connection = database.writers.connect()\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "schema.upgrade(database, connection)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, postgres_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0]
    database = Database(postgres_url)
    assert schema.status(database.connect_writer()).is_current
    database.dispose()
