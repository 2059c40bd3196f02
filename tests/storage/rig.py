"""A writer with all it needs, for tests and for the program that is killed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import select

from scrollintel.control.records import SERVICES, ServiceRecord
from scrollintel.models.fault_tolerance_models import metadata
from scrollintel.security.audit_chain import AuditEntry, SealedRecord
from scrollintel.security.audit_verify import verify_records
from scrollintel.security.chain_verifier import VerificationReport
from scrollintel.storage.engine import Database
from scrollintel.storage.ledger import Ledger
from scrollintel.storage.transaction import Records, Transaction
from scrollintel.storage.writer import Writer, WriterState

T = TypeVar("T")
LOG = "log_test"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Rig:
    """A database, its records, and the writer between them."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.records = Records()
        self.ledger = Ledger(self.database, new_log_id=lambda: LOG, records=self.records)
        self.history: list[WriterState] = []
        self._turned = threading.Condition()
        self.writer = Writer(self.ledger, self.records, on_state=self._turn)

    def _turn(self, state: WriterState) -> None:
        with self._turned:
            self.history.append(state)
            self._turned.notify_all()

    def reaches(self, state: WriterState, timeout: float = 20.0) -> bool:
        """Wait until the writer is in a state."""
        with self._turned:
            return self._turned.wait_for(lambda: self.writer.state is state, timeout)

    def passes(self, state: WriterState, timeout: float = 20.0) -> bool:
        """Wait until the writer is or has been in a state."""
        with self._turned:
            return self._turned.wait_for(lambda: state in self.history, timeout)

    def change(self, decide: Callable[[Transaction], T]) -> T:
        """Make a change and wait for it."""
        return self.writer.change_blocking(decide, 20.0)

    def stop(self) -> None:
        """End the writer and let go of the database."""
        self.writer.stop()
        self.database.dispose()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the writer's thread in a change, so that what comes meanwhile makes one group."""
        entered, release = threading.Event(), threading.Event()

        def hold(tx: Transaction) -> None:
            entered.set()
            assert release.wait(20.0)

        thread = threading.Thread(target=self.change, args=(hold,))
        thread.start()
        assert entered.wait(20.0)
        try:
            yield
        finally:
            release.set()
            thread.join()

    def audit_log(self) -> list[SealedRecord]:
        """Return the records of the audit log as they are stored."""
        table = metadata.tables["audit_records"]
        with self.database.reader() as reader:
            rows = reader.execute(select(table).order_by(table.c.sequence)).mappings()
            return [SealedRecord(**row) for row in rows]

    def verified(self) -> VerificationReport:
        """Return what the verifier says of the log, up to the end that the writer knows."""
        head = self.ledger.log.head
        return verify_records(self.audit_log(), log_id=LOG, expected_head=head)


@contextmanager
def running(url: str, state: WriterState = WriterState.SERVING) -> Iterator[Rig]:
    """Run a writer on a database."""
    rig = Rig(url)
    rig.writer.start()
    try:
        assert rig.reaches(state), rig.writer.last_error
        yield rig
    finally:
        rig.stop()


def service(name: str, revision: int = 1) -> ServiceRecord:
    """Return a record to write."""
    return ServiceRecord(
        name=name,
        tier=1,
        owner=None,
        description=None,
        depends_on=(),
        revision=revision,
        registered_at=NOON,
        updated_at=NOON,
    )


def entry(target: str) -> AuditEntry:
    """Return an entry for the audit log."""
    return AuditEntry(
        action="service.register", target_kind="service", target=target, outcome="allowed", actor="local", at=NOON
    )


def register(name: str) -> Callable[[Transaction], str]:
    """Return a change that registers a service, with its entry in the log."""

    def decide(tx: Transaction) -> str:
        tx.put(SERVICES, service(name))
        tx.audit(entry(name))
        return name

    return decide
