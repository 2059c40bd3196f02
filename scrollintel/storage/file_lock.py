"""A lock on a file that ends with its process, however that ends."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from .errors import DatabaseLockedError


class FileLock:
    """Makes one process the owner of a database file.

    The lock lies on a file of its own, `NAME.lock`, because SQLite's locks on the database would be lost when any
    descriptor of it is closed. It holds the owner's process id for whoever is refused, or nothing where the disk has no
    room for it. The file stays behind: removing it could give the lock to two processes at once.

    Arguments:
        path: The database file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def acquire(self) -> None:
        """Take the lock, at once or not at all; does nothing when it is held already.

        Raises:
            DatabaseLockedError: when somebody else holds it, in another process or in this one.
            OSError: when the lock file cannot be opened or written for another reason than want of room; it is not
                held then.
        """
        if self._file is not None:
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(self._path.with_name(self._path.name + ".lock"), flags, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _tell_owner(file)
        except BlockingIOError:
            owner = os.pread(file, 32, 0).decode("ascii", "replace").strip()
            os.close(file)
            raise DatabaseLockedError(self._path.name, int(owner) if owner.isdigit() else None) from None
        except BaseException:
            os.close(file)
            raise
        self._file = file

    def release(self) -> None:
        """Give the lock back; does nothing when it is not held."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _tell_owner(file: int) -> None:
    """Write this process's id, or nothing where there is no room: a full disk keeps nobody from being the owner."""
    text = f"{os.getpid()}\n".encode()
    os.ftruncate(file, 0)
    try:
        written = os.pwrite(file, text, 0)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        return
    if written < len(text):  # a part of it would name another process
        os.ftruncate(file, 0)
