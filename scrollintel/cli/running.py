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

NAME = "scrollintel"
_EXTRAS = {
    "server": ("alembic", "cryptography", "fastapi", "joserfc", "psutil", "sqlalchemy", "uvicorn", "yaml"),
    "postgres": ("psycopg",),
    "cli": ("click", "rich"),
    "dashboard": ("textual",),
}


def run_program(program: click.Command, arguments: Sequence[str] | None) -> int:
    """Run a command.

    Arguments:
        program: The whole command line.
        arguments: Its arguments; None takes those of the process.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    session = Session()
    try:
        # Not standalone: click returns what the command returns, an exit code or None.
        result = program.main(given, prog_name=NAME, standalone_mode=False, obj=session)
        return result if isinstance(result, int) else ExitCode.OK
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        # What is wrong may stand before --json.
        session.json = session.json or "--json" in given
        if session.json:
            session.output.failure(_misused(error))
        else:
            error.show()
        return error.exit_code
    except click.Abort:
        session.output.failure(CommandError("nothing was done", code="not_confirmed"))
        return ExitCode.FAILED
    except BrokenPipeError:
        # Who read the output has gone; the interpreter must not find it out again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except (CommandError, ScrollIntelError, ModuleNotFoundError, OSError) as error:
        known = _known(error)
        session.output.failure(known)
        return known.exit_code


def _misused(error: click.ClickException) -> CommandError:
    """Return what click says of a command line as an error for programs."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        message = "missing command"
    else:
        message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    hint = None if context is None else f"`{context.command_path} --help`"
    return CommandError(message, ExitCode.USAGE, "usage", hint)


def _known(error: CommandError | ScrollIntelError | ModuleNotFoundError | OSError) -> CommandError:
    if isinstance(error, CommandError):
        return error
    if isinstance(error, ConfigError):
        return config_problem(error)
    if isinstance(error, ScrollIntelError):
        exit_code, hint = _OF_CODE.get(error.code, (ExitCode.FAILED, None))
        return CommandError(str(error), exit_code, error.code, hint)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return CommandError(f"{place}{(error.strerror or str(error)).lower()}", code="os_error")
    module = (error.name or "").partition(".")[0]
    for extra, modules in _EXTRAS.items():
        if module in modules:
            message = f"this command needs {module}, which is not installed"
            return CommandError(message, code="missing_extra", hint=f'pip install "scrollintel[{extra}]"')
    raise error


_STOP = "stop the control plane first; `scrollintel db check` and `scrollintel db backup` work beside it"
_REACH = "check the address, and that the database runs and lets you in; `scrollintel doctor` looks at database.url"
_OF_CODE: dict[str, tuple[ExitCode, str | None]] = {
    "database_locked": (ExitCode.CONFLICT, _STOP),
    "standby": (ExitCode.CONFLICT, _STOP),
    "target_occupied": (ExitCode.CONFLICT, None),
    "not_found": (ExitCode.NOT_FOUND, None),
    "store_unavailable": (ExitCode.FAILED, _REACH),
}
