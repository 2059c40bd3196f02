"""The dashboard of the terminal with a real control plane, real circuits and real tokens."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scrollintel import CircuitBreakerConfig, FaultToleranceManager, Policy, connect
from scrollintel.core.fault_tolerance import CircuitIsolatedError, Pipeline
from scrollintel.testing import ManualClock

from ..servers.program import Program
from ..unit.cli.rig import Reply, ScriptedPlane
from .terminal_rig import COLOUR, PATIENCE, REPORTS, on_a_terminal, terminal

WAIT = 60.0
"""Seconds that an open circuit waits for its probe: longer than any test takes."""


@dataclass
class Shop:
    """A control plane with tokens, and an application that has joined it."""

    program: Program
    manager: FaultToleranceManager

    def token(self, *roles: str) -> str:
        """Return a token with these roles for the service of the application."""
        with self.program.client() as admin:
            body = {"name": "-".join(roles), "bindings": [{"role": role, "services": ["orders"]} for role in roles]}
            made = admin.post("/tokens", json=body)
            assert made.status_code == 201, made.text
            text: str = made.json()["token"]
            return text

    def circuit(self, name: str, **fields: Any) -> Pipeline:
        """Return a protected operation whose circuit opens with its first failure."""
        config = CircuitBreakerConfig(name, **{"failure_threshold": 1, "recovery_timeout": WAIT, **fields})
        return self.manager.registry.pipeline(Policy(name, breaker=config))


def works() -> str:
    """Succeed."""
    return "done"


def breaks(circuit: Pipeline) -> None:
    """Make one call fail."""

    def call() -> None:
        raise ConnectionError("nobody there")

    with pytest.raises(ConnectionError):
        circuit.call(call)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Return a control plane with access control, and an application."""
    folder = tmp_path_factory.mktemp("shop")
    manager = FaultToleranceManager()
    with Program(folder / "plane", {"access": {"enabled": True}}) as program:
        shop = Shop(program, manager)
        token = shop.token("replica")
        connection = connect(program.url, token=token, service="orders", manager=manager, cache_dir=folder / "cache")
        yield shop
        connection.close()


@pytest.mark.asyncio
async def test_circuit_is_seen_to_open_and_its_countdown_ticks(shop: Shop) -> None:
    """The table shows it by shape and word; opened, it tells why, and the wait gets shorter with the clock alone."""
    circuit, clock = shop.circuit("cards"), ManualClock()
    circuit.call(works)
    async with terminal(shop.program.url, shop.token("viewer"), size=(100, 30), clock=clock.monotonic) as shown:
        await shown.press("2")
        await shown.sees("cards", "● closed")
        breaks(circuit)
        await shown.sees("✖ open", "in 5")
        await shown.press("slash")
        await shown.write("cards")
        await shown.press("enter", "enter")
        await shown.sees("next probe", "ConnectionError", "● closed", "→ ✖ open")
        REPORTS.mkdir(exist_ok=True)
        shown.app.save_screenshot("terminal-dashboard.svg", str(REPORTS))
        shown.app.workers.cancel_group(shown.app, "looking")  # nobody asks any more: the clock alone
        before = seconds_left(shown.text)
        clock.advance(10.0)
        await shown.until(lambda text: seconds_left(text) == before - 10)
        clock.advance(WAIT)
        await shown.until(lambda text: "next probe      now" in text)


def seconds_left(text: str) -> int:
    """Return the seconds to the next probe that stand on the screen."""
    found = re.search(r"next probe +in (?:(\d+) min )?(\d+) s", text)
    assert found is not None, text
    return 60 * int(found[1] or 0) + int(found[2])


@pytest.mark.asyncio
async def test_isolate_is_confirmed_and_carried_out_everywhere(shop: Shop) -> None:
    """The consequence is named, a reason is needed, and the application refuses calls before the screen says so."""
    circuit = shop.circuit("stock")
    circuit.call(works)
    async with terminal(shop.program.url, shop.token("operator")) as shown:
        await shown.press("2")
        await shown.sees("stock")
        await shown.press("slash")
        await shown.write("stock")
        await shown.press("enter")
        await shown.sees("1 of ", "filter: stock")
        await shown.press("enter")
        await shown.sees("Calls pass", "Isolate")
        await shown.press("i")
        await shown.sees("Every call of stock is refused on all replicas", "Do nothing")
        await shown.press("enter")
        await shown.sees("A reason is needed.")
        assert circuit.call(works) == "done"
        await shown.write("audit")
        await shown.press("enter", "enter")
        await shown.sees("Circuit stock is held open on all replicas.")
        await shown.sees("■ isolated", "audit")
        with pytest.raises(CircuitIsolatedError):
            circuit.call(works)
        await shown.press("c")
        await shown.sees("so that calls reach what")
        await shown.press("escape")
        await shown.sees("Nothing was done.", "■ isolated")
        await shown.press("r")
        await shown.sees("its counts and history are")
        await shown.press("enter", "enter")
        await shown.sees("Circuit stock is reset on all replicas.", "● closed")
        assert circuit.call(works) == "done"


@pytest.mark.asyncio
async def test_refusal_by_the_control_plane_is_shown_plainly(shop: Shop) -> None:
    """Whose circuit becomes that of others while they decide is told so in words, and nothing has happened."""
    circuit = shop.circuit("mails")
    circuit.call(works)
    async with terminal(shop.program.url, shop.token("operator")) as shown:
        await shown.press("2", "slash")
        await shown.write("mails")
        await shown.sees("● closed", "1 of ")
        await shown.press("enter", "enter")
        await shown.sees("Calls pass", "Isolate")
        await shown.press("i")
        await shown.sees("refused on all replicas")
        with shop.program.client() as admin:
            body = {"configuration": {"name": "mails"}, "service": "billing"}
            admin.post("/circuit-breakers", json=body).raise_for_status()
        await shown.write("test")
        await shown.press("enter", "enter")
        await shown.sees("You may not do this", "circuits.operate")
        assert circuit.call(works) == "done"


@pytest.mark.asyncio
async def test_token_that_is_not_valid_is_told(shop: Shop) -> None:
    """The first line says what is wrong instead of showing nothing."""
    async with terminal(shop.program.url, "sit_wrong") as shown:
        await shown.sees("nothing to show", "token")


@pytest.mark.asyncio
async def test_server_that_goes_away_makes_the_screen_stale_until_it_is_back(tmp_path: Path) -> None:
    """What was known stays on the screen, with its age; the next life of the server takes over by itself."""
    with Program(tmp_path / "plane") as program:
        url, port = program.url, int(program.url.rpartition(":")[2])
        with program.client() as admin:
            assert admin.post("/circuit-breakers", json={"configuration": {"name": "kept"}}).status_code == 201
        async with terminal(url) as shown:
            await shown.press("2")
            await shown.sees("● live", "kept")
            program.kill()
            await shown.sees("✖ stale since", "cannot be reached", "kept")
            with Program(tmp_path / "plane", {"server": {"port": port}}):
                await shown.sees("● live", "kept", without="stale")


@pytest.mark.asyncio
async def test_quitting_does_not_wait_for_a_server_that_hangs() -> None:
    """A question that is not answered is given up with the screen, long before its timeout."""
    with ScriptedPlane() as plane:
        plane.otherwise = Reply(hang=True)
        async with asyncio.timeout(PATIENCE), terminal(plane.url, timeout=60.0) as shown:
            await shown.sees("connecting")
            async with asyncio.timeout(PATIENCE):
                while not plane.asked:
                    await asyncio.sleep(0.01)
            await shown.press("q")
        plane.closing.set()


ASKING = """
[[services]]
name = "web"
mode = "recover"

[[services.checks]]
name = "flag"
kind = "command"
depth = "alive"
interval = 0.2
options = {{ command = ["/usr/bin/test", "-e", "{flag}"] }}

[services.strategies]
default = [{{ kind = "wait", approval = true }}]
"""
"""A target that is well while its flag is there, and for whose repair a person is asked."""


@pytest.mark.asyncio
async def test_incident_is_acknowledged_approved_and_seen_to_end(tmp_path: Path) -> None:
    """The overview has it, its plan is shown, and as nobody is told apart here a second confirmation is needed."""
    flag = tmp_path / "flag"
    flag.touch()
    with Program(tmp_path / "plane", more=ASKING.format(flag=flag)) as program:
        async with terminal(program.url, size=(100, 40)) as shown:
            await shown.sees("● 1 healthy", "No open incidents.", "● watching")
            flag.unlink()
            await shown.sees("Open incidents (1)", "SEV", "? waiting", "a person has to agree")
            await shown.press("3")
            await shown.sees("1 open incident", "1 plan waits for a person")
            await shown.press("enter")
            await shown.sees("? A plan waits for a person", "Timeline", "detected", "Acknowledge", "Approve")
            await shown.press("a")
            await shown.sees("Everybody sees that you look after web")
            await shown.press("enter", "enter")
            await shown.sees("The incident of web is acknowledged.", without="Acknowledge")
            await shown.press("y")
            await shown.sees("This plan is carried out on web: wait")
            await shown.write("known")
            await shown.press("enter", "enter")
            await shown.sees("you stand in for a second person")
            await shown.write("sure")
            await shown.press("enter", "enter")
            await shown.sees("The plan for web is approved.", without="Approve")
            flag.touch()
            await shown.until(lambda text: "◎ watched" in text or "● resolved" in text)
            await shown.press("x")
            await shown.sees("Nothing more is done about web")
            await shown.write("done")
            await shown.press("enter", "enter")
            await shown.sees("The incident of web is cancelled.", "○ cancelled", without="Cancel  ")
            await shown.press("1")
            await shown.sees("No open incidents.", "● 1 healthy")


@pytest.mark.asyncio
async def test_viewer_is_not_offered_what_an_operator_may_do() -> None:
    """Where the control plane tells that it would refuse an order, its keys are neither shown nor heard."""
    identity = {"id": "tok_1", "kind": "token", "name": "on-call"}
    session: dict[str, Any] = {"identity": identity, "permissions": {"circuits.operate": ["orders"]}}
    item: dict[str, Any] = {
        "name": "cards",
        "state": "closed",
        "services": ["orders"],
        "on_replicas": [{"service": "orders"}],
    }
    with ScriptedPlane() as plane:
        plane.on("GET", "/circuit-breakers", Reply(body={"items": [item], "next_cursor": None}))
        plane.on("GET", "/session", Reply(body=session))
        for offered in (True, False):
            plane.on("GET", "/circuit-breakers/cards", Reply(body={**item, "operable": offered}))
            async with terminal(plane.url) as shown:
                await shown.press("2")
                await shown.sees("cards", "as on-call")
                await shown.press("enter")
                await shown.sees("response times")
                assert ("Isolate" in shown.keys) is offered
                await shown.press("i")
                await shown.sees("is refused on all replicas" if offered else "response times")
                assert ("Do nothing" in shown.text) is offered


@pytest.mark.asyncio
async def test_answers_of_another_shape_and_names_that_look_like_markup_do_no_harm() -> None:
    """Whatever comes is shown as text or left out; the dashboard goes on."""
    nasty = "[bold red]x[/] [link=file:///]y \x1b[2J\n{z}"
    odd: list[Any] = [
        {}, {"items": [3, None, {}, {"name": 4, "state": [], "counters": "x", "since": 1, "services": 5}]},
        {"sentence": nasty, "circuits": {"open": "many", nasty: 1}, "refusing": [nasty, 3],
         "incidents": [{"id": nasty}]},
        {"items": [{"name": nasty, "id": nasty, "target": nasty, "state": nasty, "detail": nasty, "next_probe": "x"}]},
        {"name": nasty, "state": nasty, "why": nasty, "services": "x", "on_replicas": [{"key": nasty, "age": "x"}],
         "transitions": [{"at": "9999-12-31T23:59:59-12:00", "evidence": {
             "calls": [{"outcome": nasty, "error": nasty}, 3, {"error": [nasty]}], "failures": nasty}}],
         "configured": {"configuration": {nasty: nasty}},
         "counters": {nasty: 1}, "response_times": [], "timeline": [{"kind": nasty}], "recoveries": [nasty, {}]},
    ]  # fmt: skip
    with ScriptedPlane() as plane:
        async with terminal(plane.url, interval=0.05) as shown:
            for body in odd:
                plane.otherwise = Reply(body=body)
                for keys in (
                    ("1",),
                    ("2",),
                    ("enter",),
                    ("escape",),
                    ("3",),
                    ("enter",),
                    ("a",),
                    ("escape",),
                    ("question_mark",),
                ):
                    before = len(plane.asked)
                    await shown.press(*keys)
                    async with asyncio.timeout(PATIENCE):
                        while len(plane.asked) < before + 2:
                            await asyncio.sleep(0.01)
                await shown.press("escape", "escape")
            plane.otherwise = Reply(body=b"<html>")
            await shown.sees("stale since", "not JSON")
            plane.otherwise = Reply(body={})
            await shown.sees("● live")


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_screen_fits_and_tells_states_apart_without_colours(size: tuple[int, int]) -> None:
    """Each state has a shape and a word, and the last line names the keys at any size."""
    listed = [{"name": f"circuit-{state}", "state": state, "services": []} for state in ("closed", "open", "half_open")]
    with ScriptedPlane() as plane:
        plane.on("GET", "/circuit-breakers", Reply(body={"items": listed, "next_cursor": None}))
        async with terminal(plane.url, size=size, no_color=True) as shown:
            await shown.press("2")
            text = await shown.sees("● closed", "✖ open", "◐ half open", "3 of 3 circuits")
            assert max(map(len, text.splitlines())) <= size[0]
            assert all(word in shown.keys for word in ("Open", "Filter", "Sort", "Help", "Quit"))
            await shown.press("question_mark")
            await shown.sees("isolate, close, reset")
            await shown.press("end")
            await shown.sees("metrics only", "quarantined", "escalated")
            await shown.press("q")
            await shown.sees("3 of 3 circuits", without="metrics only")


@pytest.mark.parametrize(("arguments", "variables"), [(["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {})])
def test_command_runs_on_a_real_terminal_and_leaves_it(arguments: list[str], variables: dict[str, str]) -> None:
    """It shows the control plane, sends no colour when it is told so, and `q` ends it with 0."""
    with ScriptedPlane() as plane:
        acts = ["detector of payments sheds 40 %", "pool search has 2 of 8 hosts out"]
        summary = {"sentence": "All is well.", "circuits": {"open": 1, "closed": 2}, "capacity": acts}
        plane.on("GET", "/health/summary", Reply(body=summary))
        command = ["--url", plane.url, "dashboard", *arguments]
        code, written = on_a_terminal(command, variables, until="1 open", typed="q")
    assert code == 0, written
    assert "All is well." in written
    assert all(text in written for text in ("capacity", *acts))
    assert bool(COLOUR.findall(written)) is not bool(arguments or variables)
