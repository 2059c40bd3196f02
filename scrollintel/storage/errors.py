"""What can be wrong with the database, as its callers see it."""

from __future__ import annotations

from typing import Any

from ..core.errors import ScrollIntelError


class StoreUnavailableError(ScrollIntelError):
    """The database cannot be used now; a later try may succeed.

    Arguments:
        message: What is wrong, in words that hold no address and no credential.
        retry_after: Seconds until a new try may be worthwhile.
    """

    code = "store_unavailable"

    def __init__(self, message: str = "the database cannot be used now", *, retry_after: float = 1.0) -> None:
        self.retry_after = retry_after
        super().__init__(message)

    @property
    def details(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        return {"retry_after": self.retry_after}


class StoreFullError(StoreUnavailableError):
    """The database has no room left; it serves again once there is some. Nothing of the change was made."""

    code = "store_full"

    def __init__(
        self,
        message: str = "the database has no room left; free some on its volume, and changes go on by themselves",
        *,
        retry_after: float = 10.0,
    ) -> None:
        super().__init__(message, retry_after=retry_after)


class StandbyError(StoreUnavailableError):
    """Another control plane holds the lock of the shared database and serves; this one stands by."""

    code = "standby"

    def __init__(self, message: str = "another control plane serves; this one stands by") -> None:
        super().__init__(message, retry_after=1.0)


class DatabaseLockedError(StoreUnavailableError):
    """Another process owns the SQLite file.

    Arguments:
        file: Name of the file, without its folder.
        pid: The process that owns it, or None when it has not said so.
    """

    code = "database_locked"

    def __init__(self, file: str, pid: int | None) -> None:
        self.file = file
        self.pid = pid
        owner = "another process" if pid is None else f"process {pid}"
        super().__init__(f"{file} is in use by {owner}; a SQLite database serves one process at a time")

    @property
    def details(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        return {**super().details, "pid": self.pid}


class SchemaError(ScrollIntelError):
    """The tables are not those that this version works with; trying again does not help."""

    code = "schema_mismatch"


class BackupError(ScrollIntelError):
    """A backup, restore or move was refused or does not agree with its source; nothing was given up for it."""

    code = "backup_failed"


class OccupiedError(BackupError):
    """Where a backup, restore or move would write, something is already."""

    code = "target_occupied"
