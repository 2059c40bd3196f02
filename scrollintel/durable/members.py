"""Which processes execute recoveries: signs of life by the database's own clock, leases, and a fencing token."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from contextlib import suppress

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ..core.errors import LeaseLostError

LEASE = 1.0
"""Seconds of silence after which an executor counts as dead."""
BEAT = 0.2
"""Seconds between two signs of life; several fit into a lease."""
IDLE = 0.5
"""Seconds between two looks where one process is alone."""

_TABLES = (
    "CREATE TABLE IF NOT EXISTS scrollintel_executors"
    " (executor VARCHAR(64) PRIMARY KEY, epoch BIGINT NOT NULL, beat DOUBLE PRECISION NOT NULL)",
    "CREATE TABLE IF NOT EXISTS scrollintel_epoch (id INTEGER PRIMARY KEY, epoch BIGINT NOT NULL)",
    "INSERT INTO scrollintel_epoch (id, epoch) VALUES (1, 0) ON CONFLICT (id) DO NOTHING",
)
_NOW = "extract(epoch from clock_timestamp())"


class Members:
    """This process among the executors. Used in the engine's thread, but for `require`.

    On SQLite there is one executor, because the file is locked; only the fencing token is kept there.

    Arguments:
        url: The engine's database.
        executor: Name of this executor, of this life of the process.

    Attributes:
        epoch: The fencing token: it rises at every start and every takeover, over all processes.
    """

    def __init__(self, url: URL, *, executor: str) -> None:
        self.executor = executor
        self.epoch = 0
        self._shared = url.get_backend_name() != "sqlite"
        options = {"connect_timeout": 2, "options": "-c statement_timeout=2000"} if self._shared else {"timeout": 5}
        self._engine = create_engine(url, poolclass=NullPool, connect_args=options)
        self._held: Connection | None = None

    @property
    def interval(self) -> float:
        """Seconds between two calls of `beat`."""
        return BEAT if self._shared else IDLE

    def join(self) -> None:
        """Take a place among the executors, with a higher fencing token than any before."""
        with self._engine.begin() as connection:
            for statement in _TABLES:
                connection.execute(text(statement))
        self.rise()
        if self._shared:
            self._hold()

    def _hold(self) -> None:
        """Hold a lock that the server frees the moment this process's connection ends: the fast sign of death."""
        self._drop()
        held = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            # A session of this executor that the server has not missed yet may hold it: the statement's time limit
            # ends the wait, and the next beat tries again.
            held.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _key(self.executor)})
            held.commit()
        except SQLAlchemyError:
            held.close()
            raise
        self._held = held

    def rise(self) -> None:
        """Raise the fencing token above all that were given out, and take it."""
        with self._engine.begin() as connection:
            row = connection.execute(
                text("UPDATE scrollintel_epoch SET epoch = epoch + 1 WHERE id = 1 RETURNING epoch")
            )
            self.epoch = int(row.scalar_one())
            if self._shared:
                connection.execute(
                    text(
                        "INSERT INTO scrollintel_executors (executor, epoch, beat)"  # noqa: S608 # nosec B608 - constants
                        f" VALUES (:executor, :epoch, {_NOW}) ON CONFLICT (executor)"
                        f" DO UPDATE SET epoch = excluded.epoch, beat = {_NOW}"
                    ),
                    {"executor": self.executor, "epoch": self.epoch},
                )

    def beat(self) -> None:
        """Give a sign of life; joins anew when others have declared this executor dead meanwhile.

        Raises:
            SQLAlchemyError: when the database cannot be used; the next call joins anew.
        """
        if not self._shared:
            return
        if self._held is None:
            self.join()
        held = self._held
        assert held is not None
        statement = f"UPDATE scrollintel_executors SET beat = {_NOW} WHERE executor = :executor"  # noqa: S608 # nosec B608 - constants
        try:
            found = held.execute(text(statement), {"executor": self.executor})
            held.commit()
        except SQLAlchemyError:
            self._drop()
            raise
        if found.rowcount == 0:
            self.join()

    def _drop(self) -> None:
        """Let go of a connection that does not work; the lock on it is gone, or the server will notice."""
        held, self._held = self._held, None
        if held is not None:
            with suppress(SQLAlchemyError):
                held.invalidate()
            with suppress(SQLAlchemyError):
                held.close()

    def dead(self, owners: Collection[str]) -> list[str]:
        """Return which of the executors are dead: their lock is free, or they have been silent for a lease.

        Those are taken off the list in the same breath, so that one of them that is only slow finds out.
        """
        if not owners:
            return []
        found = []
        with self._engine.begin() as connection:
            # One process decides at a time: the others would only take over the same runs again.
            if not connection.execute(
                text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _key("reaper")}
            ).scalar_one():
                return []
            for owner in sorted(owners):
                silent = connection.execute(
                    text(f"SELECT {_NOW} - beat FROM scrollintel_executors WHERE executor = :executor"),  # noqa: S608 # nosec B608 - constants
                    {"executor": owner},
                ).scalar_one_or_none()
                free = connection.execute(
                    text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _key(owner)}
                ).scalar_one()
                if silent is None or silent > LEASE or free:
                    connection.execute(
                        text("DELETE FROM scrollintel_executors WHERE executor = :executor"), {"executor": owner}
                    )
                    found.append(owner)
        return found

    def require(self, run: str) -> int:
        """Return the fencing token when a run is this executor's and its lease holds, as the database says now.

        Raises:
            LeaseLostError: when another one has it by now.
            ConnectionError: when the database does not say, or this executor has not given a sign of life for a lease;
                it is asked again then, and nothing is done meanwhile.
        """
        try:
            with self._engine.connect() as connection:
                epoch = connection.execute(
                    text(
                        # The newest token of all: it has risen since a former owner of the run was declared dead.
                        "SELECT newest.epoch FROM dbos.workflow_status AS run"  # noqa: S608 # nosec B608 - constants
                        " JOIN scrollintel_executors AS executors ON executors.executor = run.executor_id"
                        " JOIN scrollintel_epoch AS newest ON newest.id = 1"
                        " WHERE run.workflow_uuid = :run AND run.executor_id = :executor"
                        f" AND run.status = 'PENDING' AND {_NOW} - executors.beat <= :lease"
                    ),
                    {"run": run, "executor": self.executor, "lease": LEASE},
                ).scalar_one_or_none()
                if epoch is not None:
                    return int(epoch)
                owner = connection.execute(
                    text(
                        "SELECT executor_id FROM dbos.workflow_status WHERE workflow_uuid = :run AND status = 'PENDING'"
                    ),
                    {"run": run},
                ).scalar_one_or_none()
        except SQLAlchemyError as error:
            raise ConnectionError("the recovery engine's database does not say whose the run is") from error
        if owner != self.executor:
            raise LeaseLostError(run)
        raise ConnectionError("this executor has not given a sign of life in time")

    def leave(self) -> None:
        """Give the place up, so that nobody waits for the lease."""
        if self._shared:
            with self._engine.begin() as connection:
                connection.execute(
                    text("DELETE FROM scrollintel_executors WHERE executor = :executor"), {"executor": self.executor}
                )

    def close(self) -> None:
        """Let go of the database."""
        self._drop()
        self._engine.dispose()


def _key(name: str) -> int:
    """Return a name as the signed 64-bit number that advisory locks take."""
    return int.from_bytes(hashlib.sha256(f"scrollintel:{name}".encode()).digest()[:8], "big", signed=True)
