"""Reports over a real connection: what has changed is told once, and what is refused is lost alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from scrollintel import DegradationLevel
from scrollintel.replica.exchange import Channel, ExchangeError
from scrollintel.replica.report import MAX_FACTS, MAX_REFUSALS, MAX_ROWS, Reporter

from .peers import Connection, Peer, response
from .rig import Process

Message = dict[str, Any]  # Any: JSON values
NO_CONTENT = "204 No Content"


class ControlPlane:
    """Takes reports and answers each with what `judge` says of it.

    Attributes:
        taken: Messages that were answered with 204.
        asked: How many came.
    """

    def __init__(self) -> None:
        self.judge: Callable[[Message], str] = lambda _: NO_CONTENT
        self.taken: list[Message] = []
        self.asked = 0
        self.peer = Peer(self._serve)

    def _serve(self, connection: Connection) -> None:
        while True:
            message = json.loads(connection.request()[1])
            self.asked += 1
            status = self.judge(message)
            if status == NO_CONTENT:
                self.taken.append(message)
            connection.send(response(b"", status))

    def rows(self, kind: str) -> list[Any]:
        """Return what has arrived of one kind."""
        return [row for message in self.taken for row in message[kind]]


class Told:
    """A process, its reporter, and the control plane that hears it."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.process = Process(None)
        self.woken = 0
        self.reporter = Reporter(self.process.replica, self._wake)
        self.channel = Channel(urlsplit(plane.peer.url), {}, None)

    def _wake(self) -> None:
        self.woken += 1

    def join(self) -> None:
        """Tell everything."""
        self.reporter.join(self.channel, "/replicas/r", 0, 5.0)

    def push(self, *, alive: bool = False) -> bool:
        """Tell what has changed."""
        return self.reporter.push(self.channel, "/replicas/r", 0, 5.0, alive=alive)

    def push_facts(self) -> bool:
        """Tell new facts."""
        return self.reporter.push_facts(self.channel, "/replicas/r", 0, 5.0)


@pytest.fixture
def told() -> Iterator[Told]:
    """Return a process with a reporter that has told nothing yet."""
    plane = ControlPlane()
    with plane.peer:
        made = Told(plane)
        yield made
        made.channel.close()


def names(rows: list[Any]) -> list[str]:
    """Return the names of rows."""
    return [row[0] for row in rows]


def test_report_tells_everything_once_and_then_what_has_changed(told: Told) -> None:
    """Idle circuits are silent; a sign of life is sent only when it is asked for."""
    circuit = told.process.circuit("a")
    told.process.circuit("b")
    told.join()
    assert told.plane.taken[0]["full"] is True
    assert names(told.plane.rows("circuits")) == ["a", "b"]
    assert not told.push()
    assert told.plane.asked == 1
    assert told.push(alive=True)
    assert told.plane.taken[1]["circuits"] == []
    circuit.isolate()
    assert told.push()
    assert names(told.plane.taken[2]["circuits"]) == ["a"]
    assert [fact["new"] for fact in told.plane.taken[2]["facts"]] == ["isolated"]
    assert not any(message["full"] for message in told.plane.taken[1:])


def test_report_of_a_fact_tells_of_its_circuit_alone(told: Told) -> None:
    """A fact wakes the reporter, and goes out with the circuit that it is about."""
    circuit, other = told.process.circuit("a"), told.process.circuit("b")
    told.join()
    assert not told.push_facts()
    other.count_refusal()
    circuit.isolate()
    told.process.manager.degradation.register_service("search")
    told.process.manager.degradation.set_level("search", DegradationLevel.MODERATE, "slow")
    assert told.woken == 1
    assert told.push_facts()
    assert names(told.plane.taken[1]["circuits"]) == ["a"]
    assert names(told.plane.taken[1]["levels"]) == ["search"]
    assert len(told.plane.taken[1]["facts"]) == 2
    assert told.push()
    assert names(told.plane.taken[2]["circuits"]) == ["b"]


def test_report_too_large_is_halved_until_it_fits(told: Told) -> None:
    """Everything arrives, in order, and only the first message that is taken is the full one."""
    for number in range(50):
        told.process.circuit(f"c{number:02}").isolate()
    told.plane.judge = lambda message: (
        NO_CONTENT if len(message["circuits"]) + len(message["facts"]) <= 7 else "413 Content Too Large"
    )
    told.join()
    assert names(told.plane.rows("circuits")) == [f"c{number:02}" for number in range(50)]
    assert [fact["policy"] for fact in told.plane.rows("facts")] == [f"c{number:02}" for number in range(50)]
    assert [message["full"] for message in told.plane.taken] == [True] + [False] * (len(told.plane.taken) - 1)
    assert told.reporter.dropped == 0
    assert not told.push()


@pytest.mark.parametrize("status", ["413 Content Too Large", "422 Unprocessable Content", "400 Bad Request"])
def test_report_with_one_row_that_is_refused_loses_that_one(told: Told, status: str) -> None:
    """One row that the control plane does not take costs no other, and is counted."""
    for number in range(20):
        told.process.circuit(f"c{number:02}")
    told.plane.judge = lambda message: status if "c13" in names(message["circuits"]) else NO_CONTENT
    told.join()
    assert names(told.plane.rows("circuits")) == [f"c{number:02}" for number in range(20) if number != 13]
    assert told.reporter.dropped == 1
    assert told.push(alive=True)
    assert told.plane.taken[-1]["dropped"] == 1


def test_report_with_one_fact_that_is_refused_does_not_tell_it_again(told: Told) -> None:
    """A fact that cannot be taken does not stand in the way of all others for ever."""
    told.join()
    for name in ("a", "b", "c"):
        told.process.circuit(name).isolate()
    told.plane.judge = lambda message: (
        "422 No" if any(fact["policy"] == "b" for fact in message["facts"]) else NO_CONTENT
    )
    assert told.push()
    assert [fact["policy"] for fact in told.plane.rows("facts")] == ["a", "c"]
    assert told.reporter.dropped == 1
    assert not told.push()


def test_report_that_is_refused_altogether_gives_up_soon(told: Told) -> None:
    """A control plane that takes nothing is not flooded; the refusal becomes the connection's error."""
    for number in range(400):
        told.process.circuit(f"c{number}")
    told.plane.judge = lambda _: "413 Content Too Large"
    with pytest.raises(ExchangeError, match="body_too_large"):
        told.join()
    assert told.plane.asked <= 2 * MAX_REFUSALS
    assert told.reporter.dropped == 400


def test_report_of_many_circuits_goes_in_several_messages(told: Told) -> None:
    """No message has more rows than the protocol's bound."""
    for number in range(MAX_ROWS + 500):
        told.process.circuit(f"c{number}")
    told.join()
    assert [len(message["circuits"]) for message in told.plane.taken] == [MAX_ROWS, 500]
    assert [message["full"] for message in told.plane.taken] == [True, False]


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "409 Conflict", "500 Error", "503 Later"])
def test_report_that_cannot_be_taken_now_is_told_later(told: Told, status: str) -> None:
    """Facts wait for an answer that has nothing to do with them, and nothing is counted as lost."""
    told.process.circuit("a").isolate()
    told.plane.judge = lambda _: status
    with pytest.raises(ExchangeError):
        told.join()
    assert told.plane.asked == 1
    told.plane.judge = lambda _: NO_CONTENT
    told.join()
    assert [fact["policy"] for fact in told.plane.rows("facts")] == ["a"]
    assert told.reporter.dropped == 0


def test_report_keeps_the_newest_facts_and_counts_the_others(told: Told) -> None:
    """Without a control plane the oldest facts go, and their number is told later."""
    circuit = told.process.circuit("a")
    for _ in range(3):
        for _ in range(MAX_FACTS // 2):
            circuit.isolate()
            circuit.close()
        told.reporter.collect()
    assert told.reporter.dropped == 2 * MAX_FACTS
    told.join()
    assert len(told.plane.rows("facts")) == MAX_FACTS
    assert told.plane.rows("facts")[-1]["new"] == "closed"
    assert told.plane.taken[0]["dropped"] == 2 * MAX_FACTS


def test_report_cuts_texts_of_facts(told: Told) -> None:
    """A long reason with NUL in it is told as far as the control plane takes it."""
    told.process.circuit("a").isolate("x\x00" * 2000)
    told.join()
    (fact,) = told.plane.rows("facts")
    assert len(fact["reason"]) == 1000
    assert "\x00" not in fact["reason"]


def test_report_after_cancel_gathers_nothing(told: Told) -> None:
    """A reporter that has ended is no longer woken."""
    told.reporter.cancel()
    told.process.circuit("a").isolate()
    assert told.woken == 0
    assert not told.push_facts()
