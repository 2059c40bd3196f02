"""Maintenance windows: times in which nothing is repaired."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from ..core.config.base import Config
from ..core.config.lists import line, texts
from ..core.errors import ConfigError, Violation

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
CLOCK_ALLOWED = "a time of day in UTC, HH:MM from 00:00 to 23:59"
MOMENT_ALLOWED = "a moment with its offset (RFC 3339), such as 2026-01-31T22:00:00+01:00; or HH:MM together with days"


def clock_time(text: str) -> time | None:
    """Return the time of day that `HH:MM` says, or None when it does not say one."""
    return time.fromisoformat(text) if _CLOCK.fullmatch(text) else None


def moment(text: str) -> datetime | None:
    """Return the moment that an RFC 3339 text says, in UTC, or None when it says none or has no offset."""
    try:
        found = datetime.fromisoformat(text)
        return None if found.utcoffset() is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(Config):
    """A time in which nothing is repaired; what happens is recorded all the same.

    Either `begins` and `ends` are two moments with their offset (RFC 3339), or `days` and two times of day in UTC.

    Arguments:
        begins, ends: Text of the moments, or `HH:MM`; the end does not belong to the window. A time of day that ends
            before it begins, or at the same minute, runs on into the day after.
        days: `monday` to `sunday`, on which it begins; empty for one stretch between two moments.
        reason: For the history, or None.

    Raises:
        ConfigError: with every violation.
    """

    begins: str = field(metadata=line(maximum=40, words=MOMENT_ALLOWED))
    ends: str = field(metadata=line(maximum=40, words=MOMENT_ALLOWED))
    days: tuple[str, ...] = field(
        default=(),
        metadata=texts(
            words="a list of monday to sunday, each once", minimum=0, maximum=7, choices=DAYS, different=True
        ),
    )
    reason: str | None = field(default=None, metadata=line(maximum=500, optional=True))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check that both ends are of the same sort and in order."""
        if broken & {"begins", "ends", "days"}:
            return
        read, allowed = (clock_time, CLOCK_ALLOWED) if self.days else (moment, MOMENT_ALLOWED)
        ends = {name: read(getattr(self, name)) for name in ("begins", "ends")}
        for name, found in ends.items():
            if found is None:
                yield Violation(name, getattr(self, name), allowed)
        begins, until = moment(self.begins), moment(self.ends)
        if not self.days and begins is not None and until is not None and until <= begins:
            yield Violation("ends", self.ends, f"later than begins ({self.begins})")


def is_within(window: Window, at: datetime) -> bool:
    """Tell whether a moment lies in a window.

    Raises:
        ConfigError: when `at` has no time zone.
    """
    if at.utcoffset() is None:
        raise ConfigError("windows", [Violation("at", at, "a datetime with a time zone")])
    at = at.astimezone(UTC)
    if not window.days:
        begins, ends = moment(window.begins), moment(window.ends)
        return begins is not None and ends is not None and begins <= at < ends
    first, last = clock_time(window.begins), clock_time(window.ends)
    assert first is not None and last is not None
    if first < last:
        return DAYS[at.weekday()] in window.days and first <= at.time() < last
    yesterday = DAYS[(at - timedelta(days=1)).weekday()]
    return (DAYS[at.weekday()] in window.days and at.time() >= first) or (yesterday in window.days and at.time() < last)


def window_at(windows: Iterable[Window], at: datetime) -> Window | None:
    """Return the first window that a moment lies in, or None."""
    return next((window for window in windows if is_within(window, at)), None)
