"""`scrollintel circuits`: see, configure and operate circuit breakers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from ...core.states import CircuitState
from ..client import path
from ..deciding import calls_of
from ..exit_codes import ExitCode
from ..output import Columns, age_of, ago, part, parts, plain, span
from ..paging import paged
from ..problems import CommandError, UnexpectedAnswerError
from ..program import Group
from ..session import Session
from ..values import MOMENT, assignments, document, merged


def _replicas(item: Mapping[str, Any]) -> str:  # Any: JSON values
    stale = item.get("stale_replicas") or 0
    return f"{item.get('replicas', 0)}" + (f" ({stale} stale)" if stale else "")


def _seconds(value: object) -> str:
    return span(float(value)) if isinstance(value, int | float) else "–"


def _ahead(value: object) -> str:
    return f"in {span(float(value))}" if isinstance(value, int | float) else "–"


SORTS = ("name", "state", "failures", "rejections")
LIST_COLUMNS: Columns = {
    "Circuit": "name",
    "State": "state",
    "Since": age_of("since"),
    "Replicas": _replicas,
    "OK": lambda item: part(item, "counters").get("successes"),
    "Failed": lambda item: part(item, "counters").get("failures"),
    "Refused": lambda item: part(item, "counters").get("rejections"),
    "p99": lambda item: _seconds(part(item, "response_times").get("p99")),
    "Rev": "revision",
}


@click.group(cls=Group)
def circuits() -> None:
    """Circuit breakers: see, configure, operate."""


@circuits.command("list")
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in CircuitState]),
    multiple=True,
    help="Only those in this state; may be given several times.",
)
@click.option("--search", help="Only those whose name contains this.")
@click.option("--service", help="Only those of this service.")
@click.option("--sort", type=click.Choice(SORTS), help="The worst come first; default: by name.")
@paged
@click.pass_obj
def list_(session: Session, /, states: tuple[str, ...], **query: object) -> None:
    """List circuits with state and counts over all replicas."""
    answer = session.client().request("GET", path("circuit-breakers"), query={**query, "state": states or None})
    session.show_list(answer, LIST_COLUMNS, "No circuits.")


@circuits.command()
@click.argument("name")
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show one circuit in full, and why it is in its state."""
    answer = session.client().request("GET", path("circuit-breakers", name))
    if session.json:
        session.show_json(answer)
        return
    item = answer.item()
    counters, times = part(item, "counters"), part(item, "response_times")
    configured, failure = part(item, "configured"), part(item, "last_failure")
    output = session.output
    output.facts(
        [
            ("circuit", item.get("name")),
            ("state", item.get("state")),
            ("why", item.get("why")),
            ("since", ago(item.get("since"))),
            ("next probe", _ahead(item.get("next_probe"))),
            ("services", ", ".join(map(plain, item.get("services") or [])) or None),
            ("replicas", _replicas(item)),
            ("calls", ", ".join(f"{count} {kind}" for kind, count in counters.items()) or None),
            ("response times", ", ".join(f"{kind} {_seconds(value)}" for kind, value in times.items()) or None),
            ("last failure", f"{failure.get('type')}, {ago(failure.get('at'))}" if failure else None),
            ("revision", configured.get("revision")),
            ("configuration", configured.get("configuration")),
        ]
    )
    for heading, field, columns, empty in _DETAILS:
        output.raw(f"\n{heading}")
        output.table(parts(item, field), columns, empty)


@circuits.command()
@click.argument("name")
@click.pass_obj
def explain(session: Session, name: str) -> None:
    """Say in sentences why one circuit is in its state, from which calls, and what comes next."""
    from ..explaining import explanation_of

    item = session.client().request("GET", path("circuit-breakers", name)).item()
    if not isinstance(item.get("name"), str):
        raise UnexpectedAnswerError("the answer is no circuit; is this a control plane?")
    found = explanation_of(item, datetime.now(UTC))
    if session.json:
        session.output.json(found.to_dict())
        return
    for line in str(found).splitlines():
        session.output.say(line)


_DETAILS: tuple[tuple[str, str, Columns, str], ...] = (
    (
        "On replicas",
        "on_replicas",
        {
            "Replica": "replica",
            "Service": "service",
            "Host": "host",
            "Key": "key",
            "State": "state",
            "Since": age_of("since"),
            "Reported": lambda item: ("stale, " if item.get("stale") else "") + f"{_seconds(item.get('age'))} ago",
            "Reason": "reason",
        },
        "None reports it.",
    ),
    (
        "Latest transitions",
        "transitions",
        {
            "When": age_of("at"),
            "Replica": "replica",
            "Key": "key",
            "From": "old",
            "To": "new",
            "Reason": "reason",
            "Calls": calls_of,
        },
        "None.",
    ),
)

_CHANGE = (
    click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A field; may be given several times."),
    click.option("--file", metavar="FILE", help="JSON or TOML file with fields; - reads standard input."),
    click.option("--service", help="Only for replicas of this service; default all."),
    click.option("--reason", help="Why, for the audit log."),
)


def change_options(command: Any) -> Any:  # Any: what click decorates
    """Give a command the options that describe a changed configuration."""
    for option in reversed(_CHANGE):
        command = option(command)
    return command


@circuits.command()
@click.argument("name")
@change_options
@click.pass_obj
def create(
    session: Session, name: str, pairs: tuple[str, ...], file: str | None, service: str | None, reason: str | None
) -> None:
    """Put a circuit breaker in force on all replicas, such as --set failure_threshold=5."""
    configuration = {**merged(document(file), assignments(pairs)), "name": name}
    body = {"configuration": configuration, "service": service, "reason": reason}
    answer = session.client().request("POST", path("circuit-breakers"), body=body)
    session.show_done(answer, f"Circuit breaker {name} is in force.")


@circuits.command()
@click.argument("name")
@change_options
@click.pass_obj
def update(
    session: Session, name: str, pairs: tuple[str, ...], file: str | None, service: str | None, reason: str | None
) -> None:
    """Change fields of a circuit breaker; the others stay. A change by somebody else meanwhile is noticed."""
    client = session.client()
    current = client.request("GET", path("circuit-breakers", name))
    configured = part(current.item(), "configured")
    if not configured.get("configuration"):
        message = f"{name} is configured in the application's code only"
        hint = f"`scrollintel circuits create {name}` puts a configuration in force"
        raise CommandError(message, ExitCode.NOT_FOUND, "not_configured", hint)
    fields = merged(part(configured, "configuration"), merged(document(file), assignments(pairs)))
    body = {"configuration": fields, "service": service or configured.get("service"), "reason": reason}
    headers = {"If-Match": current.etag or f'"{configured.get("revision")}"'}
    answer = client.request("PUT", path("circuit-breakers", name), body=body, headers=headers)
    session.show_done(answer, f"Circuit breaker {name} is changed.")


@circuits.command()
@click.argument("name")
@click.option("--reason", help="Why, for the audit log.")
@click.pass_obj
def delete(session: Session, name: str, reason: str | None) -> None:
    """Take a circuit breaker's configuration out of force."""
    session.confirm(f"This deletes the configuration of {name}; replicas go on with what their code says")
    answer = session.client().request("DELETE", path("circuit-breakers", name), query={"reason": reason})
    session.show_done(answer, f"The configuration of {name} is deleted.")


def _operate(session: Session, name: str, verb: str, reason: str | None, consequence: str, done: str) -> None:
    session.confirm(consequence, required=reason is None)
    body = {} if reason is None else {"reason": reason}
    answer = session.client().request("POST", path("circuit-breakers", name, verb), body=body)
    journalled = not session.json and answer.item().get("journalled")
    later = " The database is down: the order is journalled and imported later." if journalled else ""
    session.show_done(answer, done + later)


@circuits.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why, for the audit log and for those whose calls are refused.")
@click.pass_obj
def isolate(session: Session, name: str, reason: str) -> None:
    """Refuse every call of a circuit on all replicas, until `close` or `reset`."""
    _operate(session, name, "isolate", reason, "", f"Circuit {name} is held open on all replicas.")


@circuits.command()
@click.argument("name")
@click.option("--reason", help="Why, for the audit log.")
@click.pass_obj
def close(session: Session, name: str, reason: str | None) -> None:
    """Let calls pass again on all replicas; counts are kept."""
    consequence = f"This closes {name} on all replicas, so that calls reach what it protects from"
    _operate(session, name, "close", reason, consequence, f"Circuit {name} is closed on all replicas.")


@circuits.command()
@click.argument("name")
@click.option("--reason", help="Why, for the audit log.")
@click.pass_obj
def reset(session: Session, name: str, reason: str | None) -> None:
    """Close a circuit on all replicas and forget its counts."""
    consequence = f"This closes {name} on all replicas and forgets its counts"
    _operate(session, name, "reset", reason, consequence, f"Circuit {name} is reset on all replicas.")


@circuits.command("dry-run")
@click.argument("name")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A field; may be given several times.")
@click.option("--file", metavar="FILE", help="JSON or TOML file with fields; - reads standard input.")
@click.option("--since", type=MOMENT, help="Use outcomes recorded since then: a time, or a duration such as 2h.")
@click.pass_obj
def dry_run(session: Session, name: str, pairs: tuple[str, ...], file: str | None, since: str | None) -> None:
    """Show what a changed configuration would have done on the recorded outcomes; nothing is changed."""
    client = session.client()
    current = client.get(path("circuit-breakers", name))
    base = part(part(current, "configured"), "configuration") or {"name": name}
    fields = merged(base, merged(document(file), assignments(pairs)))
    body = {"configuration": fields, "since": since}
    session.show_facts(client.request("POST", path("circuit-breakers", name, "dry-run"), body=body))
