"""Settings read anew: as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scrollintel.core.errors import ConfigError
from scrollintel.settings import Settings, load, needs_restart, reload
from tests.unit.settings.kinds import registered

FILE = """
[server]
port = 9000
[[services]]
name = "shop"
[services.heartbeat]
timeout = 2
"""


@pytest.fixture(autouse=True)
def kinds() -> Iterator[None]:
    """Have kinds of checks and strategies."""
    with registered():
        yield


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings of a file, a variable and a command line."""
    (tmp_path / "scrollintel.toml").write_text(FILE)
    environment = {"HOME": str(tmp_path), "SCROLLINTEL_LOGGING_LEVEL": "debug"}
    return load(None, environment, {"server.port": 9001}, directory=tmp_path)


def change(settings: Settings, old: str, new: str) -> None:
    """Write the file anew."""
    assert settings.file is not None
    text = settings.file.read_text()
    assert old in text
    settings.file.write_text(text.replace(old, new))


def test_reload_takes_what_has_changed_and_keeps_variables_and_command_line(settings: Settings) -> None:
    """The sources are those of the start."""
    change(settings, "timeout = 2", "timeout = 5")
    new = reload(settings)
    heartbeat = new.targets[0].heartbeat
    assert heartbeat is not None
    assert (heartbeat.timeout, new.server.port, new.logging.level.value) == (5.0, 9001, "debug")
    assert needs_restart(settings, new) == ()


def test_reload_of_a_wrong_file_is_refused_whole(settings: Settings) -> None:
    """One mistake, and nothing else of the file is used."""
    change(settings, "timeout = 2", "timeout = 5\nfoo = 1")
    with pytest.raises(ConfigError, match=r"heartbeat\.foo"):
        reload(settings)


def test_reload_without_the_file_is_refused(settings: Settings) -> None:
    """A file that is gone does not mean that nothing shall be watched."""
    assert settings.file is not None
    settings.file.unlink()
    with pytest.raises(ConfigError, match="was read at the start"):
        reload(settings)


def test_needs_restart_names_tables_that_are_read_at_the_start(settings: Settings) -> None:
    """Who reloads is told what does not hold yet."""
    change(
        settings,
        "[server]",
        '[recovery]\nheartbeat_socket = "a"\nmax_running = 9\n[audit]\ncheckpoint_records = 9\n[server]',
    )
    assert needs_restart(settings, reload(settings)) == ("audit", "recovery.heartbeat_socket")
