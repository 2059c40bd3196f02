"""Commands run in this process, as a user without any settings, variables or server of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrollintel.cli.main import main

from .rig import Done, Run, ScriptedPlane


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command and returns what it did; HOME and the working folder are the test's."""
    for name in os.environ:
        if name.startswith(("SCROLLINTEL_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        code = main(list(arguments))
        written = capsys.readouterr()
        return Done(int(code), written.out, written.err)

    return run


@pytest.fixture
def plane() -> Iterator[ScriptedPlane]:
    """Return a scripted control plane on a loopback port."""
    with ScriptedPlane() as server:
        yield server


@pytest.fixture
def remote(cli: Run, plane: ScriptedPlane) -> Run:
    """Return a function that runs a command against the scripted control plane."""
    return lambda *arguments: cli("--url", plane.url, *arguments)
