"""What people see: tables, sentences for empty ones, the next page, and text that cannot steer a terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scrollintel.cli.output import ago, plain, span

from .rig import PREFIX, Reply, Run, ScriptedPlane
from .tree import REMOTE

LISTS = [name for name in REMOTE if name.endswith(("list", "search", "checkpoints", "strategies")) or name == "roles"]
WHOLE = {"channels list", "roles", "recovery strategies", "strategies", "approvals list"}
"""Lists that come in one piece."""


def test_table_shows_a_row_for_each_circuit(remote: Run, plane: ScriptedPlane) -> None:
    """Heading and cells stand below each other; what is missing is a dash."""
    since = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    item = {
        "name": "payments",
        "state": "open",
        "since": since,
        "replicas": 2,
        "stale_replicas": 1,
        "counters": {"successes": 10, "failures": 3, "rejections": 4},
        "response_times": {"p99": 0.25},
        "revision": None,
    }
    plane.on("GET", "/circuit-breakers", Reply(body={"items": [item, {"name": "bare"}], "next_cursor": None}))
    done = remote("circuits", "list")
    heading, row, bare = done.out.splitlines()
    assert heading.split() == ["Circuit", "State", "Since", "Replicas", "OK", "Failed", "Refused", "p99", "Rev"]
    assert row.split() == ["payments", "open", "5", "min", "ago", "2", "(1", "stale)", "10", "3", "4", "250", "ms", "–"]
    assert bare.split() == ["bare", "–", "–", "0", "–", "–", "–", "–", "–"]
    assert all(line == line.rstrip() for line in (heading, row, bare))


@pytest.mark.parametrize("name", LISTS)
def test_empty_list_is_a_sentence(remote: Run, plane: ScriptedPlane, name: str) -> None:
    """An empty table would look like a failure."""
    plane.otherwise = Reply(body={"items": [], "next_cursor": None})
    done = remote(*name.split(), *REMOTE[name])
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("No ")
    assert done.out.rstrip().endswith((".", "`"))


@pytest.mark.parametrize("name", [name for name in LISTS if name not in WHOLE])
def test_list_goes_on_where_its_cursor_says(remote: Run, plane: ScriptedPlane, name: str) -> None:
    """The remark on standard error names the option; with it the next page is asked for."""
    route = PREFIX + {"circuits list": "/circuit-breakers", "recovery list": "/recovery/history"}.get(
        name, "/" + name.partition(" ")[0] + ("/checkpoints" if name.endswith("checkpoints") else "")
    )
    plane.otherwise = Reply(body={"items": [{"name": "one"}], "next_cursor": "abc"})
    done = remote(*name.split(), "--limit", "1")
    assert "--cursor abc" in done.err
    assert "abc" not in done.out
    remote(*name.split(), "--limit", "1", "--cursor", "abc")
    assert [(asked.path, asked.query) for asked in plane.asked] == [
        (route, {"limit": ["1"]}),
        (route, {"limit": ["1"], "cursor": ["abc"]}),
    ]


def test_filters_reach_the_control_plane(remote: Run, plane: ScriptedPlane) -> None:
    """A duration is a moment in the past; what is not given is not sent."""
    plane.otherwise = Reply(body={"items": [], "next_cursor": None})
    remote(
        "audit", "search", "--actor", "a/b&c", "--outcome", "refused", "--since", "2h", "--until", "2026-01-31T12:00"
    )
    query = plane.asked[0].query
    assert (query["actor"], query["outcome"], query["to"]) == (["a/b&c"], ["refused"], ["2026-01-31T12:00:00Z"])
    assert timedelta(hours=2) <= datetime.now(UTC) - datetime.fromisoformat(query["from"][0]) < timedelta(hours=3)
    assert set(query) == {"actor", "outcome", "from", "to", "limit"}


def test_names_are_quoted_in_the_address(remote: Run, plane: ScriptedPlane) -> None:
    """A name may hold what means something else in an address."""
    remote("circuits", "show", "a/b?c#d e")
    assert plane.asked[0].path == f"{PREFIX}/circuit-breakers/a%2Fb%3Fc%23d%20e"


def test_text_of_others_cannot_steer_the_terminal(remote: Run, plane: ScriptedPlane) -> None:
    """Escape sequences, line ends and markup come out as visible characters."""
    evil = "\x1b[2J[red]x\nroot"
    plane.on("GET", "/services", Reply(body={"items": [{"name": evil, "description": "\u202e"}], "next_cursor": None}))
    done = remote("services", "list")
    assert "\x1b" not in done.out
    assert "\\x1b[2J[red]x\\nroot" in done.out
    assert "\\u202e" in done.out
    assert len(done.out.splitlines()) == 2


def test_circuit_in_full_shows_why_and_where(remote: Run, plane: ScriptedPlane) -> None:
    """The reason, each replica and the latest transitions stand on one screen."""
    item = {
        "name": "payments",
        "state": "open",
        "why": "5 of the last 10 calls failed",
        "next_probe": 12.4,
        "services": ["orders"],
        "replicas": 1,
        "counters": {"successes": 5, "failures": 5},
        "last_failure": {"type": "TimeoutError", "at": None},
        "configured": {"revision": 3, "configuration": {"name": "payments"}},
        "on_replicas": [{"replica": "r1", "host": "alpha", "state": "open", "age": 0.3}],
        "transitions": [
            {
                "old": "closed",
                "new": "open",
                "reason": "failures",
                "evidence": {
                    "total": 3,
                    "failures": 2,
                    "calls": [{"outcome": "success"}, *[{"outcome": "failure", "error": "TimeoutError"}] * 2],
                },
            },
            {"old": "open", "new": "closed", "reason": "an order", "evidence": None},
        ],
    }
    plane.on("GET", "/circuit-breakers/payments", Reply(body=item))
    out = remote("circuits", "show", "payments").out
    for text in (
        "5 of the last 10 calls failed",
        "in 12 s",
        "TimeoutError",
        "alpha",
        "300 ms ago",
        "Latest transitions",
        "✓✕✕ 2 of 3 failed: TimeoutError 2",
    ):
        assert text in out


def test_token_is_shown_once_and_alone_on_standard_output(remote: Run, plane: ScriptedPlane) -> None:
    """`TOKEN=$(scrollintel tokens create ...)` holds the token and nothing else."""
    plane.on("POST", "/tokens", Reply(201, {"id": "tok_1", "token": "sit_made-up"}))
    done = remote("tokens", "create", "robot", "--role", "operator:orders,payments", "--expires-in", "90d")
    assert done.out == "sit_made-up\n"
    assert "tok_1" in done.err
    assert plane.asked[0].body == {
        "name": "robot",
        "bindings": [{"role": "operator", "services": ["orders", "payments"]}],
        "expires_in": 7_776_000,
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (True, "yes"), (0.1 + 0.2, "0.3"), ({"a": [1]}, '{"a": [1]}'), ("a\tb", "a\\tb"), ("é", "é")],
)
def test_plain_shows_values_in_one_line(value: object, text: str) -> None:
    """No value breaks a table."""
    assert plain(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (0.0021, "2 ms"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_span_names_the_largest_unit(seconds: float, text: str) -> None:
    """A person wants the size, not the digits."""
    assert span(seconds) == text


def test_ago_tells_past_and_future() -> None:
    """A clock that is ahead makes no negative number, and what is no moment is shown as it is."""
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert ago("2026-01-31T11:00:00Z", now) == "1 h ago"
    assert ago("2026-01-31T12:00:30Z", now) == "in 30 s"
    assert ago("soon", now) == "soon"
    assert ago("2026-01-31T11:00:00", now) == "2026-01-31T11:00:00"
