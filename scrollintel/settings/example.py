"""A commented settings file out of what was found on a machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from .discovery import ComposeService, Listener

_HEAD = """\
# What scrollintel watches on this machine, as `scrollintel init` found it. Nothing is repaired before a service has
# mode = "recover". Check it with `scrollintel check-config`, use it with `scrollintel serve --config FILE`.

[recovery]
mode = "observe"        # "recover" lets every service without a mode of its own be repaired

[outbound]
# Networks of loopback and private addresses that checks may reach; public ones may be reached anyway.
private = {private}

# [runbooks.clear-cache]                  # programs that a strategy may run; nothing else runs
# command = ["/usr/local/bin/clear-cache"]

# [[services]]                            # a worker that scrollintel starts, asks over HTTP, and repairs
# name = "web"
# mode = "recover"
# process = {{ command = ["python3", "web.py"], autostart = true }}
# [[services.checks]]
# kind = "process"                        # alive: the process is there
# [[services.checks]]
# kind = "http"                           # ready: it answers
# depth = "ready"
# url = "http://127.0.0.1:8080/health"
# interval = 1.0
# [services.strategies]
# exited = ["restart-process"]
# unresponsive = ["restart-process"]

# [[notifications]]                       # who is told; secrets are references, never in clear
# kind = "slack"
# url = "{{env:SLACK_WEBHOOK_URL}}"
"""
_PASSING = "# The system gives away ports of this range by itself: watch it if it is the same after the next start.\n"
_COMMENTS = """\
# tier = 1                                # how much depends on it: 1 (most) to 5
# owner = "team"
# mode = "recover"
# [services.strategies]
# exited = ["restart-process"]            # needs [services.process] or unit
"""


def example(listeners: Sequence[Listener], units: Sequence[str], compose: Sequence[ComposeService]) -> str:
    """Return the text of a settings file; each found thing is one service.

    Arguments:
        listeners: Ports that are listened on; those that a compose service publishes belong to it, and those that
            may be others after the next start are commented out.
        units: Units of systemd that run.
        compose: Services of the compose file.
    """
    published = {port for service in compose for port in service.ports}
    own = [listener for listener in listeners if listener.port not in published]
    hosts = sorted({_network(listener.host) for listener in own} | {"127.0.0.1"})
    parts = [_HEAD.format(private=_value(hosts))]
    names: set[str] = set()
    known = {service.name: _free(service.name, names) for service in compose}
    parts += [_compose(service, known) for service in compose]
    parts += [_unit(unit, names) for unit in units]
    parts += [_listener(listener, names) for listener in own]
    if not names or (not compose and not units and all(listener.passing for listener in own)):
        parts.append(
            "# Nothing was found that listens for good. A service is declared like this:\n" + _commented(_template())
        )
    return "\n".join(parts)


def _compose(service: ComposeService, known: Mapping[str, str]) -> str:
    lines = ["# from the compose file", "[[services]]", f"name = {_value(known[service.name])}"]
    needed = [known[name] for name in service.depends_on if name in known and name != service.name]
    if needed:
        lines.append(f"depends_on = {_value(needed)}")
    lines.append(_COMMENTS.rstrip())
    for port in service.ports:
        lines += _tcp(f"port {port}", "127.0.0.1", port)
    return "\n".join(lines) + "\n"


def _unit(unit: str, names: set[str]) -> str:
    name = _free(unit.removesuffix(".service"), names)
    lines = ["# a unit of systemd that runs", "[[services]]", f"name = {_value(name)}", f"unit = {_value(unit)}"]
    lines += [_COMMENTS.rstrip(), "[[services.checks]]", 'kind = "systemd"          # alive: the unit is active']
    return "\n".join(lines) + "\n"


def _listener(listener: Listener, names: set[str]) -> str:
    process = listener.process or "port"
    whose = f"process {_printable(process)}" if listener.process else "a process of somebody else"
    name = _free(f"{process}-{listener.port}", names)
    lines = [f"# {whose} listens on port {listener.port}", "[[services]]", f"name = {_value(name)}"]
    lines += [_COMMENTS.rstrip(), *_tcp("port", listener.host, listener.port)]
    text = "\n".join(lines) + "\n"
    return _PASSING + _commented(text) if listener.passing else text


def _tcp(name: str, host: str, port: int) -> Iterator[str]:
    yield "[[services.checks]]"
    yield f"name = {_value(name)}"
    yield 'kind = "tcp"              # or http, postgresql, redis, grpc: they ask more'
    yield 'depth = "ready"           # only a failed alive may lead to a restart'
    yield f"host = {_value(host)}"
    yield f"port = {port}"
    yield "interval = 1.0            # seconds between two looks"


def _template() -> str:
    return "\n".join(["[[services]]", 'name = "web"', *_tcp("port", "127.0.0.1", 8080)]) + "\n"


def _commented(text: str) -> str:
    return "".join(f"# {line}\n" for line in text.splitlines())


def _network(host: str) -> str:
    return host.partition("%")[0]


def _free(wanted: str, names: set[str]) -> str:
    """Return a name that fits a target and that no other service has."""
    base = re.sub(r"[^\w.@-]+", "-", wanted).strip("-")[:150] or "service"
    if base.casefold() in {"all", "any", "every", "everything"}:
        base = f"service-{base}"
    name, number = base, 1
    while name in names:
        number += 1
        name = f"{base}-{number}"
    names.add(name)
    return name


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _value(value: object) -> str:
    """Return a text or a list of texts as TOML; its basic strings are written as those of JSON."""
    return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")
