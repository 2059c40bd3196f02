"""Tests that need programs: left out where one is missing, told of at the end, and a failure where CI=true."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest

@pytest.mark.needs("amtool", "promtool")
def test_with_both(): raise AssertionError("it cannot run here")

@pytest.mark.needs("amtool")
def test_with_one(): raise AssertionError("it cannot run here")

def test_without(): pass
"""
CONFTEST = """
from tests.programs import MARK, Programs

def pytest_configure(config):
    config.addinivalue_line("markers", MARK)
    config.pluginmanager.register(Programs(), "programs")
"""


def run(folder: Path, *options: str, ci: str = "", tests: str = TESTS) -> subprocess.CompletedProcess[str]:
    """Run tests where none of the programs is installed."""
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (folder / "test_programs_there.py").write_text(tests, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n", encoding="utf-8")
    environment = {
        **os.environ,
        "PATH": str(folder),
        "PYTHONPATH": str(ROOT),
        "CI": ci,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *options, str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "2")])
def test_needs_a_program_that_is_missing_leaves_the_test_out_and_says_how_to_install_it(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Each program is named once, with the tests that did not run, also when the tests run in several processes."""
    found = run(tmp_path, *options)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "1 passed" in found.stdout
    assert "amtool: 2 tests did not run; apt-get install -y prometheus-alertmanager" in found.stdout
    assert "promtool: 1 test did not run; apt-get install -y prometheus\n" in found.stdout


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "2")])
def test_needs_a_program_that_is_missing_fails_the_run_where_everything_has_to_be_there(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """With CI=true a run that left tests out ends with an error, although what ran has passed."""
    found = run(tmp_path, *options, ci="true")
    assert found.returncode == 1, found.stdout + found.stderr
    assert "1 passed" in found.stdout
    assert "CI=true: everything has to be there, so the run has failed." in found.stdout


def test_needs_a_program_of_a_test_that_nobody_asked_for_is_not_told_of(tmp_path: Path) -> None:
    """Tests that -k leaves out anyway are not missed."""
    found = run(tmp_path, "-k", "without", ci="true")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "did not run" not in found.stdout


def test_needs_a_program_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    """A misspelt name must not leave a test out for ever."""
    found = run(tmp_path, tests='import pytest\n\n@pytest.mark.needs("promtol")\ndef test(): pass\n')
    assert found.returncode == 4, found.stdout
    assert "known programs: chromium, prometheus, promtool, alertmanager, amtool" in found.stderr + found.stdout
