"""`scrollintel init`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from ...settings.discovery import compose_services, listeners, running_units
from ...settings.example import example
from ..exit_codes import ExitCode
from ..problems import CommandError
from ..program import Command
from ..session import Session


@click.command(cls=Command)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("scrollintel.toml"),
    show_default=True,
    help="File to write.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.pass_obj
def init(session: Session, output: Path, force: bool) -> None:
    """Write a commented example of the settings from what runs here.

    It holds the TCP ports that are listened on, the systemd units that run, and the services of a compose file in the
    working folder. Everything is watched and nothing is repaired (mode observe).
    """
    try:
        compose_file, compose = compose_services(Path.cwd())
    except ValueError as error:
        raise CommandError(str(error), code="unreadable_file") from None
    found, units = listeners(), running_units()
    _write(output, example(found, units, compose), force=force)
    counted = {"ports": len(found), "units": len(units), "compose_services": len(compose)}
    if session.json:
        session.output.json({"file": str(output), "compose_file": compose_file and str(compose_file), **counted})
        return
    session.output.say(f"{output} is written: " + ", ".join(f"{count} {what}" for what, count in counted.items()) + ".")
    session.output.say(f"Check it with `scrollintel check-config --config {output}`.")


def _write(path: Path, text: str, *, force: bool) -> None:
    """Write a file as a whole; without `force` one that is there stays, even if it has appeared just now."""
    try:
        if not force:
            with path.open("x", encoding="utf-8") as stream:
                stream.write(text)
            return
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.absolute().parent, delete=False) as new:
            new.write(text)
        Path(new.name).chmod(0o644)
        Path(new.name).replace(path)
    except FileExistsError:
        raise CommandError(f"{path} is there already", ExitCode.CONFLICT, "file_exists", "use --force") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror})", code="unwritable_file") from None
