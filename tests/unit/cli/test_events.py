"""`scrollintel events` follows the stream, over lost connections as well."""

from __future__ import annotations

import json
import time

import pytest

from scrollintel.cli.commands.events import STREAM, Event, parse

from .rig import Reply, Run, ScriptedPlane, problem

OPENED = 'id: 7\nevent: circuit.opened\ndata: {"circuit": "payments", "at": "2026-01-31T12:00:00Z"}\n\n'
CLOSED = ': comment\nid: 9\nevent: circuit.closed\ndata: {"circuit": "payments"}\n\n'


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses that were made between two tries, without making them."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


def stream(*chunks: str, cut: bool = False) -> Reply:
    """Return a stream that ends, or breaks, after these pieces."""
    return Reply(chunks=chunks, kind=STREAM, cut=cut)


@pytest.mark.parametrize("cut", [True, False])
def test_events_are_taken_up_where_the_connection_ended(remote: Run, plane: ScriptedPlane, cut: bool) -> None:
    """A broken stream and one that ended are resumed with the id of the last event, and people are told."""
    plane.on("GET", "/events", stream(OPENED, "id: 8\nda", cut=cut), stream(CLOSED))
    done = remote("--json", "events", "--count", "2", "--event", "circuit.opened", "--event", "circuit.closed")
    assert done.code == 0
    assert [json.loads(line)["id"] for line in done.out.splitlines()] == ["7", "9"]
    first, second = plane.asked
    assert first.query == {"event": ["circuit.opened", "circuit.closed"]}
    assert first.headers["accept"] == STREAM
    assert "last-event-id" not in first.headers
    assert second.headers["last-event-id"] == "7"
    assert "trying again" in json.loads(done.err)["note"]


def test_events_outlast_a_silence_longer_than_the_timeout(remote: Run, plane: ScriptedPlane) -> None:
    """--timeout is for answers; where nothing happens the stream is whole, and not a server that hangs."""
    plane.on("GET", "/events", Reply(chunks=(OPENED,), kind=STREAM, pause=0.3))
    done = remote("--timeout", "0.1", "events", "--count", "1")
    assert (done.code, done.err, len(plane.asked)) == (0, "", 1)


def test_events_begin_behind_an_id(remote: Run, plane: ScriptedPlane) -> None:
    """--after is what the first request resumes behind."""
    plane.on("GET", "/events", stream(CLOSED))
    done = remote("events", "--after", "7", "--count", "1")
    assert plane.asked[0].headers["last-event-id"] == "7"
    assert done.out.split(maxsplit=1)[1].split() == ["circuit.closed", "circuit=payments"]


def test_events_try_ever_more_rarely_while_nothing_comes(
    remote: Run, plane: ScriptedPlane, no_waiting: list[float]
) -> None:
    """A stream that always ends is not asked for in a busy loop; an event makes the pauses short again."""
    empty = stream(": nothing\n\n")
    plane.on("GET", "/events", *[empty] * 5, stream(OPENED), empty, stream(CLOSED))
    assert remote("events", "--count", "2").code == 0
    assert no_waiting == [0.5, 1.0, 2.0, 5.0, 5.0, 0.5, 1.0]


def test_events_end_when_the_token_is_revoked(remote: Run, plane: ScriptedPlane) -> None:
    """A refusal is final, also in the middle."""
    plane.on("GET", "/events", stream(OPENED), problem(401, "invalid_token"))
    done = remote("events")
    assert done.code == 4
    assert "circuit.opened" in done.out


def test_events_from_the_start_of_a_server_that_is_not_there_are_not_tried_again(
    cli: Run, no_waiting: list[float]
) -> None:
    """A wrong address is told at once."""
    assert cli("--url", "http://127.0.0.1:1", "events").code == 3
    assert no_waiting == []


def test_events_of_something_else_are_refused(remote: Run, plane: ScriptedPlane, no_waiting: list[float]) -> None:
    """A page that is no stream of events is not waited for."""
    plane.on("GET", "/events", Reply(body=b"<html>", kind="text/html"))
    assert remote("events").code == 3
    assert no_waiting == []


def test_events_end_with_ctrl_c_without_a_word(
    remote: Run, plane: ScriptedPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C is how one stops following; the exit code is that of a shell."""

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    plane.on("GET", "/events", stream(OPENED))
    done = remote("--json", "events")
    assert done.code == 130
    assert list(map(json.loads, done.err.splitlines())) == [
        {"note": "the control plane has ended the stream; trying again"}
    ]


def test_parse_reads_the_format_of_the_standard() -> None:
    """Comments, several data lines, an id without data, a missing name, and an unfinished event at the end."""
    text = (
        ": hello\nid: 1\ndata: a\ndata:b\n\nid: 2\n\nevent: x\ndata: c\nid: \0\nretry: 5\nnonsense\n\ndata: unfinished"
    )
    assert list(parse(text.split("\n"))) == [Event("1", "message", "a\nb"), Event("2", "x", "c")]


def test_events_do_not_repeat_name_and_time(remote: Run, plane: ScriptedPlane) -> None:
    """A line begins with both, so they are not among the fields."""
    data = '{"event": "circuit.opened", "at": "2026-01-31T12:00:00Z", "circuit": "payments"}'
    plane.on("GET", "/events", stream(f"id: 7\nevent: circuit.opened\ndata: {data}\n\n"))
    line = remote("events", "--count", "1").out
    assert line.split()[1:] == ["circuit.opened", "circuit=payments"]
