"""What a change sees and leaves: records over an overlay, rows of history, audit entries, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from ..control.records import Kind
from ..security.audit_chain import AuditEntry, SealedRecord

R = TypeVar("R")
Table = dict[Any, Any]  # Any: key → record of the kind that the table belongs to


class _Gone:
    """Stands for a record that the overlay has deleted."""


GONE = _Gone()


class Records:
    """The committed records of all kinds. Written by the writer's thread alone; read from any thread without a lock."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}
        self.version = 0
        """Rises with everything that becomes visible."""

    def get(self, kind: Kind[R], key: object) -> R | None:
        """Return the committed record of that key, or None."""
        found: R | None = self.table(kind).get(key)
        return found

    def values(self, kind: Kind[R]) -> list[R]:
        """Return all committed records of a kind, in the order in which they were first written."""
        return list(self.table(kind).values())

    def table(self, kind: Kind[Any]) -> Table:  # Any: whichever kind
        """Return the committed records by key; not to be changed by readers."""
        table = self._tables.get(kind.name)
        if table is None:
            table = self._tables.setdefault(kind.name, {})
        return table

    def replace(self, tables: Mapping[str, Table]) -> None:
        """Take over what was loaded from the database, whole."""
        self._tables = {name: dict(table) for name, table in tables.items()}
        self.version += 1

    def apply(self, overlay: Mapping[tuple[str, Any], tuple[Kind[Any], Any]]) -> None:
        """Make the changes of a committed group visible to readers."""
        for (_, key), (kind, record) in overlay.items():
            table = self.table(kind)
            if record is GONE or not kind.resident(record):
                table.pop(key, None)
            else:
                table[key] = record
        if overlay:
            self.version += 1


@dataclass(frozen=True, slots=True)
class RowUpdate:
    """A change of rows of history.

    Arguments:
        table: Name of the table.
        where: Columns and the values they must have; None means NULL.
        at_most: Columns and the largest values they may have.
        values: Columns and their new values.
    """

    table: str
    where: dict[str, Any]  # Any: the columns' values
    values: dict[str, Any]  # Any: the columns' values
    at_most: dict[str, Any] = field(default_factory=dict)  # Any: the columns' values


class Changes:
    """What one change, or a whole group of changes, writes."""

    __slots__ = ("afterwards", "audit", "overlay", "rows", "sealed", "updates")

    def __init__(self) -> None:
        self.overlay: dict[tuple[str, Any], tuple[Kind[Any], Any]] = {}  # Any: the key and the record of its kind
        self.rows: list[tuple[str, dict[str, Any]]] = []  # Any: the columns' values
        self.updates: list[RowUpdate] = []
        self.audit: list[AuditEntry] = []
        self.sealed: list[SealedRecord] = []
        self.afterwards: list[Callable[[], object]] = []

    def absorb(self, other: Changes) -> None:
        """Add what a change that came to its end has left."""
        self.overlay.update(other.overlay)
        self.rows += other.rows
        self.updates += other.updates
        self.sealed += other.sealed
        self.afterwards += other.afterwards

    def __bool__(self) -> bool:
        return bool(self.overlay or self.rows or self.updates or self.sealed)


class Transaction:
    """One change under way; made by the writer, used in its thread alone.

    Everything that earlier changes of the same group decided is visible; nothing is visible to readers before the
    group is on disk. A change that raises leaves nothing behind.

    Attributes:
        now: The moment of the change, in UTC.
    """

    __slots__ = ("_group", "_mine", "_next_sequence", "_records", "now")

    def __init__(
        self, records: Records, group: Changes, mine: Changes, now: datetime, next_sequence: Callable[[], int]
    ) -> None:
        self._records = records
        self._group = group
        self._mine = mine
        self._next_sequence = next_sequence
        self.now = now

    def get(self, kind: Kind[R], key: object) -> R | None:
        """Return a record as this change sees it, or None."""
        place = (kind.name, key)
        found = self._mine.overlay.get(place) or self._group.overlay.get(place)
        if found is not None:
            record: R | None = None if found[1] is GONE else found[1]
            return record
        return self._records.get(kind, key)

    def values(self, kind: Kind[R]) -> Iterator[R]:
        """Yield all records of a kind as this change sees them."""
        table = dict(self._records.table(kind))
        for overlay in (self._group.overlay, self._mine.overlay):
            for (name, key), (_, record) in overlay.items():
                if name == kind.name:
                    if record is GONE:
                        table.pop(key, None)
                    else:
                        table[key] = record
        yield from table.values()

    def put(self, kind: Kind[R], record: R) -> None:
        """Write a record, new or changed."""
        self._mine.overlay[kind.name, kind.key(record)] = (kind, record)

    def delete(self, kind: Kind[R], key: object) -> None:
        """Remove a record; nothing happens when there is none."""
        if self.get(kind, key) is not None:
            self._mine.overlay[kind.name, key] = (kind, GONE)

    def append(self, table: str, **values: Any) -> None:  # Any: the columns' values
        """Add a row of history; histories are queried from the database and have no record in memory."""
        self._mine.rows.append((table, values))

    def update(self, change: RowUpdate) -> None:
        """Change rows of history."""
        self._mine.updates.append(change)

    def audit(self, entry: AuditEntry) -> None:
        """Add an entry to the audit log; it is on disk together with the change, or neither is."""
        self._mine.audit.append(entry)

    def amend_audit(self, amend: Callable[[AuditEntry], AuditEntry]) -> None:
        """Replace the entries that this change has added so far by what `amend` returns for them."""
        self._mine.audit[:] = [amend(entry) for entry in self._mine.audit]

    def afterwards(self, action: Callable[[], object]) -> None:
        """Call `action` in the writer's thread once the change is on disk, in the order of the changes."""
        self._mine.afterwards.append(action)

    def next_sequence(self) -> int:
        """Return the next number for what replicas are told; gaps are possible, repetitions are not."""
        return self._next_sequence()
