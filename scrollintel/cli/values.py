"""How the values of arguments are read: configurations, durations, moments, grants."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|min|h|d)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_MAX_SECONDS = 100 * 365 * 86_400.0
_MAX_INPUT = 1024 * 1024


def duration(text: str) -> float:
    """Return seconds from a text such as `90`, `90s`, `15m`, `2h` or `7d`."""
    found = _DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * _SECONDS[found[2] or ""] if found else -1.0
    if not 0 <= seconds <= _MAX_SECONDS:
        raise click.BadParameter(f"{text!r} is not a duration such as 90s, 15m, 2h or 7d")
    return seconds


def moment(text: str) -> str:
    """Return RFC 3339 in UTC from a moment (RFC 3339; without a zone it is UTC) or a duration that is the past."""
    if _DURATION.fullmatch(text.strip()):
        at = datetime.now(UTC) - timedelta(seconds=duration(text))
    else:
        try:
            at = datetime.fromisoformat(text.strip())
            at = (at.replace(tzinfo=UTC) if at.tzinfo is None else at).astimezone(UTC)
        except (ValueError, OverflowError):
            wanted = "is neither a time such as 2026-01-31T12:00:00Z nor a duration such as 2h"
            raise click.BadParameter(f"{text!r} {wanted}") from None
    return at.isoformat().replace("+00:00", "Z")


class DurationType(click.ParamType[float]):
    """A duration."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        return value if isinstance(value, float) else duration(value)


class MomentType(click.ParamType[str]):
    """A moment."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return RFC 3339 in UTC."""
        return moment(value)


DURATION = DurationType()
MOMENT = MomentType()


def json_or_text(text: str) -> Any:  # Any: JSON values
    """Return a JSON value, or the text itself when it is none: `3`, `true`, `[1]`, but also `enabled`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def assignments(pairs: Sequence[str]) -> dict[str, Any]:  # Any: JSON values
    """Return `KEY=VALUE` pairs as an object; `retry.max_attempts=3` sets a field inside `retry`."""
    result: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        names = key.strip().split(".")
        if not separator or not all(names):
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE")
        place = result
        for name in names[:-1]:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise click.BadParameter(f"{pair!r} sets a field of what is no object")
        place[names[-1]] = json_or_text(text)
    return result


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON values
    """Return `base` with the fields of `change`; objects are merged field by field."""
    result = dict(base)
    for key, value in change.items():
        former = result.get(key)
        result[key] = merged(former, value) if isinstance(former, dict) and isinstance(value, dict) else value
    return result


def document(file: str | None) -> dict[str, Any]:  # Any: JSON values
    """Return the object in a JSON or TOML file; `-` is standard input, None is empty."""
    if file is None:
        return {}
    try:
        text = sys.stdin.read(_MAX_INPUT + 1) if file == "-" else _read(Path(file).expanduser())
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise click.BadParameter(f"{file} cannot be read: {reason.lower()}") from None
    if len(text) > _MAX_INPUT:
        raise click.BadParameter(f"{file} has more than {_MAX_INPUT} characters")
    try:
        found = tomllib.loads(text) if file.endswith(".toml") else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"{file} is not valid: {error}") from None
    if not isinstance(found, dict):
        raise click.BadParameter(f"{file} does not hold an object")
    return found


def _read(path: Path) -> str:
    with path.open(encoding="utf-8") as stream:
        return stream.read(_MAX_INPUT + 1)


def binding(text: str) -> dict[str, Any]:  # Any: JSON values
    """Return a grant from `ROLE` (every service) or `ROLE:SERVICE,SERVICE`."""
    role, separator, services = text.partition(":")
    names = [name.strip() for name in services.split(",") if name.strip()]
    if not role.strip() or (separator and not names):
        raise click.BadParameter(f"{text!r} is not ROLE or ROLE:SERVICE,SERVICE")
    return {"role": role.strip(), "services": names or ["*"]}
