"""What the dashboard of the terminal decides without a screen: order, filter, words, access, and whether it starts."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scrollintel.cli.client import Client
from scrollintel.cli.marks import CIRCUITS, CONDITIONS, INCIDENTS, mark_of
from scrollintel.cli.problems import ProblemError, UnreachableError
from scrollintel.cli.target import Target
from scrollintel.cli.terminal import orders, wording
from scrollintel.cli.terminal.access import Access, access_of, ask_access
from scrollintel.cli.terminal.asking import LIMIT, Asking
from scrollintel.cli.terminal.choosing import ORDERS, Choice
from scrollintel.cli.terminal.contact import Contact
from scrollintel.control.incidents import IncidentState
from scrollintel.core.states import CircuitState
from scrollintel.recovery.health import Condition

from .rig import Reply, Run, ScriptedPlane, problem

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def circuit(name: str, state: str = "closed", *services: str, **more: Any) -> dict[str, Any]:
    """Return a circuit as the control plane lists it."""
    return {"name": name, "state": state, "services": list(services), "counters": {}, **more}


LISTED = [
    circuit("search", "closed", "shop", next_probe=None),
    circuit("payments", "open", "shop", "billing", next_probe=30.0, counters={"failures": 3}),
    circuit("mails", "half_open", "letters", counters={"failures": 12}),
    circuit("open-data", "closed", "letters"),
]


def names(choice: Choice) -> list[str]:
    """Return the names that are shown, in order."""
    return [str(item["name"]) for item in choice.of(LISTED)]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", {"search", "payments", "mails", "open-data"}),
        ("PAY", {"payments"}),
        ("open", {"payments", "mails", "open-data"}),
        ("state:open", {"payments"}),
        ("state:half-open", {"mails"}),
        ("state:half_open", {"mails"}),
        ("half", {"mails"}),
        ("service:shop", {"search", "payments"}),
        ("service:sho", set()),
        ("letters closed", {"open-data"}),
        ("nothing", set()),
    ],
)
def test_filter_asks_for_every_word(words: str, found: set[str]) -> None:
    """Words are parts of a name, state or service; `state:` and `service:` mean exactly that field."""
    assert set(names(Choice(words))) == found


def test_order_puts_the_worst_first_and_turns_round() -> None:
    """Names decide between equals, in the same direction either way."""
    assert names(Choice()) == ["payments", "mails", "open-data", "search"]
    assert names(Choice(backwards=True)) == ["open-data", "search", "mails", "payments"]
    by_failures = Choice().sorted_by("failed")
    assert names(by_failures)[:2] == ["mails", "payments"]
    assert by_failures.sorted_by("failed").backwards
    assert names(Choice(order="circuit", backwards=True)) == ["search", "payments", "open-data", "mails"]


@pytest.mark.parametrize("order", ORDERS)
def test_order_takes_whatever_an_answer_holds(order: str) -> None:
    """Fields that are missing or of another kind are sorted to the end and do no harm."""
    odd: list[dict[str, Any]] = [
        {}, {"name": 3, "state": [], "since": "never", "counters": 4, "next_probe": "soon", "services": "x"},
        {"name": "a", "since": NOW.isoformat(), "next_probe": float("nan"), "counters": {"failures": "many"}},
    ]  # fmt: skip
    assert len(Choice(order=order).of(odd)) == 3


def test_marks_know_every_state_and_tell_them_apart_without_colour() -> None:
    """No two states of one kind share a shape or a word; an unknown one is shown as it is called."""
    for marks, states in ((CIRCUITS, CircuitState), (CONDITIONS, Condition), (INCIDENTS, IncidentState)):
        assert set(marks) == {state.value for state in states}
        assert len({mark.shape for mark in marks.values()}) == len({mark.word for mark in marks.values()}) == len(marks)
    assert mark_of(CIRCUITS, "melted").text == "? melted"


@pytest.mark.parametrize(
    ("left", "passed", "shown"),
    [
        (30.0, 0.0, "in 30 s"),
        (30.0, 0.4, "in 30 s"),
        (30.0, 1.0, "in 29 s"),
        (30.0, 29.5, "in 1 s"),
        (30.0, 30.0, "now"),
        (30.0, 99.0, "now"),
        (725.0, 0.0, "in 12 min 05 s"),
        (None, 0.0, "–"),
        ("soon", 0.0, "–"),
        (float("inf"), 0.0, "–"),
    ],
)
def test_countdown_ends_at_now(left: object, passed: float, shown: str) -> None:
    """Whole seconds, never one too few, never below zero."""
    assert wording.countdown(left, passed) == shown


def test_wording_of_numbers_and_moments() -> None:
    """What is no number or moment is a dash."""
    assert wording.count(12_345) == "12,345"
    assert wording.count(True) == wording.share("x") == wording.rate(None) == wording.lasting([]) == "–"
    assert wording.share(0.98765) == "98.77 %"
    assert wording.lasting(0.0001) == "<1 ms"
    assert wording.calls({"successes": 3, "failures": 0, "rejections": 2}) == "3 succeeded, 2 refused"
    assert wording.age((NOW - timedelta(minutes=3)).isoformat(), NOW) == "3 min"
    assert wording.age((NOW + timedelta(minutes=3)).isoformat(), NOW) == "0 s"
    assert wording.age("2026-01-01T00:00:00", NOW) == wording.clock_time("0001-01-01") == "–"


def test_contact_says_since_when_nobody_answers() -> None:
    """Stale from the first question that fails, or once an answer takes too long; fresh with the next answer."""
    contact = Contact(1.0, 100.0)
    assert contact.stale_since(102.0) is None
    assert contact.stale_since(104.0) == "nothing to show since 4 s: no answer yet"
    contact.heard(104.0)
    assert contact.stale_since(106.9) is None
    assert contact.stale_since(108.0) == "stale since 4 s: no answer yet"
    contact.failed(UnreachableError("it cannot be reached"))
    assert contact.stale_since(105.0) == "stale since 1 s: it cannot be reached [unreachable]"
    contact.heard(110.0)
    assert contact.stale_since(110.0) is None


def test_access_offers_what_the_session_may_do() -> None:
    """All services of a circuit have to be in the scope; what belongs to none needs the scope of everything."""
    told = access_of(
        {
            "identity": {"id": "tok_1", "kind": "token", "name": "on-call"},
            "permissions": {"circuits.operate": ["orders", "shop"], "recovery.start": ["*"]},
        }
    )
    assert told.who == "on-call"
    assert told.may("circuits.operate", ["orders"])
    assert not told.may("circuits.operate", ["orders", "billing"])
    assert not told.may("circuits.operate")
    assert told.may("recovery.start")
    assert not told.may("recovery.approve", ["orders"])
    assert Access().may("recovery.approve")
    assert access_of({"identity": None, "permissions": None}) == Access()
    assert access_of({"signed_in": False, "identity": None, "permissions": {}}) == Access()


def test_access_that_nobody_tells_of_means_that_everything_may_be_tried(plane: ScriptedPlane) -> None:
    """An older control plane has no such route; any other refusal is one."""
    client = Client(Target(url=plane.url))
    assert ask_access(client) == Access()
    plane.on("GET", "/session", problem(401, "unauthenticated"))
    with pytest.raises(ProblemError):
        ask_access(client)


def test_order_is_asked_about_twice_only_when_the_control_plane_wants_it(plane: ScriptedPlane) -> None:
    """The second request says that it is a confirmation."""
    question = {"id": "apr_1", "target": "web", "digest": "0" * 64, "plan": {"strategy": "wait", "actions": ["look"]}}
    order = orders.approve(question)
    assert "wait (look)" in order.consequence
    plane.on("POST", "/approvals/apr_1/decide", problem(409, "confirmation_needed"), Reply(body={}))
    client = Client(Target(url=plane.url))
    with pytest.raises(ProblemError) as refused:
        order.send(client, None)
    second = order.again(refused.value)
    assert second is not None
    assert second.consequence != order.consequence
    assert second.send(client, "looks right") == "The plan for web is approved."
    assert plane.asked[-1].body == {
        "decision": "approve", "digest": "0" * 64, "confirm": True, "reason": "looks right"
    }  # fmt: skip
    assert second.again(refused.value) is None
    assert orders.close("a").again(refused.value) is None


def test_order_that_is_journalled_says_so(plane: ScriptedPlane) -> None:
    """The database is down, the order holds."""
    plane.on("POST", "/circuit-breakers/a%2Fb/isolate", Reply(body={"journalled": True}))
    assert "imported later" in orders.isolate("a/b").send(Client(Target(url=plane.url)), "why")


@pytest.mark.asyncio
async def test_asking_is_bounded_and_given_up_without_waiting() -> None:
    """Of more questions than may wait the last one is put when another has ended, also one that was given up."""
    asking, release, running = Asking(), threading.Event(), []

    def question() -> str:
        running.append(1)
        release.wait(20.0)
        return "answer"

    given_up = [asyncio.create_task(asking.run(question)) for _ in range(LIMIT)]
    last = asyncio.create_task(asking.run(lambda: "last"))
    async with asyncio.timeout(20.0):
        while len(running) < LIMIT:
            await asyncio.sleep(0)
        for task in given_up:
            task.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        assert not last.done()
        release.set()
        assert await last == "last"


@pytest.mark.asyncio
async def test_asking_raises_what_the_question_raises() -> None:
    """Errors come back to whoever asks."""

    def question() -> None:
        raise UnreachableError("away")

    with pytest.raises(UnreachableError):
        await Asking().run(question)


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_dashboard_without_a_terminal_points_elsewhere(cli: Run, form: tuple[str, ...]) -> None:
    """A script gets a plain error, and the commands that are made for it."""
    done = cli(*form, "dashboard")
    assert (done.code, done.out) == (2, "")
    assert "scrollintel status" in done.err
    assert "watch --once" in done.err
