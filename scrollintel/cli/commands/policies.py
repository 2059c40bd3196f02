"""`scrollintel policies`: policies and their revisions."""

from __future__ import annotations

from collections.abc import Mapping

import click

from ..client import path
from ..exit_codes import ExitCode
from ..output import Columns, age_of, part, parts, plain
from ..paging import paged
from ..problems import ProblemError
from ..program import Group
from ..session import Session
from ..values import assignments, document, merged
from .circuits import change_options


@click.group(cls=Group)
def policies() -> None:
    """Policies and their revisions."""


@policies.command("list")
@click.option("--search", help="Only those whose name contains this.")
@click.option("--service", help="Only those of this service.")
@paged
@click.pass_obj
def list_(session: Session, /, **query: object) -> None:
    """List policies."""
    answer = session.client().request("GET", path("policies"), query=query)
    columns: Columns = {
        "Policy": "name",
        "Service": "service",
        "Rev": "revision",
        "Source": "source",
        "Changed": age_of("changed_at"),
        "By": "changed_by",
        "Reason": "reason",
    }
    session.show_list(answer, columns, "No policies.")


@policies.command()
@click.argument("name")
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show a policy in full."""
    session.show_facts(session.client().request("GET", path("policies", name)))


@policies.command("set")
@click.argument("name")
@change_options
@click.pass_obj
def set_(
    session: Session, name: str, pairs: tuple[str, ...], file: str | None, service: str | None, reason: str | None
) -> None:
    """Create a policy, or change fields of one; a change by somebody else meanwhile is noticed.

    For example: --set retry.max_attempts=3 --set timeout.total=2

    With --set preset=goodput the parts of a preset take the place of those in force; what is given beside it comes
    first.
    """
    client = session.client()
    given = merged(document(file), assignments(pairs))
    try:
        current = client.request("GET", path("policies", name))
    except ProblemError as error:
        if error.exit_code is not ExitCode.NOT_FOUND:
            raise
        headers, policy, former = {"If-None-Match": "*"}, {**given, "name": name}, None
    else:
        found = current.item()
        headers = {"If-Match": current.etag or f'"{found.get("revision")}"'}
        policy, former = merged(_base(part(found, "policy") or {"name": name}, given), given), found.get("service")
    body = {"policy": policy, "service": service or former, "reason": reason}
    answer = client.request("PUT", path("policies", name), body=body, headers=headers)
    session.show_done(answer, f"Policy {name} is in force.")
    whole = ", ".join(sorted(field for field, value in given.items() if isinstance(value, dict)))
    if whole and "If-None-Match" in headers:
        session.output.note(
            f"The control plane had no policy {name}: fields of {whole} that were not given have their defaults, "
            "not what the code says."
        )


def _base(current: Mapping[str, object], given: Mapping[str, object]) -> Mapping[str, object]:
    """Return what stays of a policy when `given` comes: without the parts that a preset fills in."""
    from ...core.config.presets import PRESETS, preset_parts

    preset = given.get("preset")
    filled = preset_parts(preset, "any") if isinstance(preset, str) and preset in PRESETS else {}
    return {field: value for field, value in current.items() if field not in filled}


@policies.command()
@click.argument("name")
@click.option("--from", "first", type=click.IntRange(1), required=True, help="Revision to compare from.")
@click.option("--to", "last", type=click.IntRange(1), required=True, help="Revision to compare with.")
@click.pass_obj
def diff(session: Session, name: str, first: int, last: int) -> None:
    """Show what differs between two revisions."""
    answer = session.client().request("GET", path("policies", name, "diff"), query={"from": first, "to": last})
    found = {} if session.json else answer.item()
    changes = parts(found, "differences")
    if session.json:
        session.show_json(answer)
    elif not changes:
        session.output.raw("The revisions are the same.")
    else:
        columns: Columns = {name.replace("_", " "): name for name in changes[0]}
        session.output.table(changes, columns, "")


@policies.command()
@click.argument("name")
@paged
@click.pass_obj
def history(session: Session, /, name: str, **query: object) -> None:
    """List the revisions of a policy."""
    answer = session.client().request("GET", path("policies", name, "revisions"), query=query)
    columns: Columns = {
        "Rev": "revision",
        "Changed": age_of("changed_at"),
        "By": "changed_by",
        "Source": "source",
        "Reason": "reason",
    }
    session.show_list(answer, columns, "No revisions.")


@policies.command()
@click.argument("name")
@click.argument("revision", type=click.IntRange(1))
@click.option("--reason", required=True, help="Why, for the audit log.")
@click.pass_obj
def rollback(session: Session, name: str, revision: int, reason: str) -> None:
    """Put an earlier revision in force again, as a new one."""
    body = {"revision": revision, "reason": reason}
    answer = session.client().request("POST", path("policies", name, "rollback"), body=body)
    session.show_done(answer, f"Policy {plain(name)} is as it was at revision {revision}.")


@policies.command()
@click.argument("name")
@click.option("--reason", help="Why, for the audit log.")
@click.pass_obj
def delete(session: Session, name: str, reason: str | None) -> None:
    """Take a policy out of force."""
    session.confirm(f"This deletes the policy {name}; replicas go on with what their code says")
    answer = session.client().request("DELETE", path("policies", name), query={"reason": reason})
    session.show_done(answer, f"Policy {name} is deleted.")
