"""Channels on the command line: what is shown, and the exit code of a test."""

from __future__ import annotations

from .rig import Reply, Run, ScriptedPlane

CHANNEL = {
    "name": "slack", "kind": "slack", "host": None, "least_severity": 2, "waiting": 1, "sent": 3, "given_up": 1,
    "dropped": 0, "last_outcome": "given_up", "last_at": None, "last_error": "the receiver answered 404",
}  # fmt: skip
TIMING = {"enabled": True, "group_window": 10.0, "settle": 60.0, "repeat_interval": 14400.0}


def test_channels_are_listed_with_their_last_outcome_and_the_intervals(remote: Run, plane: ScriptedPlane) -> None:
    """One line each, and one on how alerts are told."""
    plane.on("GET", "/alerts/channels", Reply(body={"items": [CHANNEL], "alerting": TIMING}))
    heading, line, timing = remote("channels", "list").out.splitlines()
    assert heading.split()[:4] == ["Channel", "Kind", "Host", "Tells"]
    assert "severity 2 and worse" in line and "given up: the receiver answered 404" in line
    assert timing == "Alerts of one service are gathered for 10 s and repeated after 4 h."


def test_channels_that_are_none_say_what_is_missing(remote: Run, plane: ScriptedPlane) -> None:
    """The table of the settings file; that alerts are switched off is said as well."""
    plane.on("GET", "/alerts/channels", Reply(body={"items": [], "alerting": {**TIMING, "enabled": False}}))
    done = remote("channels", "list")
    assert "[[notifications]]" in done.out + done.err
    assert "Alerts are switched off" in done.out


def test_channels_test_tells_what_came_back_and_fails_when_nobody_took_it(remote: Run, plane: ScriptedPlane) -> None:
    """Exit code 0 for what was delivered, 1 for what was not."""
    body = {"channel": "slack", "delivered": True, "answer": "the receiver answered 200", "seconds": 0.25}
    plane.on("POST", "/alerts/channels/slack/test", Reply(body=body))
    done = remote("channels", "test", "slack")
    assert (done.code, done.out) == (0, "The channel slack delivers: the receiver answered 200, after 250 ms.\n")
    failed = {**body, "delivered": False, "answer": "the receiver answered 404"}
    plane.on("POST", "/alerts/channels/slack/test", Reply(body=failed))
    done = remote("channels", "test", "slack")
    assert (done.code, done.out) == (
        1,
        "The channel slack does not deliver: the receiver answered 404, after 250 ms.\n",
    )
