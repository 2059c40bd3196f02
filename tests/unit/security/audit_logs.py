"""A small audit log with checkpoints and its export, for the tests of the chain and its verifier."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from scrollintel.security.audit_chain import START, AuditEntry, Chain, ChainHead, SealedRecord
from scrollintel.security.audit_export import ExportHeader, iter_export
from scrollintel.security.checkpoints import SignedCheckpoint, sign_checkpoint
from scrollintel.security.merkle import MerkleFrontier, leaf_hash
from scrollintel.security.signing_keys import SigningKey

EPOCH = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
LOG_ID = "log_0123456789abcdef"


def entry(number: int = 1, /, **changes: object) -> AuditEntry:
    """Return an entry whose fields depend on `number`."""
    fields: dict[str, object] = {
        "action": ("circuit.reset", "policy.replace", "access.refuse")[number % 3],
        "target_kind": "circuit",
        "target": f"orders-{number % 7}",
        "outcome": ("allowed", "allowed", "refused", "failed")[number % 4],
        "actor": f"token:tok_{number % 5}",
        "at": EPOCH + timedelta(microseconds=number * 1_234_567),
        "service": "orders" if number % 3 else None,
        "reason": f'why "{number}" é\u0000\ud800' if number % 4 else None,
        "request_id": f"req_{number}" if number % 5 else None,
        "before": {"timeout": 2.5, "retries": number} if number % 2 else None,
        "after": {"timeout": 1e-9, "retries": number + 1, "hosts": ["a", "b"]} if number % 2 else None,
        "personal": {"subject": "sub_1", "sealed": "c2VhbGVk"} if number % 6 == 0 else None,
    }
    return AuditEntry(**(fields | changes))  # type: ignore[arg-type]


@dataclass(frozen=True)
class AuditLog:
    """Records 1 to n, their checkpoints, and the tree before each record."""

    key: SigningKey
    records: list[SealedRecord]
    checkpoints: list[SignedCheckpoint]
    log_id: str = LOG_ID

    def head(self, sequence: int | None = None) -> ChainHead:
        """Return the head after record `sequence`, by default the last."""
        number = len(self.records) if sequence is None else sequence
        return ChainHead(number, bytes.fromhex(self.records[number - 1].hash)) if number else START

    def frontier(self, size: int) -> MerkleFrontier:
        """Return the tree over the first `size` records."""
        frontier = MerkleFrontier()
        for record in self.records[:size]:
            frontier.append(leaf_hash(bytes.fromhex(record.hash)))
        return frontier

    def header(self, first: int = 1, last: int | None = None, *, frontier: bool = True) -> ExportHeader:
        """Return the header of an export of the records `first` to `last`."""
        return ExportHeader(
            log_id=self.log_id,
            first=first,
            last=len(self.records) if last is None else last,
            previous=self.head(first - 1).hash,
            frontier=self.frontier(first - 1) if frontier else None,
            public_keys=(self.key.verifying_key,),
        )

    def export(self, first: int = 1, last: int | None = None, *, frontier: bool = True) -> list[str]:
        """Return the lines of that export."""
        header = self.header(first, last, frontier=frontier)
        return list(iter_export(header, self.records[header.first - 1 : header.last], self.checkpoints))


def write_log(entries: list[AuditEntry], *, every: int, key: SigningKey, log_id: str = LOG_ID) -> AuditLog:
    """Return a log of `entries` with a checkpoint after each `every` records and after the last."""
    chain, frontier = Chain(log_id), MerkleFrontier()
    records: list[SealedRecord] = []
    checkpoints: list[SignedCheckpoint] = []
    for item in entries:
        record = chain.append(item)
        records.append(record)
        frontier.append(leaf_hash(chain.head.hash))
        if record.sequence % every == 0 or record.sequence == len(entries):
            checkpoints.append(
                sign_checkpoint(
                    key,
                    log_id=log_id,
                    size=frontier.size,
                    root=frontier.root(),
                    head_hash=chain.head.hash,
                    at=item.at,
                )
            )
    return AuditLog(key, records, checkpoints, log_id)


def make_log(count: int, *, every: int = 16, key: SigningKey | None = None) -> AuditLog:
    """Return a log of `count` records."""
    return write_log([entry(n) for n in range(1, count + 1)], every=every, key=key or SigningKey.generate())
