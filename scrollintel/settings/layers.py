"""Puts the sources of settings on top of each other, remembering where each value comes from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.config.known_names import one_of
from .document import Document
from .findings import Findings
from .sections import SECTIONS

PREFIX = "SCROLLINTEL_"
RETENTION = "retention"

Value = tuple[Any, str]
"""A value and where it was set."""
Layers = dict[str, dict[str, Value]]
"""The values in force, by table and key."""


def variable(section: str, key: str) -> str:
    """Return the environment variable of a setting, such as SCROLLINTEL_SERVER_PORT."""
    return f"{PREFIX}{section}_{key}".upper()


def collect(
    document: Document, environment: Mapping[str, str], overrides: Mapping[str, object], findings: Findings
) -> Layers:
    """Return the last value given of every setting; unknown tables, keys and variables are noted in `findings`."""
    layers: Layers = {section: {} for section in (*SECTIONS, RETENTION)}
    for section, values in layers.items():
        _from_file(document, section, values, findings)
        _from_environment(environment, section, values, findings)
    for dotted, value in overrides.items():
        section, _, key = dotted.partition(".")
        layers[section][key] = (value, f"command line {dotted}")
    return layers


def _from_file(document: Document, section: str, values: dict[str, Value], findings: Findings) -> None:
    table = document.content.get(section, {})
    if not isinstance(table, dict):
        findings.add(document.where((section,)), table, f"a table headed [{section}]", secret=True)
        return
    fields = {} if section == RETENTION else {item.name: item for item in dataclasses.fields(SECTIONS[section])}
    for key, value in table.items():
        where = document.where((section, key))
        metadata = fields[key].metadata if key in fields else {}
        if metadata.get("path") and isinstance(value, str) and document.path is not None and value.strip():
            value = beside(document.path, value)
        values[key] = (value, where)


def beside(file: Path, value: str) -> str:
    """Return a path of the settings file, which starts at the file's folder unless it is absolute or a home."""
    return value if value.startswith(("~", "/")) else str(file.absolute().parent / value)


def _from_environment(
    environment: Mapping[str, str], section: str, values: dict[str, Value], findings: Findings
) -> None:
    prefix = variable(section, "")
    if section == RETENTION:
        known: dict[str, dataclasses.Field[Any]] = {}
    else:
        known = {variable(section, item.name): item for item in dataclasses.fields(SECTIONS[section])}
    for name, text in sorted(environment.items()):
        if not name.startswith(prefix):
            continue
        if section == RETENTION:
            values[name.removeprefix(prefix).lower()] = (_number(text), name)
        elif name not in known:
            findings.add(name, text, one_of(known, name, "variables"), secret=True)
        elif text.strip():  # an empty variable is the usual way to unset one
            values[known[name].name] = (known[name].metadata.get("parse", str)(text), name)


def _number(text: str) -> object:
    try:
        return int(text) if text.strip().lstrip("-").isdigit() else float(text)
    except ValueError:
        return text
