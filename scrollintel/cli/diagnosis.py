"""What `doctor` finds out about this machine, the database and the keys."""

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

from ..core.errors import ScrollIntelError
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


def examine(settings: Settings | None) -> list[Finding]:
    """Return what is found on this machine; without valid settings only what does not depend on them."""
    findings = [python(), sqlite(), *extras(), open_files(), clock(time.time())]
    if settings is not None:
        findings += [*data_directory(settings.directory), database(settings), *keys(settings)]
    return findings


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


def data_directory(directory: Path) -> Iterator[Finding]:
    """Check who may look into the data directory and how much room there is."""
    if not directory.is_dir():
        yield Finding("data directory", "ok", f"{directory} is made at the first start")
        return
    mode = stat.S_IMODE(directory.stat().st_mode)
    if not os.access(directory, os.W_OK | os.X_OK):
        yield Finding("data directory", "fail", f"{directory} cannot be written", "check its owner and mode")
    elif mode & 0o022:
        found = f"{directory} can be written by others (mode {mode:04o})"
        yield Finding("data directory", "fail", found, f"chmod 700 {directory}")
    elif mode & 0o055:
        found = f"{directory} can be read by others (mode {mode:04o})"
        yield Finding("data directory", "warn", found, f"chmod 700 {directory}")
    else:
        yield Finding("data directory", "ok", str(directory))
    free = shutil.disk_usage(directory).free
    state: Literal["ok", "warn", "fail"] = "fail" if free < FREE_NEEDED else "warn" if free < FREE_WANTED else "ok"
    todo = "" if state == "ok" else "make room: without it changes are refused"
    yield Finding("free space", state, f"{free / 1024**3:.1f} GiB", todo)


def database(settings: Settings) -> Finding:
    """Check that the database answers and how its schema stands."""
    try:
        from ..storage.maintenance import schema_step
    except ImportError:
        return Finding("database", "warn", "not checked: the extra server is not installed")
    try:
        found = schema_step(settings.database_url)
    except ScrollIntelError as error:
        return Finding("database", "fail", str(error), "check database.url, and that the server runs and lets you in")
    if not found.exists:
        return Finding("database", "ok", f"{found.database} is made at the first start")
    if found.is_current:
        return Finding("database", "ok", f"{found.database}, schema {found.step}")
    stands = f"{found.database}, schema {found.step or 'none'}, wanted {found.wanted}"
    return Finding("database", "warn", stands, "scrollintel db upgrade, or start the server, which does it")


def keys(settings: Settings) -> Iterator[Finding]:
    """Check that the keys are there and that nobody else can read them."""
    provider = settings.keys.provider.value
    folder = settings.keys_directory
    if provider == "environment":
        present = bool(os.environ.get("SCROLLINTEL_MASTER_KEY"))
        found = "SCROLLINTEL_MASTER_KEY is " + ("set" if present else "not set")
        yield Finding("keys", "ok" if present else "fail", found, "" if present else "set it, as for the server")
        return
    if provider == "command":
        program = (settings.keys.command or ("",))[0]
        usable = os.access(program, os.X_OK)
        found = program if usable else f"{program} cannot be run"
        yield Finding("keys", "ok" if usable else "fail", found, "" if usable else "check keys.command")
        return
    if not folder.exists():
        yield Finding("keys", "ok", f"{folder} is made at the first start")
        return
    try:
        from ..security.key_files import FileKeyProvider

        held = FileKeyProvider(folder).ids()
    except ImportError:
        yield Finding("keys", "warn", "not checked: the extra server is not installed")
    except ScrollIntelError as error:
        yield Finding("keys", "fail", str(error), "restore the keys from their backup, or correct their mode")
    else:
        yield Finding("keys", "ok", f"{len(held)} in {folder}, readable by their owner alone")
