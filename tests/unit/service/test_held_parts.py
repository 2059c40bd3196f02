"""What is known of the parts of replicas: bounded, and gone with what they say is gone."""

from __future__ import annotations

import pytest

from scrollintel.replica.parts import PartReport
from scrollintel.service import held_parts
from scrollintel.service.fleet import Fleet, Session
from scrollintel.service.held_parts import HeldParts
from scrollintel.service.reports import Report
from scrollintel.testing import ManualClock


def part(name: str, member: str | None = None, state: str | None = "warm") -> PartReport:
    """Return a report of a fallback."""
    return PartReport(name, "fallback", member, state, "", {"runs": 1})


def joined(fleet: Fleet) -> Session:
    """Have a replica join."""
    return fleet.join(instance="one", service="orders", version="1", pid=None, host=None, actor="test")


def test_parts_are_known_by_name_kind_and_member() -> None:
    """A later report takes the place of an earlier one."""
    held = HeldParts()
    for report in (part("a"), part("a", "copy"), part("b"), part("a", "copy", "cold")):
        held.put(report)
    assert len(held) == 3
    assert [(one.member, one.state) for one in held.of("a")] == [(None, "warm"), ("copy", "cold")]
    assert [one.name for one in held.of(None)] == ["a", "a", "b"]
    assert list(held.of("c")) == []
    assert held.known(part("a", "copy")) == part("a", "copy", "cold")
    assert held.known(part("a", "other")) is None


def test_parts_that_are_gone_are_forgotten_with_their_name() -> None:
    """Also one that was never known."""
    held = HeldParts()
    held.put(part("a", "copy"))
    for report in (part("a", "other", None), part("b", None, None), part("a", "copy", None)):
        held.put(report)
    assert (len(held), list(held.of(None))) == (0, [])


def test_parts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond the most is left out; one that is known goes on, and one that is gone makes room."""
    monkeypatch.setattr(held_parts, "MAX_PARTS_OF_REPLICA", 2)
    held = HeldParts()
    for report in (part("a"), part("b"), part("c"), part("a", None, "cold")):
        held.put(report)
    assert [(one.name, one.state) for one in held.of(None)] == [("a", "cold"), ("b", "warm")]
    held.put(part("b", None, None))
    held.put(part("c"))
    assert [one.name for one in held.of(None)] == ["a", "c"]
    held.clear()
    assert len(held) == 0


def test_fleet_takes_parts_as_they_change_and_anew_with_a_full_report(clock: ManualClock) -> None:
    """Whoever leaves or joins again takes them along, and what is read from them is read again."""
    fleet = Fleet(clock=clock)
    session = joined(fleet)
    fleet.take(session, Report(parts=[part("a"), part("b")], full=True))
    version = fleet.version
    fleet.take(session, Report(parts=[part("b", None, None), part("c")]))
    assert fleet.version > version
    assert [one.name for one in session.parts.of(None)] == ["a", "c"]
    fleet.take(session, Report(parts=[part("d")], full=True))
    assert [one.name for one in session.parts.of(None)] == ["d"]
    assert len(joined(fleet).parts) == 0
