"""Silences are ranked by how unusual they are."""

from __future__ import annotations

from itertools import pairwise

from scrollintel.recovery.suspicion import Suspicion


def learned(*gaps: float) -> Suspicion:
    """Make one that has seen these gaps."""
    made = Suspicion()
    for gap in gaps:
        made.add(gap)
    return made


def test_suspicion_that_knows_too_little_says_nothing() -> None:
    """Four gaps are not enough."""
    assert learned(1.0, 1.0, 1.0, 1.0).value(1e6) == 0.0


def test_suspicion_rises_with_silence_without_a_jump() -> None:
    """The value grows also beyond what a float can hold as a probability."""
    made = learned(*[1.0] * 10)
    values = [made.value(tenths / 10.0) for tenths in range(101)]
    assert all(one <= two for one, two in pairwise(values))
    assert max(two - one for one, two in pairwise(values)) < 45.0
    assert values[-1] > 1000.0


def test_suspicion_up_to_the_longest_usual_gap_stays_low() -> None:
    """A pause that happens by itself is not unusual, however regular the rest is."""
    made = learned(*[0.02] * 500, 0.3)
    assert made.floor == 0.3
    assert made.value(0.29) < 0.31


def test_suspicion_ranks_the_regular_sender_higher() -> None:
    """The same silence is more unusual of one that never missed a beat."""
    assert learned(*[1.0] * 20).value(2.0) > learned(*[0.5, 1.5] * 10).value(2.0)


def test_suspicion_forgets_gaps_of_long_ago() -> None:
    """After a thousand gaps of a new rhythm the old one is gone."""
    made = learned(*[10.0] * 50, *[1.0] * 1000)
    assert made.floor == 1.0
    assert made.value(5.0) > 8.0
