"""Runs a command and turns whatever goes wrong into a sentence and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from ..core.errors import ConfigError, ScrollIntelError
from .exit_codes import ExitCode
from .problems import CommandError
from .session import Session, config_problem

_EXTRAS = {
    "server": ("alembic", "cryptography", "fastapi", "joserfc", "sqlalchemy", "uvicorn"),
    "postgres": ("psycopg",),
    "cli": ("click", "rich"),
}


def run_program(program: click.Command, arguments: Sequence[str] | None) -> int:
    """Run a command.

    Arguments:
        program: The whole command line.
        arguments: Its arguments; None takes those of the process.
    """
    session = Session()
    try:
        # Not standalone: click returns what the command returns, an exit code or None.
        given = None if arguments is None else list(arguments)
        result = program.main(given, prog_name="scrollintel", standalone_mode=False, obj=session)
        return result if isinstance(result, int) else ExitCode.OK
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        sys.stderr.write("Nothing was done.\n")
        return ExitCode.FAILED
    except KeyboardInterrupt:
        return 130  # what a shell gives for SIGINT
    except BrokenPipeError:
        # Who read the output has gone; the interpreter must not find it out again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except (CommandError, ScrollIntelError, ModuleNotFoundError, OSError) as error:
        known = _known(error)
        session.output.failure(known)
        return known.exit_code


def _known(error: CommandError | ScrollIntelError | ModuleNotFoundError | OSError) -> CommandError:
    if isinstance(error, CommandError):
        return error
    if isinstance(error, ConfigError):
        return config_problem(error)
    if isinstance(error, ScrollIntelError):
        return CommandError(str(error), code=error.code)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return CommandError(f"{place}{(error.strerror or str(error)).lower()}", code="os_error")
    module = (error.name or "").partition(".")[0]
    for extra, modules in _EXTRAS.items():
        if module in modules:
            message = f"this command needs {module}: pip install 'scrollintel[{extra}]'"
            return CommandError(message, code="missing_extra")
    raise error
