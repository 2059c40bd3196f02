"""A disk without room refuses changes, and serves again once there is some."""

from __future__ import annotations

import json
import subprocess
import sys


def test_full_disk_refuses_changes_and_heals_by_itself(sqlite_url: str) -> None:
    """Nothing acknowledged is missing, nothing refused is there, and the log verifies."""
    command = [sys.executable, "-m", "tests.storage.full_disk", sqlite_url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told == {
        "error": "store_unavailable",
        "reads": True,
        "log": True,
        "missing": [],
        "more": [],
        "whole": True,
        "states": ["serving"],
        "some": True,
    }
