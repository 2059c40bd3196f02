"""The command `scrollintel` with its global options; commands are imported when they are called."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import click

from .. import __version__
from .exit_codes import MEANINGS
from .session import Session
from .values import DURATION

COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("serving:serve", "Run the control plane."),
    "status": ("status:status", "Show on one screen how everything is."),
    "circuits": ("circuits:circuits", "Circuit breakers: see, configure, operate."),
    "watch": ("watch:watch", "Watch targets and incidents live."),
    "dashboard": ("dashboard:dashboard", "Show overview, circuits and incidents live in the terminal, and steer them."),
    "incidents": ("incidents:incidents", "Failures of watched targets, from detection to their end."),
    "approvals": ("incidents:approvals", "Plans that wait for a person."),
    "alerts": ("alerts:alerts", "List what fires or is about to, the worst first."),
    "silences": ("alerts:silences", "Alerts that nobody is told of for a while."),
    "channels": ("channels:channels", "Ways in which people are told: how each does, and a test."),
    "automation": ("automation:automation", "Automated recovery: how it stands, and what stops it."),
    "checks": ("automation:checks", "List watched targets with what their checks found last."),
    "topology": ("automation:topology", "Show who needs whom, and how each target is."),
    "strategies": ("automation:strategies", "List the kinds of strategies."),
    "heartbeat": ("automation:heartbeat", "Give a sign of life for a target."),
    "degradation": ("degradation:degradation", "Degradation levels of services."),
    "recovery": ("recovery:recovery", "Start recoveries and read their history."),
    "policies": ("policies:policies", "Policies and their revisions."),
    "services": ("services:services", "Services and what they depend on."),
    "replicas": ("replicas:replicas", "Processes that have joined."),
    "capacity": ("capacity:capacity", "Limits, detectors, warm fallbacks, servers and pools."),
    "audit": ("audit:audit", "The audit log: search, verify, export."),
    "tokens": ("tokens:tokens", "API tokens."),
    "roles": ("tokens:roles", "List the roles and what each may do."),
    "role-bindings": ("role_bindings:role_bindings", "Roles of people and groups of the identity provider."),
    "keys": ("keys:keys", "Encryption keys."),
    "configuration": ("configuration:configuration", "Configuration values kept by the control plane."),
    "events": ("events:events", "Follow what happens, as it happens."),
    "db": ("database:db", "The database: schema, backup, restore, move."),
    "doctor": ("doctor:doctor", "Check machine, settings, database, keys and server, and say what to do."),
    "config": ("settings:config", "Show the settings in force and where each comes from."),
    "check-config": ("settings:check_config", "Check the settings; every mistake is listed."),
    "check-policies": (
        "check_policies:check_policies",
        "Check policies before they are deployed: slips, and the worst case of a call.",
    ),
    "init": ("init:init", "Write a commented example of the settings from what runs here."),
    "simulate": ("simulate:simulate", "Run policies in virtual time against a modelled service, and compare them."),
    "replay": ("replay:replay", "Replay recorded calls against other policies, in virtual time."),
    "completion": ("completion:completion", "Print a completion script for a shell."),
    "version": ("version:version", "Print the version."),
}
"""Each command's module and name, and its line in the overview."""

MEANT: dict[str, list[str]] = {"explain": ["circuits explain"], "check": ["check-config", "check-policies"]}
"""What somebody means who takes the name of a function for that of a command."""

EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code.value}  {text}" for code, text in MEANINGS.items())


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:  # Any: what click parsed
    """Keep a global option, wherever on the line it stands; one that is not given changes nothing."""
    if value == "":  # a variable that is not set, most likely; the default would be another identity
        raise click.BadParameter("is empty", context, parameter)
    if value not in (None, False, 0) and parameter.name is not None:
        setattr(context.ensure_object(Session), parameter.name, value)


_GLOBAL: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (  # Any: what click.Option takes
    (("--url",), {"metavar": "URL", "help": "Control plane to talk to; default $SCROLLINTEL_URL, or this machine's."}),
    (("--token",), {"metavar": "TEXT", "help": "API token; others on this machine may see it, so prefer the next."}),
    (("--token-file",), {"metavar": "FILE", "help": "File with the token; default $SCROLLINTEL_TOKEN(_FILE)."}),
    (
        ("--socket",),
        {"metavar": "FILE", "help": "Admin socket, which needs no token; default: that of the data folder."},
    ),
    (
        ("--ca-file",),
        {"metavar": "FILE", "help": "Authorities to trust for https, in PEM form; default $SCROLLINTEL_CA_FILE."},
    ),
    (("--timeout",), {"type": DURATION, "help": "How long to wait for each answer, such as 30s; default 10s."}),
    (
        ("-c", "--config"),
        {"metavar": "FILE", "help": "Settings file; default $SCROLLINTEL_CONFIG or scrollintel.toml."},
    ),
    (("--json",), {"is_flag": True, "help": "Print the API's JSON instead of tables."}),
    (("-v", "--verbose"), {"count": True, "help": "Say more."}),
    (("--no-color",), {"is_flag": True, "help": "No colours; so does $NO_COLOR."}),
    (("--yes",), {"is_flag": True, "help": "Do it without asking."}),
)


MORE = "Options of `scrollintel --help`, such as --json and --url, may stand here too."


def global_options(*, hidden: bool) -> list[click.Option]:
    """Return the global options; commands accept them too, where help does not repeat them."""
    return [
        click.Option(list(names), expose_value=False, callback=_remember, hidden=hidden, is_eager=True, **more)
        for names, more in _GLOBAL
    ]


class Command(click.Command):
    """A command that takes the global options as well."""

    def invoke(self, context: click.Context) -> Any:  # Any: what the command returns
        """Run the command; Ctrl-C ends it without a word, with what a shell gives for SIGINT."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(130) from None

    def __init__(self, *arguments: Any, **more: Any) -> None:  # Any: as click.Command takes them
        super().__init__(*arguments, **{"epilog": MORE, **more})
        self.params = [*self.params, *global_options(hidden=True)]


class Group(click.Group):
    """A group of such commands."""

    command_class = Command

    def __init__(self, *arguments: Any, **more: Any) -> None:  # Any: as click.Group takes them
        super().__init__(*arguments, **{"epilog": MORE, **more})
        self.params = [*self.params, *global_options(hidden=True)]


class _Program(click.Group):
    """Imports the module of a command when the command is called."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the commands in the order of the overview."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return a command, or None."""
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(f".commands.{module}", __package__), attribute)
        return found

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is called; suggestions know all names."""
        name = arguments[0]
        if name in MEANT:
            error = click.exceptions.NoSuchCommand(name, ctx=context)
            error.possibilities = MEANT[name]  # type: ignore[misc]  # it would keep only what is spelt alike
            raise error
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment]  # click looks at the names only
        return super().resolve_command(context, arguments)


def _version_option() -> click.Option:
    def show(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
        if wanted and not context.resilient_parsing:
            click.echo(f"scrollintel {__version__}")
            context.exit()

    return click.Option(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show, help="Print the version."
    )


def build() -> click.Group:
    """Return the whole command line."""
    return _Program(
        "scrollintel",
        help="Steer circuits, levels, policies and recoveries of services through the scrollintel control plane.",
        epilog=EPILOG,
        params=[*global_options(hidden=False), _version_option()],
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
        no_args_is_help=True,
        callback=_nothing,
    )


def _nothing() -> None:
    """Do nothing: the global options are kept by their own callbacks."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code; errors are shown, not raised."""
    from .running import run_program

    return run_program(build(), arguments)
