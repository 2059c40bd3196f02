"""The storm brake: when much fails at once, or much is repaired in a short time."""

from __future__ import annotations

import pytest

from scrollintel.recovery.brake import BrakeLimits, must_engage

LIMITS = BrakeLimits()


@pytest.mark.parametrize(
    ("group", "failed", "engages"),
    [
        (1, 1, False),
        (2, 2, False),
        (3, 1, False),
        (3, 2, True),
        (6, 1, False),
        (6, 2, True),
        (10, 3, False),
        (10, 4, True),
    ],
)  # fmt: skip
def test_brake_engages_over_a_third_of_a_group_of_at_least_three(group: int, failed: int, engages: bool) -> None:
    """One of three is repaired: a single failure is no storm."""
    why = must_engage(LIMITS, group=group, failed=failed, recent=(), now=0.0)
    assert (why is not None) == engages
    assert why is None or why.startswith(f"{failed} of {group} targets")


def test_brake_engages_at_ten_recoveries_within_ten_minutes() -> None:
    """The tenth engages it; what is older does not count."""
    starts = [float(number) for number in range(10)]
    assert must_engage(LIMITS, group=1, failed=1, recent=starts[:9], now=10.0) is None
    assert must_engage(LIMITS, group=1, failed=1, recent=starts, now=599.9) == (
        "10 recoveries within 600 s, 10 are the limit"
    )
    assert must_engage(LIMITS, group=1, failed=1, recent=starts, now=600.0) is None
