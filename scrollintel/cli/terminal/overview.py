"""The first view: how everything is, within one screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from ..client import Client, path
from ..marks import AUTOMATION, CIRCUITS, CONDITIONS, INCIDENTS, Mark, Tone, mark_of
from ..output import part, parts, plain
from . import wording
from .view import Paint, grid, paint_of

Json = Mapping[str, Any]  # Any: JSON values
SHOWN = 10
"""Incidents and names of circuits that are listed; the other views have them all."""


class Overview(VerticalScroll):
    """Sentence, counts, open incidents, calls, targets, automation and recoveries."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._text = Static("connecting …", id="overview-text", markup=False)

    def compose(self) -> ComposeResult:
        """Give the one text."""
        yield self._text

    def look(self, client: Client) -> Callable[[], None]:
        """Ask for the summary, and for when its incidents were declared."""
        summary = client.get(path("health", "summary"))
        incidents = client.get(path("incidents"), limit=100) if parts(summary, "incidents") else {}
        return partial(self._show, summary, incidents)

    def tick(self) -> None:
        """Nothing changes with time alone."""

    def settle(self) -> None:
        """Take the focus, so that long texts can be scrolled."""
        self.focus()

    def _show(self, summary: Json, incidents: Json) -> None:
        declared = {str(item.get("id")): item.get("declared_at") for item in parts(incidents, "items")}
        self._text.update(picture(summary, declared, paint_of(self)))


def picture(summary: Json, declared: Mapping[str, object], paint: Paint) -> Group:
    """Return the overview.

    Arguments:
        summary: What the control plane answers on one screen.
        declared: When incidents were declared, by id.
        paint: Styles.
    """
    sentence = Text(plain(summary.get("sentence")), style=paint.style(_tone(summary)))
    sentence.stylize("bold")
    return Group(sentence, Text(""), _facts(summary, paint), Text(""), *_incidents(summary, declared, paint))


def _tone(summary: Json) -> Tone:
    if summary.get("incidents") or summary.get("refusing") or summary.get("stale"):
        return Tone.BAD
    warns = any(summary.get(name) for name in ("degraded", "recoveries", "capacity"))
    return Tone.WARNING if warns else Tone.GOOD


def _facts(summary: Json, paint: Paint) -> Table:
    rows: list[tuple[str, str | Text]] = [("circuits", _counted(CIRCUITS, part(summary, "circuits"), paint))]
    rows += [(name, _names(summary.get(name), paint)) for name in ("refusing", "degraded") if summary.get(name)]
    rows += _capacity(summary.get("capacity"), paint)
    rows.append(("success rate", wording.share(summary.get("success_rate"))))
    rows.append(("calls", wording.rate(summary.get("calls_per_second"))))
    times = part(summary, "response_times")
    if times:
        shown = (f"{name} {wording.lasting(times[name])}" for name in ("p50", "p95", "p99") if name in times)
        rows.append(("response times", "  ".join(shown)))
    rows.append(("targets", _counted(CONDITIONS, part(summary, "targets"), paint)))
    rows.append(("automation", paint.mark(mark_of(AUTOMATION, summary.get("automation")))))
    rows.append(("recoveries", _recoveries(summary)))
    stale = wording.number(summary.get("stale_replicas"))
    silent = f", {stale:.0f} of them silent" if stale else ""
    rows.append(("replicas", f"{wording.count(summary.get('replicas'))}{silent}"))
    return grid(rows, bold=True)


def _counted(marks: dict[str, Mark], counts: Json, paint: Paint) -> Text:
    """Return counts by state, the worst first, then those that this version does not know."""
    known = [name for name in marks if name in counts] + [name for name in counts if name not in marks]
    texts = []
    for name in known:
        mark = mark_of(marks, name)
        texts.append(Text(f"{mark.shape} {wording.count(counts[name])} {mark.word}", style=paint.style(mark.tone)))
    return Text("   ").join(texts) if texts else Text("none", style=paint.style(Tone.QUIET))


def _names(found: object, paint: Paint) -> Text:
    names = [plain(name) for name in found] if isinstance(found, list) else []
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return Text(", ".join(names[:SHOWN]) + more, style=paint.style(Tone.BAD))


def _capacity(found: object, paint: Paint) -> list[tuple[str, str | Text]]:
    """Return a row for each part that acts; none when all is calm."""
    told = [plain(text) for text in found] if isinstance(found, list) else []
    lines = told[:SHOWN] + ([f"and {len(told) - SHOWN} more"] if len(told) > SHOWN else [])
    style = paint.style(Tone.WARNING)
    return [("capacity" if place == 0 else "", Text(line, style=style)) for place, line in enumerate(lines)]


def _recoveries(summary: Json) -> str:
    found = parts(summary, "recoveries")
    shown = (
        f"{plain(item.get('service'))} ({plain(item.get('status'))}, for {wording.age(item.get('started_at'))})"
        for item in found[:SHOWN]
    )
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(shown) + more or "none running"


def _incidents(summary: Json, declared: Mapping[str, object], paint: Paint) -> list[Text | Table]:
    found = parts(summary, "incidents")
    if not found:
        return [Text("● No open incidents.", style=paint.style(Tone.GOOD))]
    rows = [
        (
            severity(item, paint),
            paint.mark(mark_of(INCIDENTS, item.get("state"))),
            wording.age(item.get("declared_at") or declared.get(str(item.get("id")))),
            plain(item.get("target")),
            plain(item.get("failure_type")),
            plain(item.get("detail")),
        )
        for item in found[:SHOWN]
    ]
    table = grid(rows, headings=("Severity", "State", "For", "Target", "Failure", "Detail"))
    more = [Text(f"and {len(found) - SHOWN} more: press 3")] if len(found) > SHOWN else []
    return [paint.bold(f"Open incidents ({len(found)})"), table, *more]


def severity(item: Json, paint: Paint) -> Text:
    """Return how bad an incident is, 1 being the worst."""
    level = wording.number(item.get("severity"))
    tone = Tone.QUIET if level is None or level > 3 else Tone.BAD if level < 2 else Tone.WARNING
    return Text(f"SEV {plain(item.get('severity'))}", style=paint.style(tone))
