"""A database that is away for a while: its folder is moved, or its server lets nobody in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql


@contextmanager
def outage(database_url: str) -> Iterator[None]:
    """Take the database at an address away, and bring it back as it was."""
    if database_url.startswith("sqlite"):
        folder = Path(database_url.removeprefix("sqlite:///")).parent
        gone = folder.rename(folder.with_name(f"{folder.name}-gone"))
        try:
            yield
        finally:
            gone.rename(folder)
        return
    name = urlsplit(database_url).path[1:]
    with psycopg.connect(database_url.replace(f"/{name}", "/postgres", 1), autocommit=True) as admin:
        allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        admin.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            yield
        finally:
            admin.execute(allow.format(sql.Identifier(name), sql.SQL("true")))
