"""The options of commands that list."""

from __future__ import annotations

from typing import Any

import click

_OPTIONS = (
    click.option(
        "--limit", type=click.IntRange(1, 1000), metavar="COUNT", default=100, show_default=True, help="Items at most."
    ),
    click.option("--cursor", metavar="TEXT", help="Where to go on, as the list before said."),
)


def paged(command: Any) -> Any:  # Any: what click decorates
    """Give a command the options that choose a page."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
