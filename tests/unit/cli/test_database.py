"""`scrollintel db` works on the database itself: with progress, and never over what is there."""

from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scrollintel.storage.engine import Database
from scrollintel.storage.schema import head

from .rig import Run
from .terminal import in_terminal

FILE = Path(".local/share/scrollintel/control.db")


@pytest.fixture
def filled(cli: Run, tmp_path: Path) -> Path:
    """Return the file of the user's database, with one row in it."""
    assert cli("db", "upgrade").code == 0
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("INSERT INTO control_state (key, value) VALUES ('mark', 1)")
    return tmp_path / FILE


@pytest.fixture
def served(filled: Path) -> Iterator[Path]:
    """Return the file of a database that a control plane owns."""
    database = Database(str(filled))
    connection = database.connect_writer()
    yield filled
    database.release_writer(connection)
    database.dispose()


def marks(file: Path) -> list[tuple[str, str]]:
    """Return what stands in the table of the mark."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT key, value FROM control_state").fetchall()


def test_check_upgrade_and_downgrade_tell_where_the_schema_is(cli: Run, tmp_path: Path) -> None:
    """A look creates nothing; upgrade makes the file for its owner alone; downgrade asks."""
    done = cli("db", "check")
    assert done.code == 1
    assert "no tables yet" in done.out
    assert "scrollintel db upgrade" in done.out
    assert not (tmp_path / FILE).exists()
    done = cli("db", "upgrade")
    assert (done.code, done.out) == (0, f"The schema is at {head()}.\n")
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert cli("--json", "db", "check").json == {
        "step": head(), "wanted": head(), "current": True, "database": f"sqlite:///{tmp_path / FILE}"
    }  # fmt: skip
    done = cli("db", "downgrade", "base")
    assert done.code == 2
    assert "what later steps added is lost" in done.err
    done = cli("--yes", "db", "downgrade", "base")
    assert (done.code, done.out) == (0, "The schema is at base.\n")
    assert cli("db", "check").code == 1


def test_downgrade_to_what_is_no_step_lists_those_that_are(cli: Run, filled: Path) -> None:
    """Nothing is changed."""
    done = cli("db", "downgrade", "nosuch", "--yes")
    assert done.code == 1
    known = done.err.partition("known are ")[2]
    assert f"{head()}, base" in known
    assert marks(filled) == [("mark", "1")]


def test_downgrade_of_no_database_creates_none(cli: Run, tmp_path: Path) -> None:
    """A mistyped address leaves no empty file behind."""
    done = cli("--yes", "db", "downgrade", "base")
    assert done.code == 1
    assert "no tables to take back" in done.err
    assert not (tmp_path / FILE).exists()


def test_database_of_a_newer_version_is_refused(cli: Run, filled: Path) -> None:
    """It is told what to do; nothing is changed."""
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    done = cli("db", "upgrade")
    assert done.code == 1
    assert "written by a newer one" in done.err
    assert cli("db", "check").code == 1


def test_backup_never_replaces_a_file(cli: Run, filled: Path, tmp_path: Path) -> None:
    """The second one of the same name is refused, and the first stays."""
    done = cli("db", "backup", "copy.db")
    assert done.code == 0
    assert "copy.db: 1 rows. Keep the keys as well" in done.out
    before = (tmp_path / "copy.db").read_bytes()
    again = cli("--json", "db", "backup", "copy.db")
    assert again.code == 6
    assert again.error["code"] == "target_occupied"
    assert (tmp_path / "copy.db").read_bytes() == before


def test_restore_fills_an_empty_database_and_asks_before_it_replaces(cli: Run, filled: Path) -> None:
    """Without --force rows are safe; with it they are replaced as a whole."""
    cli("db", "backup", "copy.db")
    done = cli("db", "restore", "copy.db", "--yes")
    assert done.code == 6
    assert "not empty" in done.err
    assert "--force" in done.err
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("UPDATE control_state SET value = 2")
    done = cli("db", "restore", "copy.db", "--force")
    assert done.code == 2
    assert "what it holds now is lost" in done.err
    assert marks(filled) == [("mark", "2")]
    done = cli("--json", "db", "restore", "copy.db", "--force", "--yes")
    assert done.code == 0
    assert done.json["rows"]["control_state"] == 1
    assert marks(filled) == [("mark", "1")]


@pytest.mark.parametrize("content", [None, b"", b"nonsense" * 1000])
def test_restore_of_what_is_no_backup_changes_nothing(cli: Run, filled: Path, content: bytes | None) -> None:
    """The file is named and the database stays."""
    if content is not None:
        Path("copy.db").write_bytes(content)
    done = cli("--yes", "db", "restore", "copy.db", "--force")
    assert done.code == 1
    assert "copy.db" in done.err
    assert marks(filled) == [("mark", "1")]


def test_move_copies_into_an_empty_database_only(cli: Run, filled: Path, tmp_path: Path) -> None:
    """The first database stays; what to do next is told; a second move finds rows and is refused."""
    done = cli("db", "move", "other/control.db")
    assert done.code == 2
    assert "stop the control plane first" in done.err
    done = cli("--yes", "db", "move", "other/control.db")
    assert done.code == 0
    assert "1 rows moved and compared; set database.url to other/control.db" in done.out
    assert marks(filled) == marks(tmp_path / "other" / "control.db") == [("mark", "1")]
    done = cli("--yes", "--json", "db", "move", "other/control.db")
    assert (done.code, done.error["code"]) == (6, "target_occupied")


@pytest.mark.parametrize(
    "command", ["upgrade", "downgrade base", "restore copy.db", "restore copy.db --force", "move other.db"]
)
def test_database_in_use_is_left_alone(cli: Run, served: Path, command: str) -> None:
    """What changes a database refuses while a control plane owns it, and says what to do."""
    assert cli("db", "backup", "copy.db").code == 0
    done = cli("--yes", "db", *command.split())
    assert done.code == 6
    assert "is in use by" in done.err
    assert "stop the control plane first" in done.err
    assert marks(served) == [("mark", "1")]
    assert cli("--yes", "--json", "db", *command.split()).error["code"] == "database_locked"


def test_database_in_use_can_be_looked_at(cli: Run, served: Path) -> None:
    """Check and backup work beside a control plane."""
    assert cli("db", "check").code == 0
    done = cli("--json", "db", "backup", "copy.db")
    assert done.json["rows"]["control_state"] == 1


def test_address_that_is_none_is_refused_without_showing_its_password(
    cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another kind of database is a mistake of the settings."""
    monkeypatch.setenv("SCROLLINTEL_DATABASE_URL", "mysql://root:hunter2-made-up@localhost/x")
    for command in ("check", "upgrade"):
        done = cli("db", command)
        assert done.code == 2
        assert "hunter2" not in done.out + done.err
    monkeypatch.delenv("SCROLLINTEL_DATABASE_URL")
    done = cli("--yes", "db", "move", "mysql://root:hunter2-made-up@localhost/x")
    assert done.code in {1, 2}
    assert "hunter2" not in done.out + done.err


def test_progress_is_shown_on_a_terminal(filled: Path, tmp_path: Path) -> None:
    """A bar stands on standard error while it takes its time; a program reading JSON gets none."""
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.executemany(
            "INSERT INTO control_state (key, value) VALUES (?, 1)", ((f"k{n}",) for n in range(3000))
        )
    code, text = in_terminal(tmp_path, "db", "move", "other.db", "--yes")
    assert (code, "move control_state" in text, "100%" in text) == (0, True, True)
    code, text = in_terminal(tmp_path, "--json", "db", "move", "another.db", "--yes")
    assert (code, json.loads(text)["rows"]["control_state"]) == (0, 3001)


def test_move_names_what_is_wrong_with_the_target(cli: Run) -> None:
    """An unknown kind of address is a mistake of the command line; where nobody answers there is advice."""
    cli("db", "upgrade")
    done = cli("--yes", "db", "move", "mysql://x/y")
    assert done.code == 2
    assert "the database is not valid" in done.err
    done = cli("--yes", "db", "move", "postgresql://nobody:made-up@/none?host=/nowhere")
    assert done.code == 1
    assert "check the address" in done.err
    assert "made-up" not in done.err
