"""The audit log as its readers query it: searched, read in order, and its checkpoints."""

from __future__ import annotations

import base64
from collections.abc import Collection, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import ColumnElement, Connection, func, select

from ..models.audit_tables import AuditCheckpointRow, AuditRecordRow
from ..security.audit_chain import SealedRecord
from ..security.checkpoints import Checkpoint, SignedCheckpoint
from ..security.merkle import MerkleFrontier, leaf_hash
from .engine import Database

PAGE = 1_000
_COLUMNS = tuple(getattr(AuditRecordRow, name) for name in SealedRecord._fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSearch:
    """What is looked for; None means any.

    Arguments:
        actor, action, target, service, outcome, request_id: Exact values.
        since, until: First and last moment, both included.
        services: The services that the reader may see, or None for everything.
        before: Only records with a smaller number.
        limit: Most records that are returned.
    """

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    service: str | None = None
    outcome: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    services: Collection[str] | None = None
    before: int | None = None
    limit: int = 100


def search(connection: Connection, wanted: AuditSearch) -> list[SealedRecord]:
    """Return the records that are looked for, the newest first."""
    row = AuditRecordRow
    rules: list[ColumnElement[bool]] = []
    for name in ("actor", "action", "target", "service", "outcome", "request_id"):
        value = getattr(wanted, name)
        if value is not None:
            rules.append(getattr(row, name) == value)
    if wanted.since is not None:
        rules.append(row.at >= wanted.since)
    if wanted.until is not None:
        rules.append(row.at <= wanted.until)
    if wanted.services is not None:
        rules.append(row.service.in_(sorted(wanted.services)))
    if wanted.before is not None:
        rules.append(row.sequence < wanted.before)
    query = select(*_COLUMNS).where(*rules).order_by(row.sequence.desc()).limit(wanted.limit)
    return [SealedRecord(*found) for found in connection.execute(query)]


def record_at(connection: Connection, sequence: int) -> SealedRecord | None:
    """Return one record, or None."""
    found = connection.execute(select(*_COLUMNS).where(AuditRecordRow.sequence == sequence)).first()
    return None if found is None else SealedRecord(*found)


def records_between(database: Database, first: int, last: int) -> Iterator[SealedRecord]:
    """Yield records in their order, a page at a time, so that a slow consumer holds no connection.

    Raises:
        StoreUnavailableError: when the database cannot be read.
    """
    row = AuditRecordRow
    while first <= last:
        query = select(*_COLUMNS).where(row.sequence >= first, row.sequence <= last).order_by(row.sequence).limit(PAGE)
        with database.reader() as connection:
            page = [SealedRecord(*found) for found in connection.execute(query)]
        yield from page
        if len(page) < PAGE:
            return
        first = page[-1].sequence + 1


def range_of(connection: Connection, since: datetime | None, until: datetime | None) -> tuple[int, int] | None:
    """Return the numbers of the first and last record between two moments, both included, or None."""
    row = AuditRecordRow
    query = select(func.min(row.sequence), func.max(row.sequence))
    if since is not None:
        query = query.where(row.at >= since)
    if until is not None:
        query = query.where(row.at <= until)
    found = connection.execute(query).one()
    first: int | None = found[0]
    last: int | None = found[1]
    return None if first is None or last is None else (first, last)


def tree_up_to(connection: Connection, size: int) -> tuple[MerkleFrontier, bytes]:
    """Return the Merkle tree over the first `size` records, and the hash of the last of them."""
    frontier, last = MerkleFrontier(), bytes(32)
    for last in _hashes_up_to(connection, size):
        frontier.append(leaf_hash(last))
    return frontier, last


def states_at(connection: Connection, sizes: Collection[int]) -> dict[int, tuple[bytes, bytes]]:
    """Return for each of `sizes` the Merkle root over so many records, and the hash of the last of them.

    Where there are fewer records, they are those of all that there are.
    """
    states: dict[int, tuple[bytes, bytes]] = {}
    frontier, last, count = MerkleFrontier(), bytes(32), 0
    with closing(_hashes_up_to(connection, max(sizes, default=0))) as hashes:
        for size in sorted(set(sizes)):
            for last in islice(hashes, size - count):
                frontier.append(leaf_hash(last))
            count = size
            states[size] = frontier.root(), last
    return states


def _hashes_up_to(connection: Connection, size: int) -> Generator[bytes, None, None]:
    row = AuditRecordRow
    query = select(row.hash).where(row.sequence <= size).order_by(row.sequence)
    with connection.execute(query, execution_options={"yield_per": 10_000}) as found:
        for (text,) in found:
            yield bytes.fromhex(text)


def checkpoints(
    connection: Connection, *, before: int | None = None, limit: int | None = None
) -> list[SignedCheckpoint]:
    """Return the checkpoints, the newest first."""
    row = AuditCheckpointRow
    query = select(row.size, row.log_id, row.root, row.head_hash, row.at, row.key_id, row.signature)
    if before is not None:
        query = query.where(row.size < before)
    query = query.order_by(row.size.desc())
    if limit is not None:
        query = query.limit(limit)
    return [
        SignedCheckpoint(
            Checkpoint(
                log_id=log_id,
                size=size,
                root=bytes.fromhex(root),
                head_hash=bytes.fromhex(head),
                at=at,
                key_id=key_id,
            ),
            base64.b64decode(signature),
        )
        for size, log_id, root, head, at, key_id, signature in connection.execute(query)
    ]


def newest_checkpoint(connection: Connection) -> tuple[int, datetime | None]:
    """Return how many records the newest checkpoint covers, and when it was signed; 0 and None without one."""
    newest = select(AuditCheckpointRow.size, AuditCheckpointRow.at).order_by(AuditCheckpointRow.size.desc()).limit(1)
    row = connection.execute(newest).first()
    return (0, None) if row is None else (row.size, row.at)
