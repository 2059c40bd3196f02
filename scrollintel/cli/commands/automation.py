"""`scrollintel automation` and what it watches: the stop switch, the brake, checks, the topology, strategies."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from ..client import path
from ..output import Columns, part, parts, plain, span
from ..problems import CommandError, UnreachableError
from ..program import Command, Group
from ..session import Session

STANDING = ("watching", "targets", "engine", "durable", "running", "max_running", "journalled", "doubts")


@click.group(cls=Group)
def automation() -> None:
    """Automated recovery: how it stands, and what stops it."""


@automation.command()
@click.pass_obj
def status(session: Session) -> None:
    """Show how automated recovery stands."""
    answer = session.client().request("GET", path("automation"))
    if session.json:
        session.show_json(answer)
        return
    item = answer.item()
    session.output.facts((name.replace("_", " "), item.get(name)) for name in STANDING)
    for name, verb in (("stopped", "reason"), ("brake", "why")):
        held = part(item, name)
        said = f"since {plain(held.get('since'))}: {plain(held.get(verb))}" if held else "no"
        session.output.facts([(name, said)])


@automation.command()
@click.option("--reason", required=True, help="Why, for the audit log and for whoever wonders.")
@click.pass_obj
def stop(session: Session, reason: str) -> None:
    """Stop all automation at once; works on this machine also without server and database."""
    session.confirm("No recovery acts any more, those that run included", required=False)
    try:
        answer = session.client().request("PUT", path("automation", "stop-switch"), body={"reason": reason})
    except UnreachableError:
        switch = _local(session)
        switch.stop(getpass.getuser(), reason, datetime.now(UTC))
        session.output.say(f"No server answers; automation is stopped by the file {switch.path}.")
        return
    session.show_done(answer, "Automation is stopped; `scrollintel automation go` lets it act again.")


@automation.command()
@click.pass_obj
def go(session: Session) -> None:
    """Let automation act again."""
    session.confirm("Recoveries act again from now on")
    try:
        answer = session.client().request("DELETE", path("automation", "stop-switch"))
    except UnreachableError:
        switch = _local(session)
        was = switch.go()
        session.output.say("No server answers; the file is removed." if was else "No server answers; nothing stops it.")
        return
    session.show_done(answer, "Automation may act.")


@automation.command("release-brake")
@click.option("--reason", required=True, help="What you have found, for the audit log.")
@click.pass_obj
def release_brake(session: Session, reason: str) -> None:
    """Release the storm brake, because a person has looked."""
    session.confirm("Recoveries of everything that has failed may begin at once")
    answer = session.client().request("POST", path("automation", "brake", "release"), body={"reason": reason})
    session.show_done(answer, "The storm brake is released.")


@automation.command("dry-run")
@click.argument("target")
@click.option("--failure-type", default="unresponsive", show_default=True, help="What would be wrong.")
@click.pass_obj
def dry_run(session: Session, target: str, failure_type: str) -> None:
    """Tell what would be done about a failure; nothing is done."""
    body = {"target": target, "failure_type": failure_type}
    answer = session.client().request("POST", path("automation", "dry-run"), body=body)
    if session.json:
        session.show_json(answer)
        return
    item = answer.item()
    verdict = part(item, "verdict")
    session.output.facts([("now", f"{plain(verdict.get('ruling'))} {plain(verdict.get('why'))}".strip())])
    session.output.facts([("impact", part(item, "impact").get("sentence"))])
    columns: Columns = {"Strategy": "kind", "Attempts": "attempts", "Approval": "approval"}
    session.output.table(parts(item, "chain"), columns, "No strategy would be tried.")
    for name, why in part(item, "left_out").items():
        session.output.raw(f"{plain(name)} is left out: {plain(why)}")


@automation.command()
@click.pass_obj
def reload(session: Session) -> None:
    """Have the server read its settings file anew: as a whole, or not at all."""
    answer = session.client().request("POST", path("configuration-file", "reload"), body={})
    waits = [plain(name) for name in answer.item().get("needs_restart") or []]
    said = f"The settings file has been taken over: {plain(answer.item().get('targets'))} targets are watched."
    session.show_done(answer, said + (f" At the next start: {', '.join(waits)}." if waits else ""))


@click.command(cls=Command)
@click.argument("target", required=False)
@click.option("--service", help="Only those of this service.")
@click.pass_obj
def checks(session: Session, target: str | None, service: str | None) -> None:
    """List watched targets with what their checks found last, or show TARGET with how it is declared."""
    if target is not None:
        _one(session, target)
        return
    answer = session.client().request("GET", path("checks"), query={"service": service})
    columns: Columns = {
        "Target": "target",
        "Condition": "condition",
        "For": lambda item: "–" if item.get("since") is None else span(float(item["since"])),
        "Mode": "mode",
        "Last found": _worst,
    }
    session.show_list(answer, columns, "No target is watched.")


def _one(session: Session, target: str) -> None:
    answer = session.client().request("GET", path("checks", target))
    if session.json:
        session.show_json(answer)
        return
    item = answer.item()
    session.output.facts((name, item.get(name)) for name in ("target", "service", "condition", "mode", "tier"))
    looks: Columns = {"Check": "name", "Depth": "depth", "Good": "good", "Found": "detail", "Seconds ago": "age"}
    session.output.table(parts(item, "checks"), looks, "No check has looked yet.")
    session.output.raw(json.dumps(part(item, "declaration"), indent=2, ensure_ascii=False))


def _worst(item: Mapping[str, Any]) -> str:  # Any: JSON values
    looks = parts(item, "checks")
    bad = [look for look in looks if not look.get("good")]
    return "; ".join(plain(look.get("detail")) for look in (bad or looks)[:3])


@click.command(cls=Command)
@click.pass_obj
def topology(session: Session) -> None:
    """Show who needs whom, and how each target is."""
    answer = session.client().request("GET", path("topology"))
    if session.json:
        session.show_json(answer)
        return
    item = answer.item()
    columns: Columns = {"Target": "target", "Service": "service", "Tier": "tier", "Condition": "condition"}
    session.output.table(parts(item, "nodes"), columns, "No target is watched.")
    session.output.raw("")
    edges: Columns = {"Service": "service", "Needs": "needs", "How": "kind", "Known from": "source"}
    session.output.table(parts(item, "edges"), edges, "No dependencies.")


@click.command(cls=Command)
@click.pass_obj
def strategies(session: Session) -> None:
    """List the kinds of strategies that a target's chain can name."""
    answer = session.client().request("GET", path("strategies"))

    def trait(name: str) -> Any:  # Any: a cell
        return lambda item: "yes" if part(item, "traits").get(name) else "no"

    columns: Columns = {
        "Strategy": "name",
        "Restarts": trait("restarts"),
        "Destructive": trait("destructive"),
        "Fails over": trait("failover"),
        "Description": "description",
    }
    session.show_list(answer, columns, "No strategies.")


@click.command(cls=Command)
@click.argument("target")
@click.option("--progress", help="Changes whenever the target has got on with its work.")
@click.pass_obj
def heartbeat(session: Session, target: str, progress: str | None) -> None:
    """Give a sign of life for a target."""
    answer = session.client().request("POST", path("heartbeats", target), body={"progress": progress})
    session.show_done(answer, f"{target} beats.")


def _local(session: Session) -> Any:  # Any: the module is loaded only here
    """Return the stop switch of this machine; another machine's can only be reached over its server."""
    from ...service.automation.stop_switch import StopSwitch

    if session.url is not None:
        raise CommandError("the server that --url names does not answer, and its files are not on this machine")
    return StopSwitch(session.data_directory)
