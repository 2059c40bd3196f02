"""Maintenance windows: one stretch, or days of the week, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from scrollintel.core.errors import ConfigError
from scrollintel.recovery.windows import Window, is_within, window_at

NIGHT = Window(begins="22:00", ends="02:00", days=("friday",))


@pytest.mark.parametrize(
    ("at", "inside"),
    [
        (datetime(2026, 1, 2, 21, 59, 59, tzinfo=UTC), False),  # a Friday
        (datetime(2026, 1, 2, 22, 0, tzinfo=UTC), True),
        (datetime(2026, 1, 3, 1, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 1, 3, 2, 0, tzinfo=UTC), False),
        (datetime(2026, 1, 2, 1, 0, tzinfo=UTC), False),
        (datetime(2026, 1, 2, 23, 30, tzinfo=timezone(timedelta(hours=2))), False),  # 21:30 in UTC
    ],
)
def test_window_over_midnight_belongs_to_the_day_on_which_it_begins(at: datetime, inside: bool) -> None:
    """Friday from 22:00 to 02:00 ends on Saturday and does not begin on Thursday."""
    assert is_within(NIGHT, at) is inside


def test_window_between_two_moments_begins_with_the_first_and_ends_before_the_last() -> None:
    """Offsets are taken into account."""
    window = Window(begins="2026-01-02T10:00:00+01:00", ends="2026-01-02T10:00:00Z")
    begins = datetime(2026, 1, 2, 9, tzinfo=UTC)
    assert is_within(window, begins)
    assert not is_within(window, begins - timedelta(seconds=1))
    assert not is_within(window, begins + timedelta(hours=1))


def test_window_with_two_equal_times_lasts_a_day() -> None:
    """From midnight to midnight is the whole day."""
    window = Window(begins="00:00", ends="00:00", days=("monday",))
    assert is_within(window, datetime(2026, 1, 5, 12, tzinfo=UTC))
    assert not is_within(window, datetime(2026, 1, 6, 0, tzinfo=UTC))


def test_window_at_a_naive_moment_is_refused() -> None:
    """A time of nowhere cannot be compared."""
    with pytest.raises(ConfigError, match="time zone"):
        is_within(NIGHT, datetime(2026, 1, 2, 23))


@pytest.mark.parametrize(
    ("begins", "ends", "days", "refused"),
    [
        ("2026-01-02T10:00:00", "2026-01-02T11:00:00Z", (), "begins"),
        ("2026-01-02T10:00:00Z", "2026-01-02T10:00:00Z", (), "ends"),
        ("24:00", "01:00", ("monday",), "begins"),
        ("10:00", "2026-01-02T10:00:00Z", ("monday",), "ends"),
        ("10:00", "11:00", ("mon",), "days"),
        ("10:00", "11:00", ("monday", "monday"), "days"),
    ],
)
def test_window_mistake_is_named(begins: str, ends: str, days: tuple[str, ...], refused: str) -> None:
    """Each end, the order and the days are checked."""
    with pytest.raises(ConfigError) as caught:
        Window(begins=begins, ends=ends, days=days)
    assert [violation.field for violation in caught.value.violations] == [refused]


def test_window_at_returns_the_first_that_is_open() -> None:
    """The one that holds is told, for its reason."""
    other = Window(begins="00:00", ends="00:00", days=("saturday",), reason="move")
    assert window_at((NIGHT, other), datetime(2026, 1, 3, 12, tzinfo=UTC)) is other
    assert window_at((NIGHT,), datetime(2026, 1, 4, 12, tzinfo=UTC)) is None
