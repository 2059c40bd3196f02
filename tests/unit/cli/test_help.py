"""Every command and option explains itself, and shells can complete them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import get_completion_class

from scrollintel.cli.program import COMMANDS, MEANT, build

from .rig import Run
from .tree import every_command

TREE = dict(every_command())


@pytest.mark.parametrize("name", TREE)
def test_help_of_every_command_shows_every_option(cli: Run, name: str) -> None:
    """--help ends well, fits 80 columns, and each option and the command itself have a sentence."""
    command = TREE[name]
    assert command.help
    assert command.help.rstrip().splitlines()[0].endswith((".", ":")), command.help
    done = cli(*name.split(), "--help")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 80
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert parameter.help.rstrip().endswith((".", ";")), parameter.help
            listed = any(line.lstrip().startswith(tuple(parameter.opts)) for line in done.out.splitlines())
            assert listed is not parameter.hidden
        else:
            assert parameter.make_metavar(click.Context(command)).strip("[]") in done.out


def test_overview_lines_are_those_of_the_commands() -> None:
    """The overview is written without importing a command; it says what the command says of itself."""
    for name, (_, line) in COMMANDS.items():
        help_text = TREE[name].help
        assert help_text is not None
        assert line.endswith(".")
        assert line.split()[:2] == help_text.split()[:2], name


def test_misspelled_command_gets_a_suggestion(cli: Run) -> None:
    """The nearest name is told."""
    done = cli("circuit")
    assert done.code == 2
    assert "circuits" in done.err


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("explain", "Did you mean 'circuits explain'?"),
        ("check", "(Did you mean one of: 'check-config', 'check-policies'?)"),
    ],
)
def test_command_that_is_called_otherwise_in_code_is_suggested(cli: Run, name: str, meant: str) -> None:
    """What is spelt alike does something else; and every suggestion is a command that there is."""
    done = cli(name, "payments")
    assert (done.code, done.err.splitlines()[-1]) == (2, f"Error: No such command '{name}'. {meant}")
    assert cli("--json", name).error["detail"] == f"No such command '{name}'. {meant}"
    assert all(command in TREE for suggested in MEANT.values() for command in suggested)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ([], {"circuits", "db", "version"}),
        (["circuits"], {"list", "dry-run"}),
        (["circuits", "list"], set()),
        (["degradation", "set", "orders"], {"severe"}),
        (["--json", "keys"], {"rotate"}),
    ],
)
def test_completion_offers_commands_and_choices(shell: str, words: list[str], offered: set[str]) -> None:
    """What a shell gets for the beginning of a line."""
    kind = get_completion_class(shell)
    assert kind is not None
    completer = kind(build(), {}, "scrollintel", "_SCROLLINTEL_COMPLETE")
    assert offered <= {item.value for item in completer.get_completions(words, "")}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_asks_the_program(cli: Run, shell: str) -> None:
    """The script is that of click for this program."""
    done = cli("completion", shell)
    assert done.code == 0
    assert f"_SCROLLINTEL_COMPLETE={shell}_complete" in done.out


def test_completion_works_in_a_real_bash(cli: Run, tmp_path: Path) -> None:
    """The script is sourced, and a line is completed as by the tab key."""
    bash = shutil.which("bash")
    assert bash is not None
    program = tmp_path / "bin" / "scrollintel"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m scrollintel "$@"\n')
    program.chmod(0o700)
    root = Path(__file__).parents[3]
    script = cli("completion", "bash").out + (
        "COMP_WORDS=(scrollintel circuits i); COMP_CWORD=2\n"
        '_scrollintel_completion scrollintel; echo "${COMPREPLY[@]}"\n'
    )
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(root)}
    done = subprocess.run([bash, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["isolate"]
