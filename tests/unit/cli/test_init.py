"""`scrollintel init` writes settings out of what runs here, and they are valid."""

from __future__ import annotations

import socket
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from scrollintel.settings import advise, load
from scrollintel.settings.discovery import ComposeService, Listener, compose_services, listeners, units_of
from scrollintel.settings.example import example

from .rig import Run

COMPOSE = """
services:
  web:
    ports: ["8080:80", "127.0.0.1:8443:443/tcp", "53:53/udp", "9000", "7000-7001:7000-7001"]
    depends_on: [db]
  db:
    ports: [{published: 5432, target: 5432}]
    depends_on: {volume: {condition: service_started}}
"""


def fixed_port() -> socket.socket:
    """Listen on a port that the system does not give away by itself."""
    for port in range(20_000, 30_000):
        with suppress(OSError):
            return socket.create_server(("127.0.0.1", port))
    raise AssertionError("no port is free")


def test_init_writes_a_file_that_is_valid_and_repairs_nothing(cli: Run, tmp_path: Path) -> None:
    """A port that is listened on is found, with the services of the compose file."""
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    with fixed_port() as server, socket.create_server(("127.0.0.1", 0)) as passing:
        port = server.getsockname()[1]
        done = cli("init")
        assert f"# port = {passing.getsockname()[1]}" in (tmp_path / "scrollintel.toml").read_text()
    assert done.code == 0, done.err
    assert cli("check-config").code == 0
    settings = load(environment={"HOME": str(tmp_path)}, directory=tmp_path)
    assert {target.mode.value for target in settings.targets} == {"observe"}
    assert any(check.options.get("port") == port for target in settings.targets for check in target.checks)
    web = next(item.service for item in settings.declared.services if item.service.name == "web")
    assert web.depends_on == (("db", "hard"),)


def test_init_never_replaces_a_file_without_force(cli: Run, tmp_path: Path) -> None:
    """The file stays as it is, and the exit code tells."""
    path = tmp_path / "mine.toml"
    path.write_text("# mine\n")
    done = cli("--json", "init", "--output", str(path))
    assert (done.code, done.error["code"], path.read_text()) == (6, "file_exists", "# mine\n")
    assert cli("--json", "init", "--output", str(path), "--force").code == 0
    assert path.read_text().startswith("# What scrollintel watches")


def test_init_names_a_compose_file_that_cannot_be_read(cli: Run, tmp_path: Path) -> None:
    """Nothing is written then."""
    (tmp_path / "compose.yml").write_text("a: [")
    done = cli("--json", "init")
    assert (done.code, done.error["code"]) == (1, "unreadable_file")
    assert not (tmp_path / "scrollintel.toml").exists()


def test_compose_services_have_their_published_tcp_ports(tmp_path: Path) -> None:
    """Short and long form; other protocols, ranges and ports that are not published are left out."""
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    assert compose_services(tmp_path)[1] == [
        ComposeService("web", (8080, 8443), ("db",)),
        ComposeService("db", (5432,), ("volume",)),
    ]


def test_listeners_name_the_process_of_a_port() -> None:
    """This process listens and is named."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (found,) = [listener for listener in listeners() if listener.port == port]
    assert found.host == "127.0.0.1"
    assert found.process


def test_units_of_leaves_out_those_of_the_system() -> None:
    """Columns behind the name do not matter."""
    listed = "nginx.service loaded active running A server\nsystemd-journald.service loaded active running x\n"
    assert units_of(listed) == ["nginx.service"]


@pytest.mark.parametrize("process", ['we"ird\\name', "line\nbreak", "all", "", "ünïcode", "a*b{c}"])
def test_example_of_any_process_name_is_valid(process: str, tmp_path: Path) -> None:
    """What another program is called cannot break the file, or put anything into it."""
    compose = [ComposeService(process or "x"), ComposeService("web", (80,), ("web", process))]
    text = example([Listener(80, "::1", process), Listener(81, "fe80::1%eth0", process)], ["a@b.service"], compose)
    assert tomllib.loads(text)["recovery"] == {"mode": "observe"}
    (tmp_path / "scrollintel.toml").write_text(text)
    settings = load(environment={"HOME": str(tmp_path)}, directory=tmp_path)
    assert [remark.code for remark in advise(settings) if remark.code != "address_not_allowed"] == []


def test_example_without_anything_found_is_valid() -> None:
    """It shows how a service is declared."""
    text = example([], [], [])
    assert "# [[services]]" in text
    assert "services" not in tomllib.loads(text)
