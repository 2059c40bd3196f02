"""Processes that fork: locks, timers, threads and listeners are right again in the child."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.forking import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_fork_child_works(scenario: str) -> None:
    """A child that was forked from a busy process does everything that a fresh process does, and the parent goes on."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.integration.forking", scenario],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
