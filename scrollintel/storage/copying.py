"""Rows from one database to another, whichever of the two kinds each is, with proof that all have arrived."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, text
from sqlalchemy.exc import DataError, IntegrityError

from ..models.base import JsonDocument, to_microseconds
from ..models.fault_tolerance_models import metadata
from .errors import BackupError

Progress = Callable[[str, int, int], object]
"""Is told what is copied, how much of it is done, and how much there is."""

BATCH = 1_000
"""Rows that are read and written at a time."""
_MODULUS = 1 << 256


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""


def filled_tables(connection: Connection) -> list[str]:
    """Return the names of our tables that hold a row, in a transaction of the caller's."""
    return [
        table.name
        for table in metadata.sorted_tables
        if connection.scalar(select(text("1")).select_from(table).limit(1))
    ]


def empty_tables(connection: Connection) -> None:
    """Delete all rows of all tables, those that refuse it included; in a transaction of the caller's, on PostgreSQL."""
    names = [table.name for table in metadata.sorted_tables]
    for name in names:
        connection.execute(text(f'ALTER TABLE "{name}" DISABLE TRIGGER USER'))
    connection.execute(text("TRUNCATE {}".format(", ".join(f'"{name}"' for name in names))))
    for name in names:
        connection.execute(text(f'ALTER TABLE "{name}" ENABLE TRIGGER USER'))


def copy_tables(source: Connection, target: Connection, progress: Progress = silent) -> dict[str, int]:
    """Copy all rows of all tables into empty ones and compare; returns table → rows.

    Both connections are in transactions of the caller's, which commits the target's when this returns.

    Arguments:
        source, target: Databases whose schemas are up to date; the target's tables are empty.
        progress: Is told of each portion, with the name of the table and its rows.

    Raises:
        BackupError: when a row does not fit, or what has arrived differs from what was sent.
    """
    copied: dict[str, int] = {}
    for table in metadata.sorted_tables:
        total = source.scalar(select(func.count()).select_from(table)) or 0
        progress(table.name, 0, total)
        sent = _Checksum(table)
        try:
            for rows in _portions(source, table):
                target.execute(insert(table), rows)
                sent.add(rows)
                progress(table.name, sent.rows, total)
        except (DataError, IntegrityError):
            raise BackupError(f"a row of {table.name} does not fit into the other database") from None
        arrived = _Checksum(table)
        for rows in _portions(target, table):
            arrived.add(rows)
        if arrived != sent:
            raise BackupError(
                f"{table.name} differs after copying: {sent.rows} rows were sent, {arrived.rows} have arrived"
            )
        copied[table.name] = sent.rows
    if target.dialect.name == "postgresql":
        _continue_identities(target)
    return copied


def _portions(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:  # Any: the columns' values
    found = connection.execute(select(table), execution_options={"yield_per": BATCH})
    for rows in found.mappings().partitions():
        yield [dict(row) for row in rows]


def _continue_identities(connection: Connection) -> None:
    """Make the numbers that PostgreSQL gives out continue after those that were copied."""
    for table in metadata.sorted_tables:
        for column in table.c:
            if column.identity is not None:
                largest = connection.scalar(select(func.max(column)))
                sequence = func.pg_get_serial_sequence(table.name, column.name)
                connection.execute(select(func.setval(sequence, largest or 1, largest is not None)))


class _Checksum:
    """Rows of a table and the sum of their digests: the same for the same rows in any order, on both databases."""

    def __init__(self, table: Table) -> None:
        self.rows = 0
        self._sum = 0
        self._documents = {column.name for column in table.c if isinstance(column.type, JsonDocument)}

    def add(self, rows: list[dict[str, Any]]) -> None:  # Any: the columns' values
        for row in rows:
            self.rows += 1
            digest = hashlib.sha256(self._bytes(row)).digest()
            self._sum = (self._sum + int.from_bytes(digest)) % _MODULUS

    def _bytes(self, row: Mapping[str, Any]) -> bytes:  # Any: the columns' values
        plain = {}
        for name, value in row.items():
            if name in self._documents:
                plain[name] = _same_numbers(value)
            else:
                plain[name] = to_microseconds(value) if isinstance(value, datetime) else value
        return json.dumps(plain, sort_keys=True).encode()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Checksum) and (self.rows, self._sum) == (other.rows, other._sum)

    __hash__ = None  # type: ignore[assignment]


def _same_numbers(value: Any) -> Any:  # Any: a JSON value
    """Return the value with one type for each number: PostgreSQL writes 1e22 as a whole number."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {key: _same_numbers(item) for key, item in value.items()}
    return [_same_numbers(item) for item in value] if isinstance(value, list) else value
