"""`scrollintel serve`."""

from __future__ import annotations

import errno
import importlib

import click

from ..listening import Obstacle, obstacle
from ..problems import CommandError
from ..program import Command
from ..session import Session


@click.command(cls=Command)
@click.option("--host", help="Address to listen on; default 127.0.0.1.")
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="NUMBER", help="TCP port, 0 for any free one; default 8400."
)
@click.option("--data", metavar="FOLDER", help="Folder for database, keys and admin socket.")
@click.option("--database", metavar="URL", help="sqlite:///FILE or postgresql://HOST/DATABASE.")
@click.option("--tls-certificate", metavar="FILE", help="Certificate chain in PEM form; with --tls-key.")
@click.option("--tls-key", metavar="FILE", help="Its private key in PEM form.")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="What the log looks like; default text.")
@click.pass_obj
def serve(
    session: Session,
    host: str | None,
    port: int | None,
    data: str | None,
    database: str | None,
    tls_certificate: str | None,
    tls_key: str | None,
    log_format: str | None,
) -> None:
    """Run the control plane until SIGINT or SIGTERM; without any settings it serves this machine alone."""
    given = {
        "server.host": host,
        "server.port": port,
        "data.directory": data,
        "database.url": database,
        "server.tls_certificate": tls_certificate,
        "server.tls_key": tls_key,
        "logging.format": log_format,
        "logging.level": "debug" if session.verbose else None,
    }
    settings = session.settings({key: value for key, value in given.items() if value is not None})
    application = importlib.import_module("scrollintel.app")
    try:
        application.serve(settings)
    except OSError as error:
        found = obstacle(settings.server.host, settings.server.port)
        if found is None and error.errno == errno.EADDRINUSE:  # then it is the admin socket
            todo = "talk to that one, or choose another folder: scrollintel serve --data FOLDER"
            found = Obstacle(f"another control plane runs with the data directory {settings.directory}", todo)
        if error.filename or found is None:
            raise
        raise CommandError(found.found, code="cannot_listen", hint=found.todo) from error
