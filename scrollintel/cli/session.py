"""One run of the command line: its global options, settings, client and output."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import ConfigError
from . import variables
from .client import TIMEOUT, Answer, Client
from .exit_codes import ExitCode
from .output import Columns, Output, plain
from .problems import CommandError, UnexpectedAnswerError
from .target import Target

if TYPE_CHECKING:
    from ..settings import Settings
    from ..settings.place import Place

_MAX_TOKEN_FILE = 64 * 1024


@dataclass(slots=True)
class Session:
    """Global options; `None` and False mean "not given"."""

    url: str | None = None
    token: str | None = field(default=None, repr=False)
    token_file: str | None = None
    socket: str | None = None
    ca_file: str | None = None
    timeout: float | None = None
    config: str | None = None
    json: bool = False
    verbose: int = 0
    no_color: bool = False
    yes: bool = False
    _settings: Settings | None = None

    @property
    def output(self) -> Output:
        """Where results and remarks go."""
        return Output(as_json=self.json, color=not (self.no_color or os.environ.get(variables.NO_COLOR)))

    def settings(self, overrides: Mapping[str, object] | None = None) -> Settings:
        """Return the settings in force.

        Raises:
            ConfigError: with every mistake.
        """
        if self._settings is None or overrides:
            from ..settings import load

            self._settings = load(self.config, os.environ, overrides or {})
        return self._settings

    def _place(self) -> Place:
        """Return where the server is, also when something else in the settings file is wrong."""
        from ..settings.place import Place, place_of

        try:
            settings = self.settings()
        except ConfigError as error:
            count = len(error.violations)
            said = f"warning: the settings file has {count} mistake{'' if count == 1 else 's'}"
            self.output.note(f"{said}; `scrollintel check-config` tells which")
            return place_of(self.config, os.environ)
        return Place(settings.server.url, settings.directory)

    @property
    def data_directory(self) -> Path:
        """The data directory of this machine's server."""
        return self._place().directory

    def client(self, *, timeout: float = TIMEOUT) -> Client:
        """Return a client of the control plane that the options, the environment or the settings name.

        Arguments:
            timeout: Seconds that connecting and each wait for an answer may take, unless --timeout says otherwise.
        """
        target = self._target()
        if target.exposes_token:
            self.output.note("warning: the token crosses the network unencrypted; use https")
        if self.verbose:
            self.output.note(f"asking {target.name}")
        return Client(target, timeout=timeout if self.timeout is None else self.timeout)

    def _target(self) -> Target:
        if self.socket is not None:
            if self.url is not None or self.token is not None or self.token_file is not None:
                message = "--socket is the admin socket of this machine: it goes with neither --url nor a token"
                raise CommandError(message, ExitCode.USAGE, "contradictory_options")
            return Target(socket=Path(self.socket).expanduser())
        url, token = self.url or os.environ.get(variables.URL), self._token()
        if not url:
            settings = self._place()
            # Who gives a token means the identity of the token, not that of the owner of the machine.
            if token is None and _is_open_to_us(settings.admin_socket):
                return Target(socket=settings.admin_socket)
            url = settings.url
        authorities = self.ca_file or os.environ.get(variables.CA_FILE)
        return Target(url=url, token=token, authorities=Path(authorities).expanduser() if authorities else None)

    def _token(self) -> str | None:
        if self.token is not None:
            return self.token
        source = self.token_file
        if source is None:
            if os.environ.get(variables.TOKEN):
                return os.environ[variables.TOKEN].strip()
            source = os.environ.get(variables.TOKEN_FILE)
        if not source:
            return None
        try:
            with Path(source).expanduser().open(encoding="utf-8") as stream:
                token = stream.read(_MAX_TOKEN_FILE).strip()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not text"
            message = f"the token file {source} cannot be read: {reason.lower()}"
            raise CommandError(message, ExitCode.USAGE, "unreadable_token_file") from None
        if not token:
            raise CommandError(f"the token file {source} is empty", ExitCode.USAGE, "unreadable_token_file")
        return token

    def confirm(self, consequence: str, *, required: bool = True) -> None:
        """Ask before something that cannot be undone, naming what it does.

        Arguments:
            consequence: What happens, as one sentence without a full stop.
            required: False when a reason was given, which shows that the command is meant.

        Raises:
            CommandError: when nobody can be asked (exit code 2), or the answer is no (exit code 1).
        """
        if self.yes or not required:
            return
        if self.json or not sys.stdin.isatty():
            hint = "repeat the command with --yes to confirm it"
            raise CommandError(consequence, ExitCode.USAGE, "not_confirmed", hint)
        if not click.confirm(f"{plain(consequence)}. Go on?", err=True):
            raise CommandError("nothing was done", code="not_confirmed")

    def show_json(self, answer: Answer) -> None:
        """Show the API's JSON as it came, once it is known to be JSON; an empty answer is null."""
        answer.json()
        self.output.raw(answer.text or "null")

    def show_list(self, answer: Answer, columns: Columns, empty: str) -> None:
        """Show a page of a list, and how to get the next one."""
        output = self.output
        if self.json:
            self.show_json(answer)
            return
        page = answer.item()
        items = page.get("items")
        if not isinstance(items, list):
            raise UnexpectedAnswerError("the answer is no list; is this a control plane?")
        output.table(items, columns, empty)
        if page.get("next_cursor"):
            output.note(f"There are more: repeat the command with --cursor {page['next_cursor']}")

    def show_facts(self, answer: Answer, pairs: Columns | None = None) -> None:
        """Show one object: the chosen fields, or all."""
        if self.json:
            self.show_json(answer)
            return
        item = answer.item()
        chosen = pairs if pairs is not None else {name.replace("_", " "): name for name in item}
        self.output.facts(
            (name, item.get(cell) if isinstance(cell, str) else cell(item)) for name, cell in chosen.items()
        )

    def show_done(self, answer: Answer, sentence: str) -> None:
        """Show that a change was made."""
        if self.json:
            self.show_json(answer)
            return
        answer.json()  # only a control plane has done it
        self.output.say(sentence)


def _is_open_to_us(socket: Path) -> bool:
    """Tell whether there is an admin socket; in a folder of somebody else there is none for us."""
    try:
        return socket.is_socket()
    except OSError:
        return False


def config_problem(error: ConfigError) -> CommandError:
    """Return settings that are not valid as an error of the command, one line for each mistake."""
    return _SettingsError(error)


class _SettingsError(CommandError):
    def __init__(self, error: ConfigError) -> None:
        verb = "are" if error.subject.endswith("s") else "is"
        super().__init__(f"the {error.subject} {verb} not valid", ExitCode.USAGE, error.code)
        self._error = error

    def lines(self) -> list[str]:
        return [*super().lines(), *(f"  {violation}" for violation in self._error.violations)]

    def document(self) -> dict[str, Any]:  # Any: JSON values
        return {"code": self.code, "detail": str(self), **self._error.details}
