"""Backups, restores and moves bring every row over, or leave everything as it was."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, insert, text, update

from scrollintel.models.fault_tolerance_models import metadata
from scrollintel.storage import copying
from scrollintel.storage.backup import backup, move, restore
from scrollintel.storage.engine import Database
from scrollintel.storage.errors import BackupError, DatabaseLockedError, SchemaError, StandbyError
from scrollintel.storage.schema import upgrade
from tests.servers.postgres import Postgres
from tests.storage.sample_data import contents, fill, rows_of

ROWS = {table.name: 3 for table in metadata.sorted_tables}


@contextmanager
def writing(url: str) -> Iterator[Connection]:
    """Lend the writing connection of a database at the newest step, in a transaction."""
    database = Database(url)
    connection = database.connect_writer()
    upgrade(database, connection)
    try:
        with connection.begin():
            yield connection
    finally:
        database.dispose()


def rows_in(url: str) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of a database."""
    with writing(url) as connection:
        return contents(connection)


@pytest.fixture
def filled_url(database_url: str) -> str:
    """Return a database with rows in every table."""
    with writing(database_url) as connection:
        fill(connection)
    return database_url


@pytest.fixture(params=["to sqlite", "to postgresql"])
def other_url(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> Iterator[str]:
    """Return an empty database of each kind, beside `database_url`."""
    if request.param == "to sqlite":
        yield str(tmp_path / "other" / "control.db")
        return
    url = postgres.new_database()
    yield url
    postgres.drop(url)


def test_backup_and_restore_bring_every_row_over(filled_url: str, other_url: str, tmp_path: Path) -> None:
    """A backup of each database fills each of them with rows that are the same to the byte."""
    before = rows_in(filled_url)
    assert backup(filled_url, tmp_path / "backup.db") == ROWS
    assert restore(tmp_path / "backup.db", other_url) == ROWS
    assert rows_in(other_url) == before
    assert rows_in(filled_url) == before


def test_move_brings_every_row_over_in_both_directions(filled_url: str, other_url: str) -> None:
    """A move fills the other database and leaves the first one as it was."""
    before = rows_in(filled_url)
    assert move(filled_url, other_url) == ROWS
    assert rows_in(other_url) == before
    assert rows_in(filled_url) == before


def test_numbers_continue_after_a_move(filled_url: str, other_url: str) -> None:
    """Rows that are added afterwards get new numbers, though the old ones were not given out there."""
    move(filled_url, other_url)
    with writing(other_url) as connection:
        for table in metadata.sorted_tables:
            if "id" in table.c and table.c.id.identity is not None:
                row = {name: value for name, value in rows_of(table, 2)[1].items() if name != "id"}
                added = connection.execute(insert(table).returning(table.c.id), row).scalar_one()
                assert added == 4, table.name


def test_backup_is_one_private_file_and_shows_its_progress(filled_url: str, tmp_path: Path) -> None:
    """Nobody else may read it, nothing is left beside it, and its progress ends at the whole."""
    told: list[tuple[str, int, int]] = []
    backup(filled_url, tmp_path / "copies" / "backup.db", lambda *news: told.append(news))
    target = tmp_path / "copies" / "backup.db"
    assert [path.name for path in target.parent.iterdir()] == ["backup.db"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert told and told[-1][1] == told[-1][2]
    with sqlite3.connect(target) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


def test_backup_of_a_database_in_use_shows_one_moment(database_url: str, tmp_path: Path) -> None:
    """A control plane may write meanwhile; what it has not committed is not in the backup."""
    database = Database(database_url)
    connection = database.connect_writer()
    upgrade(database, connection)
    with connection.begin():
        fill(connection, 2)
    with connection.begin() as unfinished:
        table = metadata.tables["control_state"]
        connection.execute(insert(table), {"key": "not yet", "value": 1})
        rows = backup(database_url, tmp_path / "backup.db")
        unfinished.rollback()
    database.dispose()
    assert rows == dict.fromkeys(ROWS, 2)


def test_backup_never_replaces_a_file(filled_url: str, tmp_path: Path) -> None:
    """A file that is there stays as it is."""
    target = tmp_path / "backup.db"
    target.write_text("precious")
    with pytest.raises(BackupError, match="exists"):
        backup(filled_url, target)
    assert target.read_text() == "precious"


def test_restore_into_a_filled_database_needs_force(filled_url: str, tmp_path: Path) -> None:
    """Rows are lost only when that is asked for, and then all of them, those of the audit log included."""
    backup(filled_url, tmp_path / "backup.db")
    before = rows_in(filled_url)
    state = metadata.tables["control_state"]
    with writing(filled_url) as connection:
        connection.execute(update(state).values(value="changed"))
        connection.execute(insert(metadata.tables["audit_records"]), rows_of(metadata.tables["audit_records"], 4)[3])
    changed = rows_in(filled_url)
    with pytest.raises(BackupError, match="not empty: there are rows in"):
        restore(tmp_path / "backup.db", filled_url)
    assert rows_in(filled_url) == changed
    restore(tmp_path / "backup.db", filled_url, force=True)
    assert rows_in(filled_url) == before


def test_restored_audit_log_is_append_only_again(filled_url: str, other_url: str, tmp_path: Path) -> None:
    """The triggers that a forced restore had to pass are in force afterwards."""
    backup(filled_url, tmp_path / "backup.db")
    restore(tmp_path / "backup.db", other_url, force=True)
    with pytest.raises(Exception, match="append-only"), writing(other_url) as connection:
        connection.execute(text("DELETE FROM audit_records"))


def test_restore_and_move_are_refused_while_a_control_plane_runs(filled_url: str, tmp_path: Path) -> None:
    """Neither takes a database from under the process that has it."""
    backup(filled_url, tmp_path / "backup.db")
    database = Database(filled_url)
    database.connect_writer()
    with pytest.raises((DatabaseLockedError, StandbyError)):
        restore(tmp_path / "backup.db", filled_url, force=True)
    with pytest.raises((DatabaseLockedError, StandbyError)):
        move(filled_url, str(tmp_path / "elsewhere.db"))
    database.dispose()
    assert not (tmp_path / "elsewhere.db").exists()


def test_restore_refuses_what_is_no_sound_backup(database_url: str, tmp_path: Path) -> None:
    """Missing, foreign and damaged files and those of newer versions are refused before anything is changed."""
    with writing(database_url) as connection:
        fill(connection, 50)
    before = rows_in(database_url)
    foreign, damaged, newer = (tmp_path / name for name in ("foreign.db", "damaged.db", "newer.db"))
    with sqlite3.connect(foreign) as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    backup(database_url, damaged)
    content = bytearray(damaged.read_bytes())
    content[40_000:60_000] = bytes(20_000)
    damaged.write_bytes(content)
    backup(database_url, newer)
    with sqlite3.connect(newer) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    other.close()
    for file, error in (
        (tmp_path / "missing.db", BackupError),
        (foreign, BackupError),
        (damaged, BackupError),
        (newer, SchemaError),
    ):
        with pytest.raises(error):
            restore(file, database_url, force=True)
    assert rows_in(database_url) == before


def test_move_that_does_not_agree_leaves_the_other_database_empty(
    filled_url: str, other_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a row has arrived otherwise than it was sent, nothing of the move is kept."""
    portions = copying._portions
    readings: list[str] = []

    def spoilt(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
        readings.append(table.name)
        for rows in portions(connection, table):
            if readings.count("services") == 2:  # the first reading is the source's, the second what has arrived
                rows[1]["tier"] += 1
            yield rows

    monkeypatch.setattr(copying, "_portions", spoilt)
    with pytest.raises(BackupError, match="services differs"):
        move(filled_url, other_url)
    assert not any(rows_in(other_url).values())


def test_move_into_a_filled_database_is_refused(filled_url: str, other_url: str) -> None:
    """A move never mixes two control planes."""
    with writing(other_url) as connection:
        connection.execute(insert(metadata.tables["control_state"]), {"key": "mine", "value": 1})
    with pytest.raises(BackupError, match="there are rows in control_state"):
        move(filled_url, other_url)
    assert [row["key"] for row in rows_in(other_url)["control_state"]] == ["mine"]


def test_move_of_what_the_other_database_cannot_hold_names_the_table(postgres_url: str, sqlite_url: str) -> None:
    """SQLite holds texts that are too long for PostgreSQL; the error says where."""
    with writing(sqlite_url) as connection:
        row = rows_of(metadata.tables["services"], 1)[0] | {"name": "n" * 300}
        connection.execute(insert(metadata.tables["services"]), row)
    with pytest.raises(BackupError, match="a row of services does not fit"):
        move(sqlite_url, postgres_url)


def test_large_tables_are_copied_in_portions(sqlite_url: str, postgres_url: str) -> None:
    """More rows than one portion holds arrive as well."""
    table = metadata.tables["health_checks"]
    with writing(sqlite_url) as connection:
        connection.execute(insert(table), rows_of(table, 2_500))
    told: list[tuple[str, int, int]] = []
    assert move(sqlite_url, postgres_url, lambda *news: told.append(news))["health_checks"] == 2_500
    mine = [(done, total) for name, done, total in told if name == "health_checks"]
    assert mine == [(0, 2_500), (1_000, 2_500), (2_000, 2_500), (2_500, 2_500)]
