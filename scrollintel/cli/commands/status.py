"""`scrollintel status`: everything on one screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ..client import path
from ..exit_codes import ExitCode
from ..program import Command
from ..session import Session


@click.command(cls=Command)
@click.pass_obj
def status(session: Session) -> int:
    """Show on one screen how everything is. Exit code 1 when a circuit refuses or changes cannot be written."""
    answer = session.client().request("GET", path("health", "summary"))
    item: Mapping[str, Any] = answer.json()  # Any: JSON values
    well = not item.get("refusing") and not item.get("stale") and item.get("storage") in (None, "serving")
    if session.json:
        session.output.raw(answer.text)
        return ExitCode.OK if well else ExitCode.FAILED
    output = session.output
    output.say(str(item.get("sentence") or ""))
    rate = item.get("success_rate")
    output.facts(
        [
            ("circuits", _counts(item.get("circuits"))),
            ("services", _counts(item.get("services"))),
            ("refusing", ", ".join(item.get("refusing") or []) or "none"),
            ("degraded", ", ".join(item.get("degraded") or []) or "none"),
            ("calls", f"{item.get('calls_per_second', 0):g} per second"),
            ("succeeded", "–" if rate is None else f"{100 * rate:.2f} %"),
            ("replicas", f"{item.get('replicas', 0)}, {item.get('stale_replicas', 0)} stale"),
            ("storage", item.get("storage")),
            ("access", item.get("access")),
        ]
    )
    return ExitCode.OK if well else ExitCode.FAILED


def _counts(found: object) -> str:
    counts = found if isinstance(found, dict) else {}
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "none"
