"""`scrollintel dashboard`: overview, circuits and incidents in the terminal."""

from __future__ import annotations

import os
import sys

import click

from ..exit_codes import ExitCode
from ..problems import CommandError
from ..program import Command
from ..session import Session

INTERVAL = 1.0
"""Seconds between two questions."""
TIMEOUT = 5.0
"""Seconds that an answer may take, unless --timeout says otherwise."""
_INSTEAD = "`scrollintel status` prints one screen, `scrollintel watch --once` one picture of targets and incidents"


@click.command(cls=Command)
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 60.0),
    default=INTERVAL,
    show_default=True,
    help="Seconds between two questions to the control plane.",
)
@click.option("--light", is_flag=True, help="Begin with the light theme; the key t turns it.")
@click.pass_obj
def dashboard(session: Session, interval: float, light: bool) -> None:
    """Show overview, circuits and incidents live in the terminal, and steer them.

    The keys stand in the last line, `?` explains all of them, `q` quits.
    """
    if session.json:
        raise CommandError("the dashboard is for people and has no JSON", ExitCode.USAGE, "no_terminal", _INSTEAD)
    from ..terminal.app import Dashboard

    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "dumb") == "dumb":
        raise CommandError("the dashboard needs a terminal", ExitCode.USAGE, "no_terminal", _INSTEAD)
    client = session.client(timeout=TIMEOUT)
    Dashboard(client, interval=interval, light=light, no_color=session.no_color).run()
