"""Changes to rows: what one group writes in one database transaction, and what is loaded at start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, and_, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.sql.dml import Delete, Insert

from ..control.records import CONTROL_STATE, REVISIONS, SERVICES, ControlStateRecord, RevisionRecord
from ..models.audit_tables import AuditRecordRow
from ..models.fault_tolerance_models import metadata
from ..models.policy_tables import PolicyRevisionRow
from ..models.service_tables import ServiceDependencyRow
from ..security.audit_chain import Chain, ChainHead, SealedRecord
from ..security.merkle import MerkleFrontier, leaf_hash
from .codecs import CODECS, Codec, Derived, dependency
from .engine import Database
from .errors import StoreUnavailableError
from .failures import translated
from .schema import upgrade
from .transaction import GONE, Changes, Records
from .transaction import Table as RecordTable

LOG_ID = "audit_log_id"
SEQUENCE = "fleet_sequence"
SEQUENCE_STEP = 1000
"""Sequence numbers that are reserved at a time, so that a restart repeats none; up to as many are skipped then."""

T = TypeVar("T")
Row = dict[str, Any]  # Any: the columns' values


@dataclass(frozen=True, slots=True)
class LogState:
    """How the audit log stands, in one piece: for checkpoints and for whoever asks."""

    log_id: str
    head: ChainHead
    frontier: tuple[int, tuple[str, ...]]

    def merkle(self) -> MerkleFrontier:
        """Return the Merkle tree over all records."""
        return MerkleFrontier.from_list(self.frontier[0], list(self.frontier[1]))


class Ledger:
    """The writer's hand on the database; used in the writer's thread alone.

    Arguments:
        database: The database.
        new_log_id: Gives the identity of a log that begins.
        records: Where former records are looked up, for rows that follow from a change.
        migrates: Whether opening brings the schema up to date.
    """

    def __init__(
        self, database: Database, *, new_log_id: Callable[[], str], records: Records, migrates: bool = True
    ) -> None:
        self._migrates = migrates
        self._database = database
        self._new_log_id = new_log_id
        self._records = records
        self._connection: Connection | None = None
        self._chain = Chain("none")
        self._frontier = MerkleFrontier()
        self._next = 1
        self._reserved = 0
        self._statements: dict[tuple[str, str], Any] = {}  # Any: insert or delete
        self.log = LogState("none", self._chain.head, (0, ()))
        self._codecs: Mapping[str, Codec[Any]] = {codec.kind.name: codec for codec in CODECS}

    # ------------------------------------------------------------------ connection

    def open(self) -> None:
        """Take the database for writing.

        Raises:
            StandbyError: when another process has it.
            StoreUnavailableError: when it cannot be reached.
        """
        self._connection = self._database.connect_writer()
        if self._migrates:
            upgrade(self._database, self._connection)

    def close(self) -> None:
        """Let go of the database; safe to call at any time."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._database.release_writer(connection)

    def ping(self) -> None:
        """Raise unless the connection still works."""
        self._database.check_writer(self._open)

    @property
    def _open(self) -> Connection:
        assert self._connection is not None, "the writer opens the ledger first"
        if self._connection.invalidated:
            # SQLAlchemy would open another session in its place, and that one would not hold the leader's lock.
            raise StoreUnavailableError("the connection to the database has been lost")
        return self._connection

    # ------------------------------------------------------------------ loading

    def load(self) -> dict[str, RecordTable]:
        """Return all records that are kept in memory, and continue the audit log and the sequence where they ended."""
        connection = self._open
        with connection.begin():
            tables: dict[str, RecordTable] = {}
            for codec in CODECS:
                extra = self._dependencies(connection) if codec.kind is SERVICES else {}
                table: RecordTable = {}
                for row in connection.execute(select(codec.model.__table__)).mappings():
                    values = dict(row)
                    if codec.kind is SERVICES:
                        values["depends_on"] = extra.get(values["name"], ())
                    record = codec.record(values)
                    if codec.kind.resident(record):
                        table[codec.kind.key(record)] = record
                tables[codec.kind.name] = table
            tables[REVISIONS.name] = {
                name: RevisionRecord(policy=name, revision=revision)
                for name, revision in connection.execute(
                    select(PolicyRevisionRow.name, func.max(PolicyRevisionRow.revision)).group_by(
                        PolicyRevisionRow.name
                    )
                )
            }
            self._continue_log(connection, tables[CONTROL_STATE.name])
            state = tables[CONTROL_STATE.name].get(SEQUENCE)
            self._next = 1 if state is None else int(state.value) + 1
            self._reserved = self._next - 1
        return tables

    @staticmethod
    def _dependencies(connection: Connection) -> dict[str, tuple[Any, ...]]:
        found: dict[str, list[Any]] = {}
        for row in connection.execute(select(ServiceDependencyRow.__table__)).mappings():
            service, item = dependency(row)
            found.setdefault(service, []).append(item)
        return {service: tuple(items) for service, items in found.items()}

    def _continue_log(self, connection: Connection, state: RecordTable) -> None:
        """Read the end of the audit log, and all hashes for its Merkle tree; begin a log in an empty database."""
        known = state.get(LOG_ID)
        if known is None:
            known = ControlStateRecord(key=LOG_ID, value=self._new_log_id())
            self._upsert(connection, self._codecs[CONTROL_STATE.name].model.__table__, [_state_row(known)])
            state[LOG_ID] = known
        audit = AuditRecordRow
        frontier = MerkleFrontier()
        sequence, last = 0, bytes(32)
        every = select(audit.sequence, audit.hash).order_by(audit.sequence)
        found = connection.execute(every, execution_options={"yield_per": 10_000})  # of the statement, not for good
        for number, text in found:
            sequence = number
            last = bytes.fromhex(text)
            frontier.append(leaf_hash(last))
        self._frontier = frontier
        self._chain = Chain(str(known.value), ChainHead(sequence, last))
        self._publish_log()

    def _publish_log(self) -> None:
        frontier = self._frontier
        self.log = LogState(self._chain.log_id, self._chain.head, (frontier.size, tuple(frontier.to_list())))

    # ------------------------------------------------------------------ writing

    def maintain(self, job: Callable[[Connection], T]) -> T:
        """Run a job in a transaction of its own; raises StoreUnavailableError when the database cannot be used."""
        with translated(), self._open.begin():
            return job(self._open)

    @property
    def last_sequence(self) -> int:
        """The last number that was given out."""
        return self._next - 1

    def next_sequence(self) -> int:
        """Return the next number for what replicas are told."""
        number = self._next
        self._next += 1
        return number

    def skip_past(self, sequence: int) -> None:
        """Give out no number up to `sequence`: replicas were told something under it while the database was away."""
        self._next = max(self._next, sequence + 1)

    def seal(self, changes: Changes) -> None:
        """Give the audit entries of one change their places in the log; when one cannot be written, all are undone."""
        head = self._chain.head
        try:
            changes.sealed = [self._chain.append(entry) for entry in changes.audit]
        except BaseException:
            self._chain.head = head
            raise

    def write(self, changes: Changes) -> None:
        """Write a group and commit it durably; when anything fails all is as before and the error is raised."""
        connection = self._open
        head, reserved = ChainHead(self.log.head.sequence, self.log.head.hash), self._reserved
        try:
            with connection.begin():
                self._write_records(connection, changes)
                for name, rows in _by_table(changes.rows).items():
                    how = "upsert" if name in _TOTALS else "insert"
                    connection.execute(self._statement(how, metadata.tables[name]), rows)
                for change in changes.updates:
                    table = metadata.tables[change.table]
                    wanted = [table.c[name] == value for name, value in change.where.items()]
                    wanted += [table.c[name] <= value for name, value in change.at_most.items()]
                    connection.execute(update(table).where(*wanted).values(change.values))
                if changes.sealed:
                    rows = [_audit_row(record) for record in changes.sealed]
                    connection.execute(self._statement("insert", _table(AuditRecordRow)), rows)
        except BaseException:
            self._chain.head, self._reserved = head, reserved
            raise
        if changes.sealed:
            for record in changes.sealed:
                self._frontier.append(leaf_hash(bytes.fromhex(record.hash)))
            self._publish_log()

    def _write_records(self, connection: Connection, changes: Changes) -> None:
        upserts: dict[Table, list[Row]] = {}
        deletes: dict[Table, list[Row]] = {}
        for (name, key), (_, record) in changes.overlay.items():
            codec = self._codecs.get(name)
            if codec is None:
                continue
            table = _table(codec.model)
            before = self._records.get(codec.kind, key)
            new = None if record is GONE else record
            if new is not None:
                upserts.setdefault(table, []).append(codec.row(new))
            elif before is not None:
                row = codec.row(before)
                deletes.setdefault(table, []).append({column.name: row[column.name] for column in table.primary_key})
            if codec.related is not None:
                _sort_out(codec.related(before, new), upserts, deletes)
        if self._next - 1 > self._reserved:
            self._reserved = self._next - 1 + SEQUENCE_STEP
            record = ControlStateRecord(key=SEQUENCE, value=self._reserved)
            upserts.setdefault(_table(self._codecs[CONTROL_STATE.name].model), []).append(_state_row(record))
        for table, rows in deletes.items():
            connection.execute(self._statement("delete", table), [{f"_{k}": v for k, v in row.items()} for row in rows])
        for table, rows in upserts.items():
            self._upsert(connection, table, rows)

    def _upsert(self, connection: Connection, table: Table, rows: list[Row]) -> None:
        connection.execute(self._statement("upsert", table), rows)

    def _statement(self, what: str, table: Table) -> Insert | Delete:
        known = self._statements.get((what, table.name))
        if known is None:
            known = self._statements[what, table.name] = self._make(what, table)
        statement: Insert | Delete = known
        return statement

    def _make(self, what: str, table: Table) -> Insert | Delete:
        if what == "insert":
            return insert(table)
        keys = [column.name for column in table.primary_key]
        if what == "delete":
            return delete(table).where(and_(*(table.c[key] == bindparam(f"_{key}") for key in keys)))
        dialect_insert = sqlite_insert if self._database.dialect == "sqlite" else postgresql_insert
        statement = dialect_insert(table)
        changed = {
            column.name: statement.excluded[column.name]
            for column in table.c
            if column.name not in keys and column.name not in _KEPT
        }
        return statement.on_conflict_do_update(index_elements=keys, set_=changed)


_TOTALS = frozenset({"fault_tolerance_metrics", "retry_statistics"})
"""Histories that may be written twice: a commit that seemed to fail may have taken effect, and is then repeated."""
_KEPT = frozenset({"created_by", "idempotency_key"})
"""Columns that a row keeps from when it was first written."""


def _table(model: type[Any]) -> Table:  # Any: a mapped class
    table: Table = model.__table__
    return table


def _by_table(rows: Iterable[tuple[str, Row]]) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = {}
    for name, row in rows:
        grouped.setdefault(name, []).append(row)
    return grouped


def _sort_out(derived: Iterable[Derived], upserts: dict[Table, list[Row]], deletes: dict[Table, list[Row]]) -> None:
    for model, row, written in derived:
        target = upserts if written else deletes
        target.setdefault(_table(model), []).append(row)


def _state_row(record: ControlStateRecord) -> Row:
    return {"key": record.key, "value": record.value}


def _audit_row(record: SealedRecord) -> Row:
    return record._asdict()
