"""`scrollintel completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ..program import Command, build
from ..session import Session


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_obj
def completion(session: Session, shell: str) -> None:
    """Print a completion script.

    \b
    bash: into ~/.local/share/bash-completion/completions/scrollintel
    zsh:  into _scrollintel in a folder of $fpath
    fish: into ~/.config/fish/completions/scrollintel.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    script = found(build(), {}, "scrollintel", "_SCROLLINTEL_COMPLETE").source()
    if session.json:
        session.output.json({"shell": shell, "script": script})
    else:
        session.output.raw(script)
