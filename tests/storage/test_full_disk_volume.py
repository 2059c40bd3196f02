"""A volume that is really full: changes are refused with a code of their own, operators go on, and it heals."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scrollintel.storage.errors import StoreFullError
from scrollintel.storage.reserve import Reserve

UNSHARE = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "--map-root-user"]


def can_mount(folder: Path) -> bool:
    """Tell whether this machine lets the tests mount a small file system; `test_full_disk` is for those that do not."""
    if shutil.which("unshare") is None:
        return False
    mount = [*UNSHARE, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    return subprocess.run(mount, check=False, capture_output=True).returncode == 0


def told(story: str) -> dict[str, Any] | None:  # Any: JSON values
    """Return what came of a story on a full volume, or None where none can be mounted."""
    folder = Path("/tmp") / f"sifull-{os.getpid()}"  # a socket's path may have 107 bytes only
    folder.mkdir()
    try:
        if not can_mount(folder):
            return None
        command = [*UNSHARE, sys.executable, "-m", "tests.storage.full_volume", str(folder), story]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    finally:
        folder.rmdir()
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_full_volume_refuses_changes_lets_operators_go_on_and_heals() -> None:
    """Nothing acknowledged is lost, the stop is in the log, and room makes everything go on."""
    found = told("running")
    if found is None:
        return  # the portable form in test_full_disk shows the same without a mount
    assert found == {
        "reserve": True,
        "refusal": [503, "store_full", True],
        "hint": True,
        "released": True,
        "recorded": True,
        "others": "store_full",
        "operator": 200,
        "probes": [503, 200],
        "verified while full": True,
        "shown": True,
        "after a restart": "store_full",
        "heals": True,
        "shown no more": True,
        "again": 200,
        "kept again": True,
        "kept": True,
        "verified": True,
    }


def test_server_started_on_a_full_volume_heals_by_itself_once_there_is_room() -> None:
    """It lives, says that there is no room, blames no other process, and serves as soon as it can."""
    found = told("starting")
    if found is None:
        return  # test_engine shows what the start hangs on without a mount
    expected = {
        "change": "store_full",
        "probes": [503, 200],
        "problem": [StoreFullError().args[0]],
        "heals": True,
        "again": True,
        "kept": True,
        "verified": True,
        "blames": False,
    }
    assert found == {"known": expected, "new": expected}


def test_reserve_that_does_not_fit_is_not_held_and_leaves_nothing(tmp_path: Path) -> None:
    """A disk that could hold no more than the reserve holds none."""
    volume = os.statvfs(tmp_path)
    reserve = Reserve(tmp_path / "control.db", size=volume.f_bavail * volume.f_frsize)
    assert not reserve.hold()
    assert list(tmp_path.iterdir()) == []


def test_reserve_held_takes_up_room_for_its_owner_alone_until_it_is_released(tmp_path: Path) -> None:
    """The blocks are really taken, and given back once."""
    reserve = Reserve(tmp_path / "control.db", size=1 << 20)
    assert reserve.hold() and reserve.held and reserve.hold()
    (file,) = tmp_path.iterdir()
    assert file.stat().st_blocks * 512 >= 1 << 20 and file.stat().st_mode & 0o777 == 0o600
    reserve.release()
    reserve.release()
    assert list(tmp_path.iterdir()) == []


def test_reserve_that_cannot_be_written_leaves_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails while the room is taken is an error, and the half-written file is gone."""

    def fail(descriptor: int) -> None:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="input/output"):
        Reserve(tmp_path / "control.db", size=1 << 20).hold()
    assert list(tmp_path.iterdir()) == []
