"""`scrollintel status`: everything on one screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ..client import path
from ..exit_codes import ExitCode
from ..output import Columns, parts, plain
from ..program import Command
from ..session import Session


@click.command(cls=Command)
@click.pass_obj
def status(session: Session) -> int:
    """Show on one screen how everything is.

    Exit code 1 when an incident is open, a circuit refuses calls, or changes cannot be written.
    """
    answer = session.client().request("GET", path("health", "summary"))
    item = answer.item()
    well = (
        not item.get("incidents")
        and not item.get("refusing")
        and not item.get("stale")
        and item.get("storage") in (None, "serving")
    )
    if session.json:
        session.show_json(answer)
        return ExitCode.OK if well else ExitCode.FAILED
    output = session.output
    output.say(str(item.get("sentence") or ""))
    rate = item.get("success_rate")
    output.facts(
        [
            ("circuits", _counts(item.get("circuits"))),
            ("services", _counts(item.get("services"))),
            ("refusing", _names(item.get("refusing")) or "none"),
            ("degraded", _names(item.get("degraded")) or "none"),
            *_capacity(item.get("capacity")),
            ("targets", _counts(item.get("targets"))),
            ("automation", item.get("automation")),
            ("recoveries", _recoveries(item) or "none running"),
            ("calls", _rate(item.get("calls_per_second"))),
            ("succeeded", f"{100 * rate:.2f} %" if isinstance(rate, int | float) else "–"),
            ("response times", _times(item.get("response_times"))),
            ("replicas", f"{item.get('replicas', 0)}, {item.get('stale_replicas', 0)} stale"),
            ("storage", item.get("storage")),
            ("access", item.get("access")),
        ]
    )
    if parts(item, "incidents"):
        output.raw("\nOpen incidents")
        columns: Columns = {
            "Id": "id", "Target": "target", "Failure": "failure_type", "State": "state", "Severity": "severity",
            "Detail": "detail",
        }  # fmt: skip
        output.table(parts(item, "incidents"), columns, "None.")
    return ExitCode.OK if well else ExitCode.FAILED


def _names(found: object) -> str:
    return ", ".join(map(plain, found)) if isinstance(found, list) else ""


def _capacity(found: object) -> list[tuple[str, object]]:
    """Return a row for each part that acts; none when all is calm."""
    told = found if isinstance(found, list) else []
    return [("capacity" if place == 0 else "", text) for place, text in enumerate(told)]


def _recoveries(item: Mapping[str, Any]) -> str:  # Any: JSON values
    """Return the recoveries that have not ended, with what `recovery show` asks for."""
    return ", ".join(
        f"{plain(entry.get('service'))} ({plain(entry.get('id'))}, {plain(entry.get('status'))})"
        for entry in parts(item, "recoveries")
    )


def _times(found: object) -> str:
    times = found if isinstance(found, dict) else {}
    shown = [f"{name} {_milliseconds(value)} ms" for name, value in times.items() if isinstance(value, int | float)]
    return ", ".join(shown) or "–"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f}" if seconds >= 0.1 else f"{1000 * seconds:.3g}"


def _rate(found: object) -> str:
    return f"{found:g} per second" if isinstance(found, int | float) else "–"


def _counts(found: object) -> str:
    counts = found if isinstance(found, dict) else {}
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "none"
