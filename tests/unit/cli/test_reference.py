"""The reference of the command line says what the commands say, and its examples are commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from docs import command_line

from .rig import Run
from .tree import leaves

PAGE = command_line.PAGE.read_text("utf-8")
DOCS = Path(command_line.__file__).parent
CONSOLE = re.compile(r"^```(?:console|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> list[str]:
    """Return every call of `scrollintel` in the consoles of the documentation and of the README."""
    found: dict[str, None] = {}
    for page in (*sorted(DOCS.rglob("*.md")), DOCS.parent / "README.md"):
        for block in CONSOLE.findall(page.read_text("utf-8")):
            for call in re.findall(
                r"(?:^(?:\$ )?|\$\()scrollintel (.*?)(?:\)$|\)\s+#|\s+#|\s[|>&]|$)", block, re.MULTILINE
            ):
                found[call.strip()] = None
    return list(found)


def test_reference_is_up_to_date() -> None:
    """`python -m docs.command_line` would change nothing."""
    assert command_line.renewed(PAGE) == PAGE


def test_reference_holds_every_command() -> None:
    """None is forgotten."""
    assert {name.removeprefix("scrollintel ") for name, _ in command_line.commands()} == set(leaves())
    for name in leaves():
        assert re.search(rf"^#+ {re.escape(name)}$", PAGE, re.MULTILINE), name


def test_reference_examples_are_found() -> None:
    """The expression that looks for them sees pipes, redirections and remarks for what they are."""
    found = examples()
    assert "--json circuits list --state open" in found
    assert "tokens create robot --role viewer" in found
    assert "completion bash" in found
    assert len(found) > 25


@pytest.mark.parametrize("example", examples())
def test_reference_example_is_a_command(cli: Run, example: str) -> None:
    """Commands and options exist; nothing is run."""
    done = cli(*shlex.split(example), "--help")
    assert done.code == 0, done.err
    assert done.out.startswith("Usage: scrollintel")
