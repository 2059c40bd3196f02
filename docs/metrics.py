"""The tables of the pages about metrics and capacity: every family, and every kind of part; see `docs/tables.py`."""

from __future__ import annotations

from collections.abc import Callable

from docs.table import Row, Table
from scrollintel.control.capacity import DERIVED
from scrollintel.control.capacity import KINDS as PARTS
from scrollintel.telemetry.exposition import Definition, Kind
from scrollintel.telemetry.families import LIBRARY
from scrollintel.telemetry.platform_families import OWN

NOTHING = "–"
_FAMILIES = {"process": LIBRARY, "platform": OWN}


def _labels(definition: Definition) -> str:
    """Return the labels of a family; of those whose values are always the same, the values."""
    found = [f"`{name}`" for name in definition.labels]
    if definition.split is not None:
        name, values = definition.split
        found.append(f"`{name}` ({', '.join(values)})")
    if definition.kind is Kind.HISTOGRAM:
        found.append("`le`")
    return ", ".join(found) or NOTHING


def _metrics(which: str) -> Table:
    rows: list[Row] = []
    meanings = {}
    for definition in _FAMILIES[which]:
        name = f"`{definition.name}`"
        rows.append((name, definition.kind.value, definition.unit or NOTHING, _labels(definition)))
        meanings[name] = definition.help
    return Table(("Metric", "Type", "Unit", "Labels"), rows, meanings=meanings)


def _capacity(_: str) -> Table:
    """Return the kinds of parts: their states, the worst first, and their figures with how replicas add up."""
    rows: list[Row] = []
    for name, kind in PARTS.items():
        states = ", ".join(f"{state}" if state in kind.calm else f"**{state}**" for state in kind.states)
        figures = [f"`{figure}` ({together.value})" for figure, together in kind.figures.items()]
        figures += [f"`{figure}`" for figure in DERIVED.get(name, ())]
        rows.append((f"`{name}`", states, ", ".join(figures)))
    return Table(("Kind", "States", "Figures"), rows)


KINDS: dict[str, Callable[[str], Table]] = {"metrics": _metrics, "capacity": _capacity}
