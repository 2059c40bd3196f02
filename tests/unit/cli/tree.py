"""Every command of the command line, with values that make it ask the control plane."""

from __future__ import annotations

from collections.abc import Iterator

import click

from scrollintel.cli.program import build

REMOTE: dict[str, tuple[str, ...]] = {
    "status": (),
    "circuits list": (),
    "circuits explain": ("payments",),
    "circuits show": ("payments",),
    "circuits create": ("payments", "--set", "failure_threshold=3"),
    "circuits update": ("payments", "--set", "failure_threshold=3"),
    "circuits delete": ("payments", "--yes"),
    "circuits isolate": ("payments", "--reason", "test"),
    "circuits close": ("payments", "--reason", "test"),
    "circuits reset": ("payments", "--reason", "test"),
    "circuits dry-run": ("payments", "--set", "failure_threshold=3"),
    "watch": ("--once",),
    "incidents list": (),
    "incidents show": ("inc_1",),
    "incidents acknowledge": ("inc_1",),
    "incidents cancel": ("inc_1", "--reason", "test", "--yes"),
    "approvals list": (),
    "approvals show": ("apr_1",),
    "approvals approve": ("apr_1", "--yes"),
    "approvals refuse": ("apr_1",),
    "alerts": (),
    "silences list": (),
    "silences add": ("--service", "orders", "--for", "2h", "--reason", "test"),
    "silences end": ("sil_1",),
    "channels list": (),
    "channels test": ("slack",),
    "automation status": (),
    "automation stop": ("--reason", "test"),
    "automation go": ("--yes",),
    "automation release-brake": ("--reason", "test", "--yes"),
    "automation dry-run": ("web",),
    "automation reload": (),
    "checks": (),
    "topology": (),
    "strategies": (),
    "heartbeat": ("agent",),
    "degradation list": (),
    "degradation set": ("orders", "severe", "--reason", "test"),
    "degradation restore": ("orders",),
    "recovery start": ("orders",),
    "recovery strategies": ("--service", "orders"),
    "recovery list": (),
    "recovery show": ("rec_1",),
    "recovery statistics": (),
    "recovery cancel": ("rec_1", "--reason", "test", "--yes"),
    "policies list": (),
    "policies show": ("orders",),
    "policies set": ("orders", "--set", "retry.max_attempts=3"),
    "policies diff": ("orders", "--from", "1", "--to", "2"),
    "policies history": ("orders",),
    "policies rollback": ("orders", "1", "--reason", "test"),
    "policies delete": ("orders", "--yes"),
    "services list": (),
    "services show": ("orders",),
    "services register": ("orders",),
    "services unregister": ("orders", "--yes"),
    "replicas list": (),
    "capacity list": (),
    "capacity show": ("search",),
    "audit search": (),
    "audit checkpoints": (),
    "audit export": (),
    "audit verify": (),
    "tokens list": (),
    "tokens create": ("robot", "--role", "viewer"),
    "tokens revoke": ("tok_1", "--yes"),
    "roles": (),
    "role-bindings list": (),
    "role-bindings show": ("rol_1",),
    "role-bindings create": ("--group", "on-call", "--role", "viewer"),
    "role-bindings delete": ("rol_1", "--yes"),
    "keys status": (),
    "keys rotate": ("--yes",),
    "configuration list": (),
    "configuration get": ("limits",),
    "configuration set": ("limits", "3"),
    "configuration delete": ("limits", "--yes"),
    "events": ("--count", "1"),
}
"""Commands that ask the control plane, and the least that they want to know."""

LOCAL = {
    "simulate",
    "replay",
    "serve",
    "db upgrade",
    "db check",
    "db downgrade",
    "db backup",
    "db restore",
    "db move",
    "doctor",
    "config",
    "check-config",
    "check-policies",
    "init",
    "completion",
    "version",
    "dashboard",
}
"""Commands that do their work on this machine, or on a terminal only."""


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Yield the names, without the program's, and the commands of the whole tree, groups included."""
    yield from _below("", build())


def _below(prefix: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield prefix + name, command
        if isinstance(command, click.Group):
            yield from _below(f"{prefix}{name} ", command)


def leaves() -> dict[str, click.Command]:
    """Return the commands that do something."""
    return {name: command for name, command in every_command() if not isinstance(command, click.Group)}
