"""The tables of these pages that say what the code says: `python docs/tables.py` writes them anew.

A table stands between two markers, `<!-- table: NAME -->` and `<!-- end of table -->`. All of its columns but the last
come from the code. The last column, when it is called Meaning, is written by hand and kept, row by row, unless the code
says what a row means. Those of the control plane are made in `docs/control_plane.py`, those of
checks and strategies in `docs/kinds.py`, those of metrics in `docs/metrics.py`.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docs import control_plane, kinds, metrics
from docs.table import Row, Table, default
from scrollintel.core import config, errors, events, snapshot
from scrollintel.core.checking.findings import CODES
from scrollintel.core.config.order import _RULES
from scrollintel.core.errors import ScrollIntelError
from scrollintel.recovery.runbook import Runbook
from scrollintel.recovery.target import Check, Heartbeat, Limits, Process, Remedy, Target, Window
from scrollintel.settings.description import meanings
from scrollintel.settings.replicas import Replica
from scrollintel.simulation import scenario as simulated
from scrollintel.simulation.recording import Recorded
from scrollintel.telemetry.notify.config import CHANNEL_KINDS
from scrollintel.telemetry.otel.attributes import ATTRIBUTES

DOCS = Path(__file__).parent
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def _default(facts: dict[str, Any]) -> str:  # Any: JSON values of mixed types
    return "required" if facts["required"] else default(facts["default"], str(facts["unit"]))


def _config(name: str) -> Table:
    described = getattr(config, name).describe()
    rows = [(f"`{field}`", _default(facts), facts["allowed"]) for field, facts in described.items() if field != "_"]
    return Table(("Field", "Default", "Allowed"), rows)


def _events() -> Table:
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)]
    common = {field.name for field in dataclasses.fields(events.Event)}
    rows = []
    for kind in kinds:
        if kind is not events.Event:
            own = [f"`{field.name}`" for field in dataclasses.fields(kind) if field.name not in common]
            rows.append((f"`{kind.__name__}`", f"`{kind.event_name}`", kind.severity.value, ", ".join(own)))
    return Table(("Event", "Name", "Severity", "Fields"), rows)


_EXAMPLES: dict[str, ScrollIntelError] = {
    "ConfigError": errors.ConfigError("Policy", []),
    "CallTimeoutError": errors.CallTimeoutError("orders", 1.0),
    "StepFailedError": errors.StepFailedError("restart", "act", "the command failed"),
    "NotFoundError": errors.NotFoundError("policy", "orders"),
}


def _errors() -> Table:
    rows = []
    for code, kind in errors.ERROR_CODES.items():
        if issubclass(kind, errors.RejectedError):
            example: ScrollIntelError = kind("orders", 1.0)
        else:
            example = _EXAMPLES.get(kind.__name__) or kind("text")
        parents = ", ".join(f"`{parent.__name__}`" for parent in kind.__bases__)
        details = ", ".join(f"`{key}`" for key in example.details) or "none"
        rows.append((f"`{kind.__name__}`", f"`{code}`", parents, details))
    return Table(("Error", "`code`", "Is also a", "Keys of `details`"), rows)


def _fields(kind: type) -> Callable[[], Table]:
    def table() -> Table:
        return Table(("Field",), [(f"`{field.name}`",) for field in dataclasses.fields(kind)])

    return table


def _order() -> Table:
    rows = [(f"`{outer}`", f"`{inner}`", reason) for outer, inner, reason in _RULES]
    return Table(("Must stand outside", "of", "because otherwise"), rows, described=False)


def _findings() -> Table:
    rows = [(f"`{code}`", kind.severity.value) for code, kind in CODES.items()]
    return Table(("Code", "Severity"), rows, meanings={f"`{code}`": kind.meaning for code, kind in CODES.items()})


def _attributes() -> Table:
    rows = [(f"`{one.name}`", one.kind, one.stands_on) for one in ATTRIBUTES]
    meanings = {f"`{one.name}`": one.meaning for one in ATTRIBUTES}
    return Table(("Attribute", "Type", "On"), rows, meanings=meanings)


_KINDS: dict[str, Callable[[], Table]] = {
    "attributes": _attributes,
    "events": _events,
    "errors": _errors,
    "findings": _findings,
    "order": _order,
    "Tally": _fields(snapshot.Tally),
    "CircuitSnapshot": _fields(snapshot.CircuitSnapshot),
    "PolicySnapshot": _fields(snapshot.PolicySnapshot),
}


_DECLARED = (
    Target, Check, Heartbeat, Process, Remedy, Limits, Window, Replica, Runbook, *CHANNEL_KINDS.values(),
    simulated.ArrivalsConfig, simulated.ArrivalChange, simulated.ClientsConfig, simulated.ServiceConfig,
    simulated.ServiceChange, simulated.Expectation, Recorded,
)  # fmt: skip
"""What tables of `scrollintel.toml` hold that may stand there any number of times, and those of scenarios."""


def _declared(name: str) -> Table:
    (kind,) = (kind for kind in _DECLARED if kind.__name__ == name)
    said = meanings(kind)
    rows = [(f"`{field}`", _default(facts), facts["allowed"]) for field, facts in kind.describe().items()]
    return Table(
        ("Field", "Default", "Allowed"), rows, meanings={row[0]: said.get(row[0].strip("`"), "") for row in rows}
    )


def build(name: str) -> Table:
    """Return the table of a marker; raises AttributeError for a name that is neither a kind nor a configuration."""
    kind, _, what = name.partition("_")
    if kind == "declared":
        return _declared(what)
    for others in (control_plane.KINDS, kinds.KINDS, metrics.KINDS):
        if kind in others:
            return others[kind](what)
    return _KINDS[name]() if name in _KINDS else _config(name)


def cells(line: str) -> Row:
    """Return the cells of one line of a table."""
    return tuple(cell.strip() for cell in line.strip().strip("|").split(" | "))


def renewed(text: str) -> str:
    """Return a page with its tables as the code has them."""

    def table(match: re.Match[str]) -> str:
        lines = [cells(line) for line in match.group(0).splitlines() if line.startswith("| ")]
        meanings = {row[0]: row[-1] for row in lines[2:] if lines[0][-1] == "Meaning"}
        return match.group(1) + build(match.group(2)).text(meanings) + match.group(3)

    return BLOCK.sub(table, text)


def main() -> int:
    """Write all pages whose tables have changed and tell which."""
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        new = renewed(text)
        if new != text:
            page.write_text(new, encoding="utf-8")
            sys.stdout.write(f"{page.relative_to(DOCS)}: written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
