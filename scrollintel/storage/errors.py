"""What can be wrong with the database."""

from __future__ import annotations

from ..core.errors import ScrollIntelError


class StoreUnavailableError(ScrollIntelError):
    """The database cannot be used now; nothing was acknowledged.

    Arguments:
        text: One sentence for an operator.
        retry_after: Seconds until a new try may be worthwhile.
    """

    code = "store_unavailable"

    def __init__(self, text: str, *, retry_after: float = 1.0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class StandbyError(StoreUnavailableError):
    """Another control plane serves this database; this one stands by to take over."""

    code = "standby"

    def __init__(self) -> None:
        super().__init__("another control plane serves this database; this one stands by", retry_after=2.0)


class DatabaseLockedError(StoreUnavailableError):
    """Another process has the SQLite file; one process owns it at a time."""

    code = "database_locked"


class SchemaError(ScrollIntelError):
    """The schema of the database is not one that this version can use."""

    code = "schema"
