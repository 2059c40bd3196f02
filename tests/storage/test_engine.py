"""The database is opened durably, by one owner, and nobody but the writer can write."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from scrollintel.core.errors import ConfigError
from scrollintel.storage.engine import Database
from scrollintel.storage.errors import DatabaseLockedError, StandbyError, StoreUnavailableError
from scrollintel.storage.file_lock import FileLock
from scrollintel.storage.schema import upgrade
from tests.servers.postgres import Postgres
from tests.servers.processes import eventually


def test_sqlite_writer_is_durable_and_strict(sqlite_url: str) -> None:
    """The writer logs ahead, syncs each commit, and enforces foreign keys and the triggers against REPLACE."""
    database = Database(sqlite_url)
    connection = database.connect_writer()
    names = ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers", "trusted_schema", "fullfsync")
    with connection.begin():
        found = {name: connection.scalar(text(f"PRAGMA {name}")) for name in names}
    database.dispose()
    full = 2
    assert found == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 1,
        "recursive_triggers": 1,
        "trusted_schema": 0,
        "fullfsync": 1,
    }


def test_postgres_writer_commits_durably_even_where_the_server_does_not(postgres: Postgres, postgres_url: str) -> None:
    """A server or user set to answer before a commit is on disk does not keep the writer from waiting."""
    database = Database(f"{postgres_url}&options=-c%20synchronous_commit%3Doff")
    connection = database.connect_writer()
    with connection.begin():
        assert connection.scalar(text("SHOW synchronous_commit")) == "on"
        assert connection.scalar(text("SHOW fsync")) == "on"
    database.dispose()


def test_sqlite_files_and_folders_are_private(sqlite_url: str, tmp_path: Path) -> None:
    """Only the owner may read the folder that is made, the database, its log and its lock."""
    old = os.umask(0)
    try:
        database = Database(sqlite_url)
        connection = database.connect_writer()
        upgrade(database, connection)
    finally:
        os.umask(old)
    folder = tmp_path / "database"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == dict.fromkeys(("control.db", "control.db-wal", "control.db-shm", "control.db.lock"), 0o600)
    database.dispose()


def test_second_owner_of_a_sqlite_file_is_refused_and_told_who_has_it(sqlite_url: str) -> None:
    """Another process cannot open the file for writing; it learns the process id of the owner, and no path."""
    database = Database(sqlite_url)
    database.connect_writer()
    program = (
        "import sys; from scrollintel.storage.engine import Database; from scrollintel.storage.errors import *\n"
        "try: Database(sys.argv[1]).connect_writer()\n"
        "except DatabaseLockedError as error: print(error.pid, error)"
    )
    done = subprocess.run([sys.executable, "-c", program, sqlite_url], capture_output=True, text=True, check=True)
    database.dispose()
    expected = f"control.db is in use by process {os.getpid()}; a SQLite database serves one process at a time"
    assert done.stdout == f"{os.getpid()} {expected}\n"


def test_ownership_ends_with_the_database_object(sqlite_url: str) -> None:
    """The file can be taken again once its owner has let go, in the same process as well."""
    first, second = Database(sqlite_url), Database(sqlite_url)
    first.connect_writer()
    with pytest.raises(DatabaseLockedError):
        second.connect_writer()
    first.dispose()
    second.connect_writer()
    second.dispose()


def test_owner_that_has_no_room_for_its_process_id_owns_the_file_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk keeps nobody from being the owner; who is refused is told of no process, and of no former one."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    file = tmp_path / "control.db"
    lock, other = FileLock(file), FileLock(file)
    file.with_name("control.db.lock").write_text("4711\n")
    monkeypatch.setattr(os, "pwrite", full)
    lock.acquire()
    assert lock.held
    with pytest.raises(DatabaseLockedError, match="in use by another process"):
        other.acquire()
    lock.release()
    other.acquire()
    other.release()


def test_owner_whose_process_id_is_only_half_written_tells_of_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of a process id would name another process."""
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: write(file, data[:1], at))
    lock = FileLock(tmp_path / "control.db")
    lock.acquire()
    assert (tmp_path / "control.db.lock").read_text() == ""
    lock.release()


def test_lock_whose_file_cannot_be_written_is_not_left_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever fails to become the owner leaves the file to the next try, its own or another's."""

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "input/output error")

    lock, other = FileLock(tmp_path / "control.db"), FileLock(tmp_path / "control.db")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", broken)
        with pytest.raises(OSError, match="input/output"):
            lock.acquire()
    assert not lock.held
    other.acquire()
    other.release()


def test_second_writer_of_one_database_is_refused(database: Database) -> None:
    """There is one connection that writes; a released one makes room."""
    connection = database.connect_writer()
    leads = [database.is_leader]
    with pytest.raises(RuntimeError, match="in use"):
        database.connect_writer()
    database.release_writer(connection)
    leads.append(database.is_leader)
    assert leads == [True, False]

    def may_write() -> bool:
        try:
            database.release_writer(database.connect_writer())
        except StandbyError:  # the server has not noticed yet that the session is over
            return False
        return True

    assert eventually(may_write)


def test_second_control_plane_on_postgres_stands_by_until_the_first_is_gone(postgres_url: str) -> None:
    """One holds the lock; it is free again with the end of its connection."""
    first, second = Database(postgres_url), Database(postgres_url)
    connection = first.connect_writer()
    with pytest.raises(StandbyError):
        second.connect_writer()
    first.release_writer(connection)
    second.connect_writer()
    first.dispose()
    second.dispose()


WATCH = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")


def shown(connection: Connection) -> list[str | None]:
    """Return how the server of a session watches over whether the other end is there."""
    return [connection.scalar(text(f"SHOW {name}")) for name in WATCH]


def test_postgres_server_soon_notices_a_control_plane_that_vanished() -> None:
    """Over TCP the server's own end asks after 5 s of silence, so that a lost leader's lock is free after about ten."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    with Postgres(port=port) as server:
        database = Database(server.url())
        connection = database.connect_writer()
        with connection.begin():
            assert shown(connection) == ["5", "2", "3", "10000"]
        database.dispose()
        patient = Database(f"{server.url()}?options=-c%20tcp_keepalives_idle%3D60")
        connection = patient.connect_writer()
        with connection.begin():
            assert shown(connection) == ["60", "2", "3", "10000"]
        patient.dispose()


def test_postgres_on_a_unix_socket_needs_no_watch(postgres_url: str) -> None:
    """Where both ends are on one host the kernel tells at once; the settings mean nothing there and harm nothing."""
    if "?host=" not in postgres_url:
        return  # a server that ran already, reached by TCP
    database = Database(postgres_url)
    connection = database.connect_writer()
    with connection.begin():
        assert shown(connection) == ["0", "0", "0", "0"]
    database.dispose()


def test_control_planes_in_two_schemas_do_not_meet(postgres_url: str) -> None:
    """The lock belongs to the schema, so that one PostgreSQL database may hold two control planes."""
    first, second = Database(postgres_url), Database(f"{postgres_url}&options=-c%20search_path%3Dother")
    connection = first.connect_writer()
    with connection.begin():
        connection.execute(text("CREATE SCHEMA other"))
    second.connect_writer()
    first.dispose()
    second.dispose()


def test_readers_cannot_write(database: Database) -> None:
    """What a reader tries to write is refused by the database itself."""
    connection = database.connect_writer()
    upgrade(database, connection)
    for statement in (
        "INSERT INTO control_state (key, value) VALUES ('x', '1')",
        "DELETE FROM control_state",
        "CREATE TABLE t (x INTEGER)",
    ):
        with pytest.raises((DBAPIError, StoreUnavailableError)), database.reader() as reader:
            reader.execute(text(statement))
    with database.reader() as reader:
        assert reader.scalar(text("SELECT count(*) FROM control_state")) == 0


def test_readers_see_what_is_committed_and_hold_no_writer_up(database: Database) -> None:
    """A reader's transaction shows one moment; the writer goes on meanwhile."""
    connection = database.connect_writer()
    upgrade(database, connection)
    count = text("SELECT count(*) FROM control_state")
    with database.reader() as before:
        before.scalar(count)
        with connection.begin():
            connection.execute(text("INSERT INTO control_state (key, value) VALUES ('x', '1')"))
        with database.reader() as after:
            assert after.scalar(count) == 1


def test_reader_that_finds_no_free_connection_gives_up(database_url: str) -> None:
    """When all read connections are lent, another reader hears of it after its patience."""
    database = Database(database_url, readers=1, patience=0.05)
    database.release_writer(database.connect_writer())
    keeper = database.connect_writer()
    with database.reader(), pytest.raises(StoreUnavailableError), database.reader():
        raise AssertionError("there was no connection left")
    database.release_writer(keeper)
    database.dispose()


def test_readers_work_from_many_threads(database: Database) -> None:
    """Threads share the read connections."""
    connection = database.connect_writer()
    upgrade(database, connection)
    found: list[object] = []

    def read() -> None:
        for _ in range(20):
            with database.reader() as reader:
                found.append(reader.scalar(text("SELECT count(*) FROM control_state")))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [0] * 160


def test_writer_notices_a_file_that_was_replaced(sqlite_url: str, tmp_path: Path) -> None:
    """A deleted database file is not written to as if it were there."""
    database = Database(sqlite_url)
    connection = database.connect_writer()
    database.check_writer(connection)
    (tmp_path / "database" / "control.db").unlink()
    with pytest.raises(StoreUnavailableError):
        database.check_writer(connection)
    database.dispose()


def test_unreachable_server_is_unavailable_and_named_without_its_password(tmp_path: Path) -> None:
    """The error says that the database cannot be used, and neither it nor the address shown holds the password."""
    database = Database(f"postgresql://user:hunter2@/name?host={tmp_path}")
    with pytest.raises(StoreUnavailableError) as caught:
        database.connect_writer()
    with pytest.raises(StoreUnavailableError), database.reader():
        raise AssertionError("there is no server")
    assert "hunter2" not in f"{caught.value} {database!r} {database.display}"


@pytest.mark.parametrize("url", ["", ":memory:", "sqlite://", "mysql://u:hunter2@h/d", "file:x?mode=memory", "x/"])
def test_other_addresses_are_refused_without_repeating_them(url: str) -> None:
    """What is neither a file nor a PostgreSQL address is refused, and a password in it is not shown."""
    with pytest.raises(ConfigError) as caught:
        Database(url)
    assert "hunter2" not in str(caught.value)


def test_reader_that_outlives_the_database_is_closed_when_it_ends(database: Database) -> None:
    """A query under way when everything is closed leaves no connection behind."""
    database.release_writer(database.connect_writer())
    with database.reader() as reader:
        driver = reader.connection.driver_connection
        assert driver is not None
        database.dispose()
        assert reader.scalar(text("SELECT 1")) == 1
    with pytest.raises(Exception, match="closed"):
        driver.execute("SELECT 1")
