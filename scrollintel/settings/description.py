"""What can be set: every table and key with its variable, default, allowed values and meaning."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..core.config.base import Config
from .layers import RETENTION, variable
from .loading import retention_class
from .sections import SECTIONS

_ARGUMENT = re.compile(r"^ {4}(\w+(?:, \w+)*): (.+)$")
_SHOWN_ELSEWHERE = re.compile(r"[;,] (?:at least|[\d.,]+ to|above|by default|default) .*?(?=\.(?:\s|$))")


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """One setting.

    Attributes:
        table, key: Where it stands in `scrollintel.toml`.
        variable: The environment variable that sets it too.
        default: As a JSON value; None means that it is left out.
        allowed: Type and range in words, with the unit.
        unit: Of a number, such as "seconds"; "" for none.
        meaning: What it does, without default and range.
        secret: Whether it may hold a secret and is never shown whole.
    """

    table: str
    key: str
    variable: str
    default: Any  # Any: JSON values of mixed types
    allowed: str
    unit: str
    meaning: str
    secret: bool

    @property
    def name(self) -> str:
        """Table and key, as errors and `scrollintel config` name the setting."""
        return f"{self.table}.{self.key}"


def describe() -> tuple[SettingDescription, ...]:
    """Return every setting, table by table; without the extra `server` those of `retention` are not known."""
    return tuple(_described())


def _described() -> Iterator[SettingDescription]:
    classes: dict[str, type[Config] | None] = {**SECTIONS, RETENTION: retention_class()}
    for table, kind in classes.items():
        if kind is None:
            continue
        said = meanings(kind)
        for key, facts in kind.describe().items():
            yield SettingDescription(
                table=table,
                key=key,
                variable=variable(table, key),
                default=facts["default"],
                allowed=facts["allowed"],
                unit=facts["unit"],
                meaning=said.get(key, ""),
                secret=bool(kind.__dataclass_fields__[key].metadata.get("secret")),
            )


def meanings(kind: type[Config]) -> dict[str, str]:
    """Return what docstrings say of a class's arguments and of those of its base, without what `describe` says."""
    base = kind.__base__
    found = meanings(base) if base is not None and issubclass(base, Config) else {}
    _, _, arguments = inspect.cleandoc(kind.__doc__ or "").partition("Arguments:\n")
    names: list[str] = []
    for line in arguments.splitlines():
        started = _ARGUMENT.match(line)
        if started is not None:
            names = started[1].split(", ")
            found.update(dict.fromkeys(names, started[2]))
        elif line.startswith(" " * 8):
            found.update({name: f"{found[name]} {line.strip()}" for name in names})
        else:
            names = []
    return {name: _SHOWN_ELSEWHERE.sub("", text) for name, text in found.items()}
