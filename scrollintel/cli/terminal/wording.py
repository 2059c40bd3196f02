"""Numbers and moments as the dashboard writes them; what is no number is a dash."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..output import plain, span

NOTHING = "–"
_MOST = 1e15


def number(value: object) -> float | None:
    """Return a JSON number, or None for anything else, also for one that no count or duration is as large as."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_MOST < value < _MOST:
        return None
    return float(value)


def count(value: object) -> str:
    """Return a whole number with a comma between thousands."""
    found = number(value)
    return NOTHING if found is None else f"{found:,.0f}"


def lasting(value: object) -> str:
    """Return a duration in seconds, such as `3 ms`."""
    found = number(value)
    if found is None:
        return NOTHING
    return "<1 ms" if 0.0 < found < 0.0005 else span(max(0.0, found))


def share(value: object) -> str:
    """Return a share between 0 and 1 in percent."""
    found = number(value)
    return NOTHING if found is None else f"{100 * found:.2f} %"


def rate(value: object) -> str:
    """Return calls per second."""
    found = number(value)
    return NOTHING if found is None else f"{found:,.1f} per second"


def countdown(value: object, passed: float) -> str:
    """Return what is left of a wait, in whole seconds that go down to `now`.

    Arguments:
        value: Seconds that were left when the answer came.
        passed: Seconds since then.
    """
    found = number(value)
    if found is None:
        return NOTHING
    left = int(found - passed + 0.999)
    if left <= 0:
        return "now"
    minutes, seconds = divmod(left, 60)
    return f"in {minutes} min {seconds:02d} s" if left >= 600 else f"in {left} s"


def age(value: object, now: datetime | None = None) -> str:
    """Return how long a moment (RFC 3339) is ago, without the word; a moment ahead is `0 s`."""
    moment = moment_of(value)
    return NOTHING if moment is None else span(max(0.0, ((now or datetime.now(UTC)) - moment).total_seconds()))


def moment_of(value: object) -> datetime | None:
    """Return a moment (RFC 3339), or None for anything else."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def clock_time(value: object) -> str:
    """Return a moment as the time of day in this machine's zone, with the date unless it is today's."""
    moment = moment_of(value)
    if moment is None:
        return NOTHING
    try:
        local = moment.astimezone()
    except (OverflowError, ValueError):  # the ends of the calendar
        return NOTHING
    today = datetime.now(UTC).astimezone().date()
    return local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M:%S")


_ENDED = {"successes": "succeeded", "failures": "failed", "rejections": "refused", "timeouts": "timed out"}


def calls(counters: Mapping[str, Any]) -> str:  # Any: JSON values
    """Return how many calls ended in which way, without the ways in which none did."""
    found = (f"{count(value)} {_ENDED.get(name) or plain(name)}" for name, value in counters.items() if value)
    return ", ".join(found) or "none"


def spoken(count_: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{count_:,} {one if count_ == 1 else many or one + 's'}"
