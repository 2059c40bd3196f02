"""The tables `[runbooks]` and `[[notifications]]`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..core.config.base import NAME_ALLOWED, name_problem
from ..core.errors import ConfigError
from ..recovery.runbook import Runbook
from ..telemetry.notify.config import CHANNEL_KINDS, ChannelConfig
from .document import Document
from .findings import Findings
from .layers import beside

_UNKNOWN = "one of the known fields: "


def read_runbooks(document: Document, findings: Findings) -> Mapping[str, Runbook]:
    """Return the programs that recoveries may run, by name; every mistake is noted in `findings`."""
    table = document.content.get("runbooks", {})
    if not isinstance(table, dict):
        findings.add(document.where(("runbooks",)), table, "tables headed [runbooks.NAME]")
        return MappingProxyType({})
    found: dict[str, Runbook] = {}
    for name, row in table.items():
        if name_problem(name) or not isinstance(row, dict):
            findings.add(
                document.where(("runbooks", name)), name, f"a table with the name of a runbook: {NAME_ALLOWED}"
            )
            continue
        values = dict(row)
        if isinstance(values.get("directory"), str) and document.path is not None:
            values["directory"] = beside(document.path, values["directory"])
        try:
            found[name] = Runbook.from_dict(values)
        except ConfigError as error:
            _take(document, ("runbooks", name), error, findings)
    return MappingProxyType(found)


def read_notifications(document: Document, findings: Findings) -> tuple[ChannelConfig, ...]:
    """Return the channels through which people are told; every mistake is noted in `findings`."""
    rows = document.content.get("notifications", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        findings.add(document.where(("notifications",)), rows, "tables headed [[notifications]]", secret=True)
        return ()
    found: list[ChannelConfig] = []
    for index, row in enumerate(rows):
        kind = row.get("kind")
        if not isinstance(kind, str) or kind not in CHANNEL_KINDS:
            allowed = f"one of {', '.join(CHANNEL_KINDS)}"
            findings.add(document.where(("notifications", index, "kind")), kind, allowed)
            continue
        try:
            found.append(CHANNEL_KINDS[kind].from_dict({key: value for key, value in row.items() if key != "kind"}))
        except ConfigError as error:
            _take(document, ("notifications", index), error, findings)
    return tuple(found)


def _take(document: Document, path: tuple[str | int, ...], error: ConfigError, findings: Findings) -> None:
    for violation in error.violations:
        where = document.where((*path, *violation.field.split(".")))
        # Whoever misspells a key may have written a secret behind it, and so may a header or an address.
        secret = violation.allowed.startswith(_UNKNOWN) or violation.field.split(".")[0] in {"headers", "url"}
        findings.add(where, violation.value, violation.allowed, secret=secret)
