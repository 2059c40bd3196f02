"""Proof of health: so many rounds of good looks in a row, within a time."""

from __future__ import annotations

from scrollintel.recovery.symptom import Depth, Look
from scrollintel.recovery.validation import Soak, depths_of


def look(good: bool, detail: str = "x") -> Look:
    """Return a look."""
    return Look(
        target="a", check="c", depth=Depth.READY, good=good, failure_type=None if good else "not_ready", detail=detail,
        at=0.0,
    )  # fmt: skip


def test_three_good_rounds_in_a_row_prove_health() -> None:
    """A round is good when all its looks are; a bad one begins anew."""
    soak = Soak(3, 60.0, 0.0)
    rounds = [[look(True)], [look(True), look(False)], [look(True)], [look(True), look(True)], [look(True)]]
    assert [soak.take(looks, 1.0) for looks in rounds] == [None, None, None, None, True]
    assert soak.sentence([Depth.READY, Depth.ALIVE]) == "healthy 3 times in a row at alive, ready"


def test_time_that_is_over_is_no_proof() -> None:
    """The last thing that was wrong is told; a round at the very end may still complete the proof."""
    soak = Soak(2, 10.0, 100.0)
    assert soak.take([look(False, "no answer")], 105.0) is None
    assert soak.take([look(True)], 110.0) is False
    assert soak.sentence([Depth.ALIVE]) == "not healthy within 10 s; last: no answer"
    late = Soak(1, 10.0, 0.0)
    assert late.take([look(True)], 10.0) is True


def test_depths_that_prove_health_are_all_that_there_are() -> None:
    """Alive alone where there is no other."""
    assert depths_of({Depth.ALIVE}) == (Depth.ALIVE,)
    assert set(depths_of({Depth.DEEP, Depth.READY, Depth.ALIVE})) == set(Depth)
    assert depths_of(()) == ()
