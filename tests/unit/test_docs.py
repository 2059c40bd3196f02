"""The documentation says what is so: its examples run, its tables are the code's, its links lead somewhere."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from docs import tables
from scrollintel import BreakerMode, CircuitBreakerConfig, CircuitState, WindowKind, ft_manager
from scrollintel.core.hub import DEFAULT_HUB
from scrollintel.core.machines.answers import Refusal, Transition
from scrollintel.core.machines.breaker import BreakerMachine
from scrollintel.core.outcome import Verdict

ROOT = Path(__file__).parents[2]
PAGES = sorted(page for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
EXAMPLE = re.compile(r"^```python( continued)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
SOURCE = re.compile(r"`((?:scrollintel|tests|docs|benchmarks|demo)/[\w./-]+)`")


def named(pages: list[Path]) -> list[Any]:
    """Return test parameters called by the path of their page."""
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages]


# ------------------------------------------------------------------ examples


@pytest.fixture
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run in an empty folder, and take back what examples register for the whole process."""
    monkeypatch.chdir(tmp_path)
    ft_manager.clear()
    before = DEFAULT_HUB._subscriptions
    yield
    for subscription in set(DEFAULT_HUB._subscriptions) - set(before):
        subscription.cancel()
    ft_manager.clear()


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("page", named([page for page in PAGES if EXAMPLE.search(page.read_text("utf-8"))]))
def test_docs_examples_run_as_written(page: Path) -> None:
    """Every python block runs, by itself or after the blocks that it continues, and so does every test in it."""
    text = page.read_text("utf-8")
    names: dict[str, Any] = {}
    for block in EXAMPLE.finditer(text):
        if block.group(1) is None:
            names = {"__name__": "example"}
        # The blank lines give an error the line of the page.
        source = "\n" * text.count("\n", 0, block.start(2)) + block.group(2)
        known = set(names)
        exec(compile(source, str(page), "exec", dont_inherit=True), names)
        for name in names.keys() - known:
            if name.startswith("test_"):
                names[name]()


# ------------------------------------------------------------------ tables


@pytest.mark.parametrize("page", named([page for page in PAGES if tables.BLOCK.search(page.read_text("utf-8"))]))
def test_docs_tables_are_those_of_the_code(page: Path) -> None:
    """`python docs/tables.py` would change nothing, and every field has a meaning."""
    text = page.read_text("utf-8")
    assert tables.renewed(text) == text
    for block in tables.BLOCK.finditer(text):
        lines = [tables.cells(line) for line in block.group(0).splitlines() if line.startswith("| ")]
        assert all(all(row) for row in lines), f"an empty cell in the table {block.group(2)}"


# ------------------------------------------------------------------ links


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text("utf-8")), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading).lower()).replace(" ", "-")
        number = 0
        anchor = words
        while anchor in found:
            number += 1
            anchor = f"{words}-{number}"
        found.add(anchor)
    return found


def links(page: Path) -> list[str]:
    """Return the targets of a page's links within the project."""
    found = LINK.findall(FENCED.sub("", page.read_text("utf-8")))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("page", named(PAGES))
def test_docs_links_lead_to_a_file_and_to_a_heading_in_it(page: Path) -> None:
    """A link within the project names a file that exists, and an anchor that its target has."""
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", named(PAGES))
def test_docs_files_that_a_page_names_exist(page: Path) -> None:
    """A path in back-quotes that begins with a folder of the project leads to a file or a folder."""
    missing = [path for path in SOURCE.findall(page.read_text("utf-8")) if not (ROOT / path).exists()]
    assert missing == []


def test_docs_index_leads_to_every_page() -> None:
    """From the map every page can be reached."""
    start = ROOT / "docs" / "index.md"
    reached = {start}
    waiting = deque([start])
    while waiting:
        page = waiting.popleft()
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target not in reached:
                reached.add(target)
                waiting.append(target)
    assert [page for page in PAGES if page.is_relative_to(ROOT / "docs") and page not in reached] == []


# ------------------------------------------------------------------ the states of a circuit

Move = tuple[str, str, str]
ROW = re.compile(r"^\| (\w+) \| (\w+) \| (calls|time|operator|configuration) \|", re.MULTILINE)
BREAKER_PAGE = ROOT / "docs" / "strategies" / "circuit-breaker.md"


def settled(verdict: Verdict, *, slow: bool = False) -> Callable[[BreakerMachine, float], None]:
    """Return a step in which a call passes, if it may, and ends with `verdict`."""

    def step(machine: BreakerMachine, now: float) -> None:
        permit = machine.admit(now)
        machine.transitions = ()  # what time did before the call is the step "time"
        if not isinstance(permit, Refusal):
            machine.settle(permit, verdict, now, slow)

    return step


def hanging(machine: BreakerMachine, now: float) -> None:
    """Admit a call that never returns."""
    machine.admit(now)
    machine.transitions = ()


def mode(wanted: BreakerMode) -> Callable[[BreakerMachine, float], None]:
    """Return a step in which the configuration changes to another mode."""

    def step(machine: BreakerMachine, now: float) -> None:
        machine.reconfigure(config(wanted), now)

    return step


def config(wanted: BreakerMode) -> CircuitBreakerConfig:
    """Return a configuration under which everything happens after one or two steps."""
    return CircuitBreakerConfig(
        "circuit", failure_threshold=1, recovery_timeout=1.0, success_threshold=1, timeout=None, probe_lease=1.0,
        window_kind=WindowKind.COUNT, window=1, minimum_calls=1, slow_call_duration=1.0, mode=wanted,
    )  # fmt: skip


STEPS: list[tuple[str, Callable[[BreakerMachine, float], None]]] = [
    ("calls", settled(Verdict.SUCCESS)),
    ("calls", settled(Verdict.SUCCESS, slow=True)),
    ("calls", settled(Verdict.FAILURE)),
    ("calls", settled(Verdict.IGNORED)),
    ("calls", settled(Verdict.ABANDONED)),
    ("calls", hanging),
    ("time", lambda machine, now: machine.advance(now)),
    ("operator", lambda machine, now: machine.isolate(now, "test")),
    ("operator", lambda machine, now: machine.close(now, "test")),
    *(("configuration", mode(wanted)) for wanted in BreakerMode),
]


def taken(machine: BreakerMachine) -> tuple[Transition, ...]:
    """Return the transitions since they were last forgotten."""
    return machine.transitions


def moves_of_the_machine(steps: int) -> set[Move]:
    """Return every transition, with its cause, that any sequence of so many steps leads to."""
    found: set[Move] = set()
    sequences: list[tuple[int, ...]] = [()]
    while sequences:
        sequence = sequences.pop()
        machine = BreakerMachine(config(BreakerMode.ENABLED), 0.0)
        last: set[Move] = set()
        for position, number in enumerate(sequence):
            cause, step = STEPS[number]
            machine.transitions = ()
            step(machine, float(position))
            last = {(moved.old.name, moved.new.name, cause) for moved in taken(machine) if not moved.would}
        found |= last
        if len(sequence) < steps:
            sequences.extend((*sequence, number) for number in range(len(STEPS)))
    return found


def test_docs_circuit_table_holds_every_transition_of_the_machine() -> None:
    """The table of transitions is what all sequences of four steps lead to, no more and no less."""
    rows = ROW.findall(BREAKER_PAGE.read_text("utf-8"))
    assert len(rows) == len(set(rows))
    assert set(rows) == moves_of_the_machine(4)


def test_docs_circuit_diagram_draws_the_transitions_of_the_table() -> None:
    """The arrows are those of the table; changes of the mode are left to it."""
    drawn = set(re.findall(r"^ +([A-Z_]+) --> ([A-Z_]+):", BREAKER_PAGE.read_text("utf-8"), re.MULTILINE))
    assert drawn == {(old, new) for old, new, cause in moves_of_the_machine(4) if cause != "configuration"}
    assert {state.name for state in CircuitState} == {name for arrow in drawn for name in arrow}


def test_docs_list_every_failure_type_and_every_state_of_an_incident() -> None:
    """Who writes a chain of strategies finds its name, and who reads a state what it means."""
    from scrollintel.control.incidents import IncidentState
    from scrollintel.recovery.symptom import Condition, FailureType

    text = (ROOT / "docs" / "how-to" / "watch-and-recover.md").read_text(encoding="utf-8")
    assert [name for name in (*FailureType, *IncidentState, *Condition) if f"`{name}`" not in text] == []
