"""What a `[[services]]` table says of watching and repairing, read into targets."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError
from ..recovery.target import Check, Mode, Remedy, Target
from .kind_options import Report, check_kind, check_options, remedy_options
from .layers import beside
from .placeholders import UnknownPlaceholder, as_text, filled
from .replicas import Replica, read_replicas

SERVICE_KEYS = ("name", "tier", "owner", "description", "depends_on")
"""What makes a service known, watched or not."""
TARGET_KEYS = (
    "group",
    "region",
    "mode",
    "degrade_to",
    "traffic_share",
    "objective",
    "checks",
    "heartbeat",
    "process",
    "unit",
    "strategies",
    "limits",
    "windows",
    "replicas",
)
"""What says how it is watched and repaired."""
_WATCHED = ("checks", "heartbeat", "process", "unit")
_OF_TEXTS = ("process", "unit")
"""Keys that hold texts only, in which a number is written out."""
_OF_STRATEGIES = frozenset({"host", "port"})
"""Placeholders that strategies fill themselves, such as those of the address at which a failover probes."""
_PATHS = ("directory", "pidfile", "log")
_CHECK_KEYS = tuple(item.name for item in dataclasses.fields(Check))
_REMEDY_KEYS = tuple(item.name for item in dataclasses.fields(Remedy))

Values = dict[str, Any]  # Any: TOML values of mixed types


def read_targets(row: Mapping[str, Any], mode: Mode, location: str, file: Path, report: Report) -> list[Target]:
    """Return the targets of one service: one, one for each replica, or none when nothing of it is watched.

    Arguments:
        row: The table, whose own keys (name, tier, owner, depends_on) are known to be right.
        mode: What holds for a service that names none.
        location: File and line of the table.
        file: The settings file; relative paths start at its folder.
        report: Takes each mistake: path within the table, value, what is allowed.
    """
    once = _once(report)
    replicas = read_replicas(row.get("replicas", []), once)
    base = _base(row, mode, location, file, once)
    found = [_target(values, once) for values in _expanded(row, base, replicas, once)]
    return [target for target in found if target is not None] if any(key in row for key in _WATCHED) else []


def path_of(field: str) -> tuple[str | int, ...]:
    """Return a field such as `checks[0].url` as a path."""
    parts = re.findall(r"\[(\d+)\]|([^.\[\]]+)", field)
    return tuple(int(index) if index else name for index, name in parts if name != "(root)")


def _once(report: Report) -> Report:
    """Return the same that tells a mistake that all replicas share only once."""
    told: set[tuple[str | int, ...]] = set()

    def tell(path: tuple[str | int, ...], value: object, allowed: str, *, secret: bool = False) -> None:
        if path not in told:
            told.add(path)
            report(path, value, allowed, secret=secret)

    return tell


def _base(row: Mapping[str, Any], mode: Mode, location: str, file: Path, report: Report) -> Values:
    values: Values = {key: row[key] for key in TARGET_KEYS if key in row and key != "replicas"}
    values.update({key: row[key] for key in ("tier", "owner", "depends_on") if key in row})
    values.setdefault("mode", mode)
    values.update(name=row["name"], service=row["name"], location=location)
    if isinstance(row.get("checks"), list):
        values["checks"] = [_check(item) if isinstance(item, dict) else item for item in row["checks"]]
    if isinstance(row.get("strategies"), dict):
        values["strategies"] = {name: _chain(listed) for name, listed in row["strategies"].items()}
    process = row.get("process")
    if isinstance(process, dict):
        places = {key: beside(file, process[key]) for key in _PATHS if isinstance(process.get(key), str)}
        values["process"] = {**process, **places}
    for index, check in enumerate(values["checks"] if isinstance(values.get("checks"), list) else ()):
        if isinstance(check, dict):
            check_kind(index, check, report)
    return values


def _check(row: Values) -> Values:
    """Return a check whose further keys are the options of its kind."""
    check = _with_options(row, _CHECK_KEYS)
    if "kind" in check:
        check.setdefault("name", check["kind"])
    return check


def _chain(listed: object) -> object:
    if not isinstance(listed, list):
        return listed
    return [_with_options(item, _REMEDY_KEYS) if isinstance(item, dict) else item for item in listed]


def _with_options(row: Values, common: tuple[str, ...]) -> Values:
    given = row.get("options", {})
    if not isinstance(given, dict):
        return dict(row)
    options = {**given, **{key: value for key, value in row.items() if key not in common}}
    return {**{key: value for key, value in row.items() if key in common}, "options": options}


def _expanded(row: Mapping[str, Any], base: Values, replicas: list[Replica], report: Report) -> list[Values]:
    if not row.get("replicas"):
        return [base]
    found: list[Values] = []
    for replica in replicas:
        values = {**base, "name": f"{row['name']}/{replica.name}", "group": base.get("group", row["name"])}
        if replica.region is not None:
            values["region"] = replica.region
        variables = {**replica.variables, "replica": replica.name}
        try:
            if "checks" in base:
                values["checks"] = filled(base["checks"], variables)
            written = {key: as_text(value) for key, value in variables.items()}
            values.update({key: filled(base[key], written) for key in _OF_TEXTS if key in base})
            if "strategies" in base:
                open_to = {key: value for key, value in variables.items() if key not in _OF_STRATEGIES}
                values["strategies"] = filled(base["strategies"], open_to, strict=False)
        except UnknownPlaceholder as unknown:
            known = ", ".join(f"{{{name}}}" for name in sorted(variables))
            report(("replicas", replicas.index(replica), "variables"), f"{{{unknown}}} is used", f"one of {known}")
            continue
        found.append(values)
    return found


def _target(values: Values, report: Report) -> Target | None:
    try:
        target = Target.from_dict(values)
    except ConfigError as error:
        for violation in error.violations:
            report(path_of(violation.field), violation.value, violation.allowed)
        return None
    good = [check_options(index, check, _CHECK_KEYS, report) for index, check in enumerate(target.checks)]
    good += [
        remedy_options((failure, index), remedy, _REMEDY_KEYS, report)
        for failure, chain in target.strategies.items()
        for index, remedy in enumerate(chain)
    ]
    return target if all(good) else None
