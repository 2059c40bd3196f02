"""A place of its own on disk for each living process of a service, which its successor finds again."""

from __future__ import annotations

import os
from pathlib import Path

MAX_SLOTS = 256
"""Processes of one service on one machine that get a place; further ones keep no open circuits."""


class Slot:
    """The first place that no living process holds; the lock ends with the process, however that ends.

    Attributes:
        number: Number of the place, from 0.
    """

    def __init__(self, number: int, descriptor: int) -> None:
        self.number = number
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, directory: Path, name: str) -> Slot | None:
        """Return the first free place, or None when the disk gives none; never raises.

        Arguments:
            directory: Where the lock files lie; it is made when it is missing.
            name: Beginning of their names; the number and `.lock` follow.
        """
        try:
            from fcntl import LOCK_EX, LOCK_NB, flock
        except ImportError:  # Windows has no such locks
            return None
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for number in range(MAX_SLOTS):
                descriptor = _open(directory / f"{name}.{number}.lock")
                try:
                    flock(descriptor, LOCK_EX | LOCK_NB)
                except BlockingIOError:
                    os.close(descriptor)
                except OSError:
                    os.close(descriptor)
                    return None
                else:
                    return cls(number, descriptor)
        except (OSError, ValueError):
            pass
        return None

    def let_go(self) -> None:
        """Free the place; in a forked child, leave it to the parent, whose lock goes on."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _open(path: Path) -> int:
    """Open a lock file; one that may not be written can be locked as well."""
    flags = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o600)
    except OSError:
        return os.open(path, os.O_RDONLY | flags)
