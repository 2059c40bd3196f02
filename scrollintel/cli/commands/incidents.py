"""`scrollintel incidents` and `scrollintel approvals`: what failed, and questions to people."""

from __future__ import annotations

import click

from ..client import Answer, path
from ..output import Columns, age_of, part, parts, plain
from ..paging import paged
from ..problems import ProblemError
from ..program import Group
from ..session import Session
from ..values import MOMENT

STATES = ("open", "held", "recovering", "waiting", "watched", "escalated", "resolved", "cancelled")


@click.group(cls=Group)
def incidents() -> None:
    """Failures of watched targets, from detection to their end."""


@incidents.command("list")
@click.option("--service", help="Only those of this service.")
@click.option("--target", help="Only those of this target.")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--severity", type=click.IntRange(1, 4), help="Only those of this severity, 1 (worst) to 4.")
@click.option("--failure-type", help="Only those of this failure.")
@click.option("--since", type=MOMENT, help="Only those since then: a time, or a duration such as 2h.")
@paged
@click.pass_obj
def list_(session: Session, /, since: str | None, **query: object) -> None:
    """List incidents, the latest first."""
    answer = session.client().request("GET", path("incidents"), query={**query, "from": since})
    columns: Columns = {
        "Id": "id",
        "Target": "target",
        "Failure": "failure_type",
        "State": "state",
        "Severity": "severity",
        "Declared": age_of("declared_at"),
        "Taken by": "acknowledged_by",
        "Detail": "detail",
    }
    session.show_list(answer, columns, "No incidents.")


@incidents.command()
@click.argument("number", metavar="ID")
@click.pass_obj
def show(session: Session, number: str) -> None:
    """Show an incident with its impact and its timeline."""
    answer = session.client().request("GET", path("incidents", number))
    if session.json:
        session.show_json(answer)
        return
    item = answer.item()
    hidden = ("timeline", "recoveries", "impact")
    session.output.facts((name.replace("_", " "), value) for name, value in item.items() if name not in hidden)
    session.output.facts([("impact", part(item, "impact").get("sentence"))])
    session.output.raw("\nTimeline")
    session.output.table(parts(item, "timeline"), {"At": "at", "What": "kind", "Detail": "detail"}, "None.")


@incidents.command()
@click.argument("number", metavar="ID")
@click.option("--reason", help="What is done about it.")
@click.pass_obj
def acknowledge(session: Session, number: str, reason: str | None) -> None:
    """Say that somebody looks after an incident."""
    body = {} if reason is None else {"reason": reason}
    answer = session.client().request("POST", path("incidents", number, "acknowledge"), body=body)
    session.show_done(answer, f"{number} is acknowledged.")


@incidents.command()
@click.argument("number", metavar="ID")
@click.option("--reason", required=True, help="Why, for the audit log.")
@click.pass_obj
def cancel(session: Session, number: str, reason: str) -> None:
    """End an incident; a recovery that runs ends after the step that it is in."""
    session.confirm(f"Nothing more is done about {number}, whether it is repaired or not")
    answer = session.client().request("POST", path("incidents", number, "cancel"), body={"reason": reason})
    session.show_done(answer, f"{number} is cancelled.")


@click.group(cls=Group)
def approvals() -> None:
    """Plans that wait for a person."""


@approvals.command("list")
@click.option("--all", "answered", is_flag=True, help="Also those that have been answered.")
@click.pass_obj
def list_approvals(session: Session, answered: bool) -> None:
    """List questions, the latest first."""
    query = {"all": "true"} if answered else {}
    answer = session.client().request("GET", path("approvals"), query=query)
    columns: Columns = {
        "Id": "id",
        "Target": "target",
        "Why": "why",
        "Asked": age_of("requested_at"),
        "Ends": age_of("expires_at"),
        "Decision": "decision",
    }
    session.show_list(answer, columns, "No questions.")


@approvals.command("show")
@click.argument("number", metavar="ID")
@click.pass_obj
def show_approval(session: Session, number: str) -> None:
    """Show a question with the plan that it is about."""
    _show(session, session.client().request("GET", path("approvals", number)))


@approvals.command()
@click.argument("number", metavar="ID")
@click.option("--reason", help="Why, for the audit log.")
@click.pass_obj
def approve(session: Session, number: str, reason: str | None) -> None:
    """Agree to exactly the plan that is shown."""
    _decide(session, number, "approve", reason)


@approvals.command()
@click.argument("number", metavar="ID")
@click.option("--reason", help="Why, for the audit log.")
@click.pass_obj
def refuse(session: Session, number: str, reason: str | None) -> None:
    """Refuse a plan; its recovery ends."""
    _decide(session, number, "refuse", reason)


def _show(session: Session, answer: Answer) -> None:
    if session.json:
        session.show_json(answer)
        return
    item = answer.item()
    session.output.facts((name.replace("_", " "), value) for name, value in item.items() if name != "plan")
    plan = part(item, "plan")
    session.output.raw("\nPlan: " + plain(plan.get("strategy")) + ", because " + plain(plan.get("reason")))
    for action in plan.get("actions") or ():
        session.output.raw(f"- {plain(action)}")


def _decide(session: Session, number: str, decision: str, reason: str | None) -> None:
    client = session.client()
    question = client.request("GET", path("approvals", number))
    item = question.item()
    target = plain(item.get("target"))
    if decision == "approve":
        if not session.json:
            _show(session, question)
        session.confirm(f"This plan is carried out on {target}")
    body: dict[str, object] = {"decision": decision, "digest": item.get("digest"), "reason": reason}
    place = path("approvals", number, "decide")
    try:
        answer = client.request("POST", place, body=body)
    except ProblemError as error:
        if error.code != "confirmation_needed":
            raise
        session.confirm("Nobody is told apart here, so you stand in for a second person as well")
        answer = client.request("POST", place, body={**body, "confirm": True})
    session.show_done(answer, f"{number} is {'approved' if decision == 'approve' else 'refused'}.")
