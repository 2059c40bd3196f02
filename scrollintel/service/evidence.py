"""The calls that decided a circuit's state, as a replica tells them: read without trust in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isfinite
from typing import Any

from ..core.evidence import OUTCOMES, RULES
from ..core.outcome import MOST_TOLD

MAX_SPANS = 10
MAX_ERROR = 200
_MOST_CALLS = 2**53
_LATEST = 2**33
Json = dict[str, Any]  # Any: JSON values


class _UnreadableError(Exception):
    """It is not what a replica of any version tells."""


def evidence_text(value: object) -> str | None:
    """Return what `Evidence.to_dict` gives, and nothing else, as compact JSON; None for anything that is not that.

    A change of state is kept without what decided it rather than lost.
    """
    try:
        return json.dumps(_evidence(value), ensure_ascii=False, separators=(",", ":"))
    except _UnreadableError:
        return None


def _evidence(value: object) -> Json:
    found = _object(value)
    return {
        "rule": _one_of(found.get("rule"), RULES),
        **{name: _count(found.get(name)) for name in ("total", "failures", "slow")},
        "calls": _list(found.get("calls"), MOST_TOLD, _call),
        "spans": _list(found.get("spans"), MAX_SPANS, _span),
    }


def _call(found: Json) -> Json:
    error = found.get("error")
    if error is not None and (not isinstance(error, str) or len(error) > MAX_ERROR or not error.isprintable()):
        raise _UnreadableError
    return {
        "outcome": _one_of(found.get("outcome"), OUTCOMES),
        "error": error,
        "at": None if found.get("at") is None else _number(found.get("at")),
        "seconds": None if found.get("seconds") is None else _number(found.get("seconds")),
    }


def _span(found: Json) -> Json:
    counts = {name: _count(found.get(name)) for name in ("calls", "failures", "slow")}
    return {"start": _number(found.get("start")), **counts}


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise _UnreadableError
    return value


def _list(value: object, most: int, read: Callable[[Json], Json]) -> list[Json]:
    if not isinstance(value, list) or len(value) > most:
        raise _UnreadableError
    return [read(_object(item)) for item in value]


def _one_of(value: object, words: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in words:
        raise _UnreadableError
    return value


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < _MOST_CALLS:
        raise _UnreadableError
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or not 0 <= value < _LATEST:
        raise _UnreadableError
    return float(value)
