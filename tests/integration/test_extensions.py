"""Checks and strategies of a program's own: a file beside the settings brings both, and they find and repair."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scrollintel.actions import kinds as actions
from scrollintel.composition import automation
from scrollintel.core.errors import ConfigError
from scrollintel.extensions import (
    Bad,
    Depth,
    Look,
    OutboundPolicy,
    ProbeContext,
    Target,
    Traits,
    check,
    register_strategy,
    strategy,
)
from scrollintel.recovery.target import Check
from scrollintel.settings import Settings, load
from scrollintel.watch import kinds as watch

from .test_automation import incident, watching

PLUGIN = '''
from dataclasses import dataclass, field
from pathlib import Path

from scrollintel.extensions import Bad, Config, TargetStrategy, Traits, check, integer, name, strategy


@dataclass(frozen=True, slots=True)
class QueueOptions(Config):
    file: str = field(metadata=name())
    most: int = field(default=10, metadata=integer(minimum=1, unit="lines"))


@check("queue-length", options=QueueOptions, depth="alive")
def queue_length(target, options):
    """Counts what waits."""
    waiting = len(Path(options.file).read_text().splitlines())
    if waiting > options.most:
        raise Bad("stalled", f"{waiting} wait")
    return f"{waiting} wait"


@strategy("empty-queue", options=QueueOptions, traits=Traits())
class EmptyQueue(TargetStrategy):
    """Empties the queue."""

    def __init__(self, context, options):
        super().__init__(context)
        self.options = options

    def plan(self, observation):
        return self.planned((f"empty {self.options.file}",), observation)

    def act(self, plan):
        Path(self.options.file).write_text("")
'''
FILE = """
[recovery]
plugins = ["own.py"]

[[services]]
name = "queue"
mode = "recover"

[[services.checks]]
name = "length"
kind = "queue-length"
interval = 0.1
file = "{file}"

[services.strategies]
stalled = [{{ kind = "empty-queue", file = "{file}"{more} }}]
"""
Load = Callable[..., Settings]


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """Kinds that a test brings end with it."""
    checks, strategies = dict(watch.check_kinds()), dict(actions.strategy_kinds())
    yield
    for kept, now in ((checks, watch._KINDS), (strategies, actions._KINDS)):
        now.clear()  # type: ignore[attr-defined]  # a dictionary
        now.update(kept)  # type: ignore[attr-defined]


@pytest.fixture
def declared(tmp_path: Path) -> Load:
    """Write the settings file and its plugin, and load them."""

    def write(more: str = "", *, plugin: str = PLUGIN, file: str = FILE) -> Settings:
        (tmp_path / "own.py").write_text(plugin)
        (tmp_path / "scrollintel.toml").write_text(file.format(file=tmp_path / "queue", more=more))
        return load(environment={"HOME": str(tmp_path)}, directory=tmp_path)

    return write


@pytest.mark.asyncio
async def test_own_check_finds_and_own_strategy_repairs(tmp_path: Path, declared: Load) -> None:
    """The chain says that nobody has to agree."""
    (tmp_path / "queue").write_text("")
    (target,) = automation(declared(", approval = false")).targets
    async with watching(tmp_path / "data", target) as (client, _):
        (tmp_path / "queue").write_text("work\n" * 11)
        story = await incident(client, "watched")
        assert (story["failure_type"], story["recoveries"][0]["strategy"]) == ("stalled", "empty-queue")
        assert (tmp_path / "queue").read_text() == ""
        shown = {item["name"]: item for item in (await client.get("/strategies")).json()["items"]}
        assert shown["empty-queue"]["description"] == "Empties the queue."


@pytest.mark.asyncio
async def test_own_strategy_asks_unless_its_chain_says_otherwise(tmp_path: Path, declared: Load) -> None:
    """Nothing is known about what does not ship."""
    (tmp_path / "queue").write_text("")
    (target,) = automation(declared()).targets
    async with watching(tmp_path / "data", target) as (client, _):
        (tmp_path / "queue").write_text("work\n" * 11)
        async with asyncio.timeout(10.0):
            while not (asked := (await client.get("/approvals")).json()["items"]):
                await asyncio.sleep(0.02)
        assert "does not ship" in asked[0]["why"]
        assert (tmp_path / "queue").read_text() != ""


def test_mistakes_in_their_options_are_named_like_any_other(declared: Load) -> None:
    """By the field, the value and what is allowed."""
    with pytest.raises(ConfigError, match=r"most.*whole number of at least 1"):
        declared(", most = 0")


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        ("import nothing_of_that_name", "No module named 'nothing_of_that_name'"),
        ("def (", "SyntaxError"),
        ("raise ValueError('password=hunter2')", "ValueError"),
        (PLUGIN.replace("def act", "def other"), "a class with act"),
    ],
)
def test_module_that_cannot_be_imported_is_a_mistake_of_the_settings(declared: Load, plugin: str, said: str) -> None:
    """Nothing is half-applied, and what an unknown error says is not repeated."""
    with pytest.raises(ConfigError) as caught:
        declared(plugin=plugin)
    assert "recovery.plugins" in str(caught.value)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_program_cannot_vouch_for_itself() -> None:
    """Whatever its traits say, a person has to agree."""
    kind = actions.strategy_kinds()["notify"]
    register_strategy(kind)
    assert not actions.strategy_kinds()["notify"].traits.known
    assert kind.traits.known


def looked(name: str, **changes: object) -> Callable[[], Look]:
    """Return what looks once by the check of that name."""
    declared = Check(name="own", kind=name, depth=Depth.READY, **{"timeout": 1.0, **changes})  # type: ignore[arg-type]
    target = Target(name="one", service="one", checks=(declared,))
    context = ProbeContext(OutboundPolicy(), lambda _: None)
    kind = watch.check_kinds()[name]
    probe = kind.build(target, declared, kind.options(), context)
    return lambda: asyncio.run(probe.look())


def test_function_says_what_it_found() -> None:
    """A text, nothing, True, False, an error."""
    answers: list[object] = ["3 wait", None, True, False, Bad("slow", "too slow"), KeyError("secret")]

    @check("own-answers")
    def own(target: Target) -> str | bool | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert not isinstance(answer, int) or isinstance(answer, bool)
        return answer  # type: ignore[return-value]  # what is left

    look = looked("own-answers")
    found = [look() for _ in range(6)]
    assert [(item.good, item.failure_type, item.detail) for item in found] == [
        (True, None, "own: 3 wait"),
        (True, None, "own: as expected"),
        (True, None, "own: as expected"),
        (False, "not_ready", "own: not as expected"),
        (False, "slow", "own: too slow"),
        (False, "not_ready", "own: KeyError"),
    ]


def test_coroutine_function_looks_on_the_loop() -> None:
    """It may wait, and its timeout holds."""

    @check("own-coroutine")
    async def own(target: Target) -> str:
        await asyncio.sleep(30.0)
        return "never"

    assert looked("own-coroutine", timeout=0.05)().detail == "own: no answer within 0.05 s"


def test_function_that_hangs_holds_up_one_thread_and_no_more() -> None:
    """The next looks are bad until it returns."""
    go_on, calls = threading.Event(), []

    @check("own-hanging")
    def own(target: Target) -> None:
        calls.append(target.name)
        go_on.wait(30.0)

    look = looked("own-hanging", timeout=0.05)
    assert "no answer" in look().detail
    assert "has not ended" in look().detail
    assert calls == ["one"]
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "scrollintel check own":
            thread.join(5.0)
    assert look().good


@pytest.mark.parametrize(("name", "depth"), [("", "ready"), ("a\nb", "ready"), ("own", "deepest")])
def test_name_and_depth_are_checked_when_it_is_written(name: str, depth: str) -> None:
    """Not when it first looks."""
    with pytest.raises(ConfigError):
        check(name, depth=depth)
    if depth == "ready":
        with pytest.raises(ConfigError):
            strategy(name, traits=Traits())
