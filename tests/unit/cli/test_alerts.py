"""Alerts and silences on the command line: what is shown, and what is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scrollintel.cli.commands.alerts import NAMES
from scrollintel.control.alerts import AlertName

from .rig import Reply, Run, ScriptedPlane

ALERT = {
    "name": "circuit_open_too_long", "state": "firing", "ending": False, "severity": 2, "service": "orders",
    "target": "payments", "since": None, "muted": "sil_1", "summary": "calls are refused",
}  # fmt: skip
SILENCE = {
    "id": "sil_1", "matchers": [{"label": "target", "value": "pay", "match": "prefix"}], "until": None,
    "created_by": "local", "reason": "we move it",
}  # fmt: skip


def test_alerts_names_are_those_of_the_platform() -> None:
    """The command line knows them without the server's modules."""
    assert tuple(AlertName) == NAMES


def test_alerts_show_what_fires_and_of_what_nobody_is_told(remote: Run, plane: ScriptedPlane) -> None:
    """One line each; what is asked for goes along."""
    ending = {**ALERT, "ending": True, "muted": None}
    plane.on("GET", "/alerts", Reply(body={"items": [ALERT, ending], "left_out": 0, "next_cursor": None}))
    heading, first, second = remote("alerts", "--service", "orders", "--state", "firing").out.splitlines()
    assert heading.split() == ["Name", "State", "Severity", "Service", "Target", "Since", "Muted", "Summary"]
    assert first.split()[:5] == ["circuit_open_too_long", "firing", "2", "orders", "payments"]
    assert "sil_1" in first and second.split()[1] == "ending"
    assert plane.asked[0].query["service"] == ["orders"] and plane.asked[0].query["state"] == ["firing"]


def test_silences_add_sends_matchers_and_an_end(remote: Run, plane: ScriptedPlane) -> None:
    """A star at the end is a prefix; the duration becomes a moment."""
    plane.on("POST", "/silences", Reply(201, SILENCE))
    before = datetime.now(UTC)
    done = remote("silences", "add", "--service", "orders", "--target", "pay*", "--for", "2h", "--reason", "we move it")
    body = plane.asked[0].body
    assert body["matchers"] == [
        {"label": "service", "value": "orders", "match": "exact"},
        {"label": "target", "value": "pay", "match": "prefix"},
    ]
    assert body["reason"] == "we move it"
    assert timedelta(hours=2) <= datetime.fromisoformat(body["until"]) - before < timedelta(hours=2, minutes=1)
    assert done.code == 0 and done.out.startswith("Silence sil_1 is in force until ")


@pytest.mark.parametrize(
    "options", [("--for", "2h", "--reason", "x"), ("--name", "x", "--reason", "x"), ("--name", "x", "--for", "2h")]
)
def test_silences_add_wants_a_matcher_an_end_and_a_reason(
    remote: Run, plane: ScriptedPlane, options: tuple[str, ...]
) -> None:
    """Noticed before anything is sent."""
    assert remote("silences", "add", *options).code == 2
    assert plane.asked == []


def test_silences_are_listed_and_ended(remote: Run, plane: ScriptedPlane) -> None:
    """The matchers as they were given; the reason goes along."""
    plane.on("GET", "/silences", Reply(body={"items": [SILENCE], "next_cursor": None}))
    assert "target=pay*" in remote("silences", "list").out
    plane.on("DELETE", "/silences/sil_1", Reply(204, b""))
    done = remote("silences", "end", "sil_1", "--reason", "done")
    assert done.out == "Silence sil_1 has ended.\n"
    assert plane.asked[1].query["reason"] == ["done"]
