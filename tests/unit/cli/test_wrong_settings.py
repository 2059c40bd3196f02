"""A mistake in the settings file does not keep anybody from steering the server, and least of all from stopping it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scrollintel.cli.program import run
from scrollintel.settings.place import place_of

WRONG = """
[server]
port = 1
[data]
directory = "{data}"
[[services]]
name = "web"
mode = "recovr"
"""


@pytest.mark.parametrize("text", [WRONG, WRONG + "[nonsense]\nx = 1\n", WRONG.replace('"recovr"', "-")])
def test_stop_works_with_a_settings_file_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """No server answers: the file of the switch is made where the settings say, or where they would by default."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    data = tmp_path / "data" if "-" not in text.rpartition("mode")[2] else tmp_path / "home" / "scrollintel"
    data.mkdir(parents=True)
    (tmp_path / "scrollintel.toml").write_text(text.format(data=tmp_path / "data"))
    code = run(["automation", "stop", "--reason", "not now"])
    said = capsys.readouterr()
    assert (code, (data / "stop-switch").exists()) == (0, True), said
    assert "check-config" in said.err


def test_place_is_read_from_what_is_right(tmp_path: Path) -> None:
    """Server and data, whatever the rest is."""
    file = tmp_path / "scrollintel.toml"
    file.write_text(WRONG.format(data=tmp_path / "data"))
    found = place_of(file, {})
    assert (found.url, found.directory) == ("http://127.0.0.1:1", tmp_path / "data")
    assert found.admin_socket == tmp_path / "data" / "admin.sock"
