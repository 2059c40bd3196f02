"""What `doctor` finds out about this machine: interpreter, libraries, clock, data directory, room."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sqlite3
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from .output import span

if TYPE_CHECKING:
    from ..settings import Settings

WAL_FIXED = (3, 51, 3)
"""The first SQLite without the race in which a checkpoint by one process could lose what another one wrote."""
FREE_WANTED = 1024**3
FREE_NEEDED = 64 * 1024**2
FILES_WANTED = 4096
_EXTRAS = {"server": "sqlalchemy", "postgres": "psycopg"}


class Finding(NamedTuple):
    """One check: what was found, and what to do when it is not well."""

    name: str
    state: Literal["ok", "warn", "fail"]
    found: str
    todo: str = ""


def examine_machine() -> list[Finding]:
    """Return what is found on this machine, whatever the settings say."""
    return [python(), sqlite(), *extras(), open_files(), clock(time.time())]


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Check the interpreter's version."""
    found = ".".join(map(str, version))
    if version < (3, 11):
        return Finding("python", "fail", found, "install Python 3.11 or newer")
    return Finding("python", "ok", found)


def sqlite(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> Finding:
    """Check the SQLite library that this interpreter is linked with."""
    found = ".".join(map(str, version))
    if version < WAL_FIXED:
        found += " has a race between processes in WAL mode; one process owns the file here, so it cannot occur"
    return Finding("sqlite", "ok", found)


def extras() -> Iterator[Finding]:
    """Check which optional parts are installed."""
    for extra, module in _EXTRAS.items():
        if _is_installed(module):
            yield Finding(f"extra {extra}", "ok", "installed")
        else:
            todo = f'pip install "scrollintel[{extra}]", if this machine needs it'
            yield Finding(f"extra {extra}", "warn" if extra == "server" else "ok", "not installed", todo)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False


def open_files() -> Finding:
    """Check how many files and sockets a process may have open."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return Finding("open files", "ok", "no limit")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= FILES_WANTED:
        return Finding("open files", "ok", "no limit" if soft == resource.RLIM_INFINITY else str(soft))
    todo = f"ulimit -n {FILES_WANTED}: every replica and every listener holds a connection"
    return Finding("open files", "warn", str(soft), todo)


def clock(now: float) -> Finding:
    """Check that the clock is not older than this program; expiries and audit times rest on it."""
    built = Path(__file__).stat().st_mtime
    if now < built - 86_400:
        return Finding(
            "clock", "fail", f"{span(built - now)} behind this program's files", "set the clock, best by NTP"
        )
    return Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)))


def data_directory(directory: Path) -> Finding:
    """Check that the server can use the data directory, or make it, and who else may look into it."""
    name = "data directory"
    try:
        if not directory.exists():
            return _directory_to_be(directory)
        if not directory.is_dir():
            return Finding(name, "fail", f"{directory} is a file", "move it away, or set data.directory")
        mode = stat.S_IMODE(directory.stat().st_mode)
    except OSError as error:
        return Finding(name, "fail", f"{directory}: {(error.strerror or 'unreadable').lower()}", "check data.directory")
    if not os.access(directory, os.W_OK | os.X_OK):
        todo = "check its owner and mode, and that its volume is not read-only"
        return Finding(name, "fail", f"{directory} cannot be written", todo)
    if mode & 0o022:
        found = f"{directory} can be written by others (mode {mode:04o})"
        return Finding(name, "fail", found, f"chmod 700 {directory}")
    if mode & 0o055:
        return Finding(name, "warn", f"{directory} can be read by others (mode {mode:04o})", f"chmod 700 {directory}")
    return Finding(name, "ok", str(directory))


def _directory_to_be(directory: Path) -> Finding:
    """Check that a directory that is not there can be made."""
    above = _existing(directory)
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        return Finding("data directory", "ok", f"{directory} is made at the first start")
    found = f"{directory} cannot be made: {above} cannot be written"
    return Finding("data directory", "fail", found, "make it for the user who runs the server, or set data.directory")


def _existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that is there."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def rooms(settings: Settings) -> Iterator[Finding]:
    """Check how much room there is for the data directory, and for a SQLite file that lies on another volume."""
    try:
        places = [_existing(settings.directory)]
        if settings.database_url.startswith("sqlite:///"):
            file = _existing(Path(settings.database_url.removeprefix("sqlite:///")))
            if file.stat().st_dev != places[0].stat().st_dev:
                places.append(file)
        free = [shutil.disk_usage(place).free for place in places]
    except OSError:  # what cannot be looked into is told of the data directory and of the database
        return
    yield from map(room, places, free)


def room(place: Path, free: int) -> Finding:
    """Check whether the room suffices; `free` in bytes."""
    found = f"{free / 1024**3:.1f} GiB" if free >= FREE_WANTED else f"{free / 1024**2:.0f} MiB"
    if free >= FREE_WANTED:
        return Finding("free space", "ok", found)
    return Finding(
        "free space",
        "fail" if free < FREE_NEEDED else "warn",
        f"{found} beside {place}",
        "make room: without it changes are refused",
    )
