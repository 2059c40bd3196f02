"""Another host that takes the lead over the control planes of one PostgreSQL database for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from scrollintel.storage.postgres import LEADER


@contextmanager
def other_leads(url: str) -> Iterator[psycopg.Connection[Any]]:  # Any: rows
    """Take the lead from whoever has it, give the connection that holds it, and give the lead back."""
    with psycopg.connect(url, autocommit=True) as other:
        holders = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
        other.execute(holders, (LEADER,))
        other.execute("SELECT pg_advisory_lock(%s, hashtext(current_schema()))", (LEADER,))
        yield other
