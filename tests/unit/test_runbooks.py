"""Every alert leads to a section of the runbooks that says what to do, and every command named there exists."""

from __future__ import annotations

import re
from pathlib import Path

import click

from scrollintel.cli.program import build
from scrollintel.control.alerts import AlertName, runbook

PAGE = Path(__file__).parents[2] / "docs" / "runbooks.md"
TEXT = PAGE.read_text("utf-8")


def test_runbooks_have_one_section_for_each_alert() -> None:
    """In the order of the alerts, with what it means, how to look, what to do."""
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))
    assert sorted(sections) == sorted(name.heading for name in AlertName)
    for name in AlertName:
        assert runbook(name, None) == f"docs/runbooks.md#{name.heading.lower()}"
        assert [word for word in ("Means", "Look", "Do") if f"**{word}.**" in sections[name.heading]] == [
            "Means", "Look", "Do",
        ]  # fmt: skip


def test_runbooks_name_commands_that_exist() -> None:
    """Each `scrollintel GROUP COMMAND` is one."""
    program = build()
    context = click.Context(program)
    for words in re.findall(r"`scrollintel ([a-z -]+)", TEXT):
        command: click.Command | None = program
        for word in words.split():
            if word.startswith("-") or not isinstance(command, click.Group):
                break
            command = command.get_command(context, word)
            assert command is not None, words
