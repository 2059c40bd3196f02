"""Times of the wire protocol as datetimes."""

from __future__ import annotations

from datetime import UTC, datetime

EPOCH = datetime.fromtimestamp(0, UTC)


def moment(seconds: float) -> datetime:
    """Return a number of seconds since 1970-01-01 UTC as a datetime; the epoch itself for what is no such time."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return EPOCH
