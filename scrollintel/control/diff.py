"""What differs between two configurations, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs; `old` or `new` is None where the field is absent."""

    field: str
    old: Any  # Any: a JSON value
    new: Any  # Any: a JSON value


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:  # Any: JSON values
    """Return the fields that differ, by their path such as "breaker.timeout", in the order of the paths."""
    return sorted(_walk("", old, new), key=lambda difference: difference.field)


def _walk(prefix: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in old.keys() | new.keys():
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        path = f"{prefix}{name}"
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _walk(f"{path}.", before, after)
        else:
            yield Difference(path, before, after)
