"""Where the database is: what a user may write, and what it means."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..core.errors import ConfigError, Violation

ALLOWED = "the path of a SQLite file, sqlite:///PATH, or postgresql://USER:PASSWORD@HOST/NAME"


def parse_location(url: str) -> URL:
    """Return the database's address: `sqlite` with an absolute path, or `postgresql+psycopg`.

    Raises:
        ConfigError: when it is neither; the text given is not repeated, because it may hold a password.
    """
    if "://" not in url:
        return _file(url)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise _refusal() from None
    match parsed.get_backend_name():
        case "sqlite":
            return _file(parsed.database or "")
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+psycopg")
        case _:
            raise _refusal()


def _file(path: str) -> URL:
    if path in {"", ":memory:"} or path.startswith("file:") or "\x00" in path or path.endswith(os.sep):
        raise _refusal()
    return URL.create("sqlite", database=str(Path(path).expanduser().absolute()))


def _refusal() -> ConfigError:
    return ConfigError("database", [Violation("url", "(not shown)", ALLOWED)])


def create_private_file(path: Path) -> bool:
    """Create an empty file that only its owner may read, and its folders likewise; False when it exists already.

    The entry in the folder is made durable, so that a power failure cannot lose the file with its contents.
    """
    for folder in reversed([parent for parent in path.parents if not parent.exists()]):
        folder.mkdir(mode=0o700, exist_ok=True)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    sync_folder(path.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
