"""The reference of the command line, as the commands themselves say: `python -m docs.command_line` writes it anew.

What is made stands in `docs/reference/command-line.md` between `<!-- made: NAME -->` and `<!-- end of made -->`; the
rest of the page is written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from scrollintel.cli import exit_codes, variables
from scrollintel.cli.program import build

PAGE = Path(__file__).parent / "reference" / "command-line.md"
BLOCK = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end of made -->)", re.DOTALL)


def commands(group: click.Group | None = None, name: str = "scrollintel") -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, with its full name, in the order of the help."""
    group = build() if group is None else group
    context = click.Context(group)
    for part in group.list_commands(context):
        command = group.get_command(context, part)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {part}")
        else:
            yield f"{name} {part}", command


def renewed(text: str) -> str:
    """Return the page with its parts as the commands have them."""
    return BLOCK.sub(lambda match: match.group(1) + _PARTS[match.group(2)]() + match.group(3), text)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _options(command: click.Command) -> list[tuple[str, ...]]:
    context = click.Context(command)
    found: list[tuple[str, ...]] = []
    for parameter in command.params:
        if not isinstance(parameter, click.Option):
            continue
        record = parameter.get_help_record(context)  # None for what is hidden
        if record is not None:
            found.append((f"`{record[0]}`", record[1]))
    return found


def _global() -> str:
    return _table(("Option", "Does"), _options(build()))


def _codes() -> str:
    rows: list[tuple[str, ...]] = [
        (str(code.value), code.name.lower(), text) for code, text in exit_codes.MEANINGS.items()
    ]
    return _table(("Code", "Name", "Means"), rows)


def _variables() -> str:
    return _table(("Variable", "Means"), [(f"`{name}`", text) for name, text in variables.MEANINGS.items()])


def _commands() -> str:
    found, group = [], ""
    for name, command in commands():
        first, *rest = name.split()[1:]
        if rest and first != group:
            heading = build().get_command(click.Context(build()), first)
            assert heading is not None
            found.append(f"### {first}\n\n{heading.help}\n\n")
        group = first
        found.append(f"{'####' if rest else '###'} {' '.join((first, *rest))}\n\n{_described(name, command)}")
    return "".join(found)


def _described(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    text = (command.help or "").replace("\b\n", "").strip()
    paragraphs = [" ".join(lines.split()) if "\n" in lines else lines for lines in text.split("\n\n")]
    described = f"`{name} {usage}`\n\n" + "\n\n".join(paragraphs) + "\n\n"
    options = _options(command)
    return described + (_table(("Option", "Does"), options) + "\n" if options else "")


_PARTS: dict[str, Callable[[], str]] = {
    "options": _global,
    "codes": _codes,
    "variables": _variables,
    "commands": _commands,
}


def main() -> int:
    """Write the page anew when it has changed."""
    text = PAGE.read_text(encoding="utf-8")
    new = renewed(text)
    if new != text:
        PAGE.write_text(new, encoding="utf-8")
        sys.stdout.write(f"{PAGE.name}: written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
