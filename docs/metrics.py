"""The tables of the page about metrics: every family of a process and of the control plane; see `docs/tables.py`."""

from __future__ import annotations

from collections.abc import Callable

from docs.table import Row, Table
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


KINDS: dict[str, Callable[[str], Table]] = {"metrics": _metrics}
