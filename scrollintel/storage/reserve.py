"""Room that is kept for the day on which the disk is full."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from .location import sync_folder

SIZE: Final = 4 * 1024 * 1024
"""Bytes that are kept: enough for some thousand records of the audit log and orders of an operator."""
_BLOCK: Final = bytes(64 * 1024)


class Reserve:
    """A file beside a SQLite database that takes up room and gives it back when there is none left.

    Arguments:
        path: The database file; the reserve is `NAME.reserve`.
        size: Bytes that are kept; default 4 MiB.
    """

    def __init__(self, path: Path, *, size: int = SIZE) -> None:
        self._path = path.with_name(path.name + ".reserve")
        self._size = size

    @property
    def held(self) -> bool:
        """Whether the room is kept."""
        try:
            return self._path.stat().st_size >= self._size
        except OSError:
            return False

    def hold(self) -> bool:
        """Take up the room; False when the disk has not that much and as much again.

        Raises:
            OSError: when the file cannot be written for another reason than want of room.
        """
        if self.held:
            return True
        volume = os.statvfs(self._path.parent)
        if volume.f_bavail * volume.f_frsize < 2 * self._size:
            return False
        part = self._path.with_name(self._path.name + ".part")
        try:
            with part.open("wb") as file:
                part.chmod(0o600)
                # Written, not just made long: only blocks that were written to are really there.
                for _ in range(0, self._size, len(_BLOCK)):
                    file.write(_BLOCK)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
            sync_folder(self._path.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return True

    def release(self) -> None:
        """Give the room back; does nothing when it is not held."""
        with contextlib.suppress(OSError):
            self._path.unlink()
