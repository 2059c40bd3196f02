"""`doctor` in front of what is really broken: it fails, and says what to do."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scrollintel.cli.diagnosis import FREE_NEEDED, FREE_WANTED, clock, data_directory, room
from scrollintel.security.key_files import FileKeyProvider

from .rig import Done, Reply, Run, ScriptedPlane, free_port

KEY = (
    "INSERT INTO data_keys (id, wrapped, key_encryption_key_id, purpose, created_at) "
    "VALUES ('dk_1', 'x', ?, 'configuration', '2026-01-31 12:00:00')"
)


@pytest.fixture
def data(cli: Run, tmp_path: Path) -> Path:
    """Return a data directory with a database that needs the key beside it."""
    assert cli("db", "upgrade").code == 0
    folder = tmp_path / ".local/share/scrollintel"
    key = FileKeyProvider(folder / "keys", create=True).current().id
    execute(folder, KEY, key)
    return folder


def execute(folder: Path, statement: str, *values: str) -> None:
    """Change the database behind everybody's back."""
    with sqlite3.connect(folder / "control.db") as connection:
        connection.execute(statement, values)
    connection.close()


def check(done: Done, name: str) -> dict[str, str]:
    """Return what `doctor --json` found in one check."""
    (found,) = [found for found in done.json["checks"] if found["name"] == name]
    return dict(found)


def test_doctor_is_content_with_key_and_database_that_belong_together(cli: Run, data: Path) -> None:
    """What is well needs nothing to be done."""
    assert data.is_dir()
    done = cli("doctor", "--json")
    assert (done.code, done.json["ok"]) == (0, True)
    assert (check(done, "keys")["state"], check(done, "keys")["todo"]) == ("ok", "")
    assert check(done, "database")["state"] == "ok"


def _without_keys(keys: Path) -> None:
    keys.rename(keys.with_name("elsewhere"))


def _empty(keys: Path) -> None:
    (keys / "key-000001.key").unlink()


def _other_key(keys: Path) -> None:
    _empty(keys)
    FileKeyProvider(keys, create=True)


def _damaged(keys: Path) -> None:
    (keys / "key-000001.key").write_text("x")


@pytest.mark.parametrize("breaking", [_without_keys, _empty, _other_key, _damaged])
def test_doctor_demands_the_keys_that_the_database_needs(
    cli: Run, data: Path, breaking: Callable[[Path], None]
) -> None:
    """A new key would open nothing, so the old ones must come back."""
    breaking(data / "keys")
    done = cli("doctor", "--json")
    found = check(done, "keys")
    assert (done.code, found["state"]) == (1, "fail")
    assert "restore the keys from their backup" in found["todo"]
    assert str(data / "keys") in found["found"]


@pytest.mark.parametrize(("place", "mode"), [("keys", 0o777), ("keys/key-000001.key", 0o644)])
def test_doctor_tells_the_mode_that_keys_must_have(cli: Run, data: Path, place: str, mode: int) -> None:
    """What is told can be typed."""
    (data / place).chmod(mode)
    done = cli("doctor", "--json")
    found = check(done, "keys")
    assert (done.code, found["state"]) == (1, "fail")
    assert f"chmod {'700' if place == 'keys' else '600'} {data / place}" in found["todo"]


def test_doctor_promises_keys_only_where_there_is_no_database(cli: Run) -> None:
    """The first start makes them."""
    done = cli("doctor", "--json")
    assert (done.code, check(done, "keys")["state"]) == (0, "ok")
    assert "made at the first start" in check(done, "keys")["found"]


def test_doctor_checks_the_key_of_the_environment(cli: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is none at all, no key, or another one than the database needs."""
    monkeypatch.setenv("SCROLLINTEL_KEYS_PROVIDER", "environment")
    key = (data / "keys/key-000001.key").read_text().strip()
    for value, state in (("", "fail"), ("short", "fail"), ("A" * 43 + "=", "fail"), (key, "ok")):
        monkeypatch.setenv("SCROLLINTEL_MASTER_KEY", value)
        found = check(cli("doctor", "--json"), "keys")
        assert found["state"] == state, found
        assert bool(found["todo"]) is (state == "fail")
        assert key not in str(found)


def test_doctor_refuses_a_database_of_a_newer_version(cli: Run, data: Path) -> None:
    """No upgrade helps there; `db check` says the same."""
    execute(data, "UPDATE alembic_version SET version_num = '9999'")
    done = cli("doctor", "--json")
    found = check(done, "database")
    assert (done.code, found["state"]) == (1, "fail")
    assert "install that version" in found["todo"]
    done = cli("db", "check")
    assert done.code == 1
    assert "newer" in done.err
    assert "db upgrade" not in done.err


def test_doctor_tells_a_file_that_is_no_database(cli: Run, data: Path) -> None:
    """Nobody is sent to look after a server that there is not."""
    (data / "control.db").write_bytes(b"no database at all" * 1000)
    for rest in ("control.db-wal", "control.db-shm"):
        (data / rest).unlink(missing_ok=True)
    done = cli("doctor", "--json")
    found = check(done, "database")
    assert (done.code, found["state"]) == (1, "fail")
    assert str(data / "control.db") in found["found"]
    assert "db restore" in found["todo"]


def test_doctor_finds_the_port_in_use(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is no control plane has it; `serve` would fail, and says the same."""
    with ScriptedPlane() as other:
        other.otherwise = Reply(404, b"not here", "text/html")
        monkeypatch.setenv("SCROLLINTEL_SERVER_PORT", other.url.rpartition(":")[2])
        done = cli("doctor", "--json")
        found = check(done, "server")
        assert (done.code, found["state"]) == (1, "fail")
        assert "in use by another program" in found["found"]
        assert "--port" in found["todo"]
        refused = cli("serve")
        assert refused.code == 1
        assert found["found"] in refused.err
        assert "--port" in refused.err


def test_doctor_lets_a_free_port_be(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs, which is no failure; the look itself leaves the port free."""
    port = free_port()
    monkeypatch.setenv("SCROLLINTEL_SERVER_PORT", str(port))
    done = cli("doctor", "--json")
    assert (done.code, check(done, "server")["state"]) == (0, "warn")
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_doctor_finds_an_address_that_is_not_of_this_machine(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """192.0.2.1 belongs to nobody."""
    monkeypatch.setenv("SCROLLINTEL_SERVER_HOST", "192.0.2.1")
    monkeypatch.setenv("SCROLLINTEL_ACCESS_ENABLED", "true")
    done = cli("doctor", "--json", "--timeout", "1")
    assert "no address of this machine" in check(done, "server")["found"]
    assert "server.host" in check(done, "server")["todo"]


def test_doctor_warns_of_a_server_with_another_clock(remote: Run, plane: ScriptedPlane) -> None:
    """Tokens of one would expire for the other."""
    plane.on("GET", "/livez", Reply(body={}, headers={"Date": "Sat, 31 Jan 2026 12:00:00 GMT"}))
    found = check(remote("doctor", "--json"), "server clock")
    assert found["state"] == "warn"
    assert "synchronise" in found["todo"]


def test_clock_before_this_program_was_made_fails() -> None:
    """A machine without a battery starts in 1970."""
    found = clock(0.0)
    assert found.state == "fail"
    assert "set the clock" in found.todo


@pytest.mark.parametrize(
    ("free", "state"),
    [(FREE_NEEDED - 1, "fail"), (FREE_NEEDED, "warn"), (FREE_WANTED - 1, "warn"), (FREE_WANTED, "ok")],
)
def test_room_is_told_before_it_ends(tmp_path: Path, free: int, state: str) -> None:
    """Whoever must make some learns where."""
    found = room(tmp_path, free)
    assert (found.state, bool(found.todo)) == (state, state != "ok")
    assert (str(tmp_path) in found.found) is (state != "ok")


def test_data_directory_that_is_a_file_fails(tmp_path: Path) -> None:
    """It would not be made at the first start, nor could one be below it."""
    file = tmp_path / "data"
    file.touch()
    for place in (file, file / "below"):
        found = data_directory(place)
        assert (found.state, bool(found.todo)) == ("fail", True), found


@pytest.mark.parametrize(("mode", "state"), [(0o700, "ok"), (0o750, "warn"), (0o755, "warn"), (0o777, "fail")])
def test_data_directory_is_for_its_owner_alone(tmp_path: Path, mode: int, state: str) -> None:
    """What is told can be typed."""
    tmp_path.chmod(mode)
    found = data_directory(tmp_path)
    assert found.state == state
    assert found.todo == ("" if state == "ok" else f"chmod 700 {tmp_path}")


CLOSED = """
import os, sys
from scrollintel.cli.main import main
main(["doctor", "--json"])  # as somebody who may read this program's files, which another user perhaps may not
sys.stdout.flush()
sys.stdout = open(sys.argv[1], "w")
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
code = main(["doctor", "--json"])
sys.stdout.flush()
sys.exit(code)
"""


@pytest.fixture
def anybodys() -> Iterator[Path]:
    """Return a folder that other users may enter, as those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="si-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_doctor_survives_a_folder_it_may_not_look_into(tmp_path: Path, anybodys: Path) -> None:
    """Whoever is not the owner learns that, and nothing breaks off; run as another user where the tests run as root."""
    closed = anybodys / "closed"
    (closed / "data").mkdir(parents=True)
    closed.chmod(0o000)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SCROLLINTEL_", "XDG_"))}
    environment = {
        **kept,
        "HOME": str(anybodys),
        "SCROLLINTEL_DATA_DIRECTORY": str(closed / "data"),
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-c", CLOSED, str(report)], capture_output=True, text=True, check=False, env=environment,
        cwd=anybodys, timeout=60,
    )  # fmt: skip
    closed.chmod(0o700)
    assert (done.returncode, done.stderr) == (1, "")
    states = {found["name"]: found for found in json.loads(report.read_text())["checks"]}
    for name in ("data directory", "database", "keys"):
        assert (states[name]["state"], bool(states[name]["todo"])) == ("fail", True), states[name]
    assert str(closed / "data") in states["data directory"]["found"]
