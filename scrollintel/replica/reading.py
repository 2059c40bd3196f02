"""Reading what the other side says, without trust in it; both sides do it here.

Unknown fields, unknown kinds and further items of rows are ignored, so that versions one apart understand each other.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from ..core.config.base import MAX_NAME_LENGTH, name_problem
from ..core.endpoints import check_address
from ..core.errors import ConfigError
from ..core.machines.sketch import CLASSIC_BOUNDS
from ..core.states import CircuitState
from .parts import PART_KINDS, PartReport
from .protocol import (
    MAX_BODY,
    MAX_TEXT,
    Change,
    CircuitReport,
    Desired,
    EndpointOrder,
    Heard,
    Joined,
    LevelOrder,
    LevelReport,
    Order,
    PolicyOrder,
    PolicyReport,
    ProtocolError,
)

MAX_DEPTH = 20
LONGEST_WAIT = 2.0**33
"""Seconds that an open circuit may have left; a calendar holds the moment at which they end."""
"""Levels of objects and lists within each other at most."""
STATES = frozenset(state.value for state in CircuitState)
T = TypeVar("T")


def decode(body: bytes) -> dict[str, Any]:  # Any: JSON values of mixed types
    """Return the object in a message; raises ProtocolError when it is too large or too deep, or none."""
    if len(body) > MAX_BODY:
        raise ProtocolError("the message is too large")
    try:
        found = json.loads(body, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        raise ProtocolError("the message is no JSON") from None
    if not isinstance(found, dict):
        raise ProtocolError("the message is no JSON object")
    level: list[Any] = [found]
    for _ in range(MAX_DEPTH):
        level = [item for value in level for item in (value.values() if isinstance(value, dict) else value)]
        level = [item for item in level if isinstance(item, dict | list)]
        if not level:
            return found
    raise ProtocolError("the message is too deep")


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def read_joined(data: Mapping[str, Any]) -> Joined:
    """Return the answer to a join; raises ProtocolError."""
    replica = _text(data, "replica")
    if not replica.replace("-", "").replace("_", "").isalnum() or len(replica) > 200:
        raise ProtocolError("replica is no identifier")
    return Joined(
        replica=replica,
        sequence=_whole(data, "sequence"),
        push_interval=min(60.0, max(0.1, _number(data, "push_interval", 1.0))),
        poll_wait=min(300.0, max(0.0, _number(data, "poll_wait", 25.0))),
        # Two reports may get lost or be late before the replica is taken for silent.
        quiet=min(300.0, max(0.0, _number(data, "stale_after", 0.0) / 3.0)),
        desired=read_desired(_object(data, "desired")),
    )


def read_heard(data: Mapping[str, Any]) -> Heard:
    """Return the answer to a listen; raises ProtocolError."""
    sequence = _whole(data, "sequence")
    if data.get("desired") is not None:
        return Heard(sequence, desired=read_desired(_object(data, "desired")))
    changes = data.get("changes", [])
    if not isinstance(changes, list):
        raise ProtocolError("changes is no list")
    found = (read_change(item) for item in changes)
    return Heard(sequence, tuple(change for change in found if change is not None))


def read_desired(data: Mapping[str, Any]) -> Desired:
    """Return what is wanted; an order may be one object or a list of such. Raises ProtocolError."""
    orders: list[Order] = []
    for name, given in _object(data, "orders", optional=True).items():
        for item in given if isinstance(given, list) else [given]:
            if _mapping(item).get("order", "isolate") in ("isolate", "isolated"):
                key, sequence = _key(item), _whole(item, "sequence", 0)
                orders.append(Order(_named(name), key, _reason(item), sequence))
    return Desired(
        policies={name: _policy(name, item) for name, item in _object(data, "policies", optional=True).items()},
        orders=tuple(orders),
        levels={name: _level(name, item) for name, item in _object(data, "levels", optional=True).items()},
        endpoints={name: _endpoint(name, item) for name, item in _object(data, "endpoints", optional=True).items()},
    )


def read_change(item: object) -> Change | None:
    """Return one increment, or None when a newer version made it up; raises ProtocolError."""
    data = _mapping(item)
    sequence, kind = _whole(data, "sequence"), _text(data, "kind")
    if kind == "policy":
        name = _named(data.get("name"))
        return Change(sequence, kind, name, policy=_policy(name, data))
    if kind == "policy_removed":
        return Change(sequence, kind, _named(data.get("name")))
    if kind in ("isolate", "close", "reset"):
        return Change(sequence, kind, _named(data.get("name")), _key(data), _reason(data))
    if kind == "level":
        service = _named(data.get("service"))
        return Change(sequence, kind, service, reason=_reason(data), level=_level(service, data))
    if kind == "restore":
        return Change(sequence, kind, _named(data.get("service")), reason=_reason(data))
    if kind == "endpoint":
        name = _named(data.get("name"))
        return Change(sequence, kind, name, reason=_reason(data), endpoint=_endpoint(name, data))
    if kind == "endpoint_released":
        return Change(sequence, kind, _named(data.get("name")))
    return None


def read_rows(rows: object, kind: Callable[..., T], types: tuple[tuple[type, ...], ...], least: int) -> list[T]:
    """Return the rows of a report as `kind`; raises ProtocolError on a wrong type or a row that is too short."""
    if not isinstance(rows, list):
        raise ProtocolError("rows are no list")
    found: list[T] = []
    for row in rows:
        if not isinstance(row, list) or len(row) < least or not isinstance(row[0], str) or name_problem(row[0]):
            raise ProtocolError("a row is malformed")
        if any(isinstance(value, str) and (len(value) > MAX_TEXT or "\x00" in value) for value in row[: len(types)]):
            raise ProtocolError("a text in a row is too long or holds NUL")
        for value, allowed in zip(row, types, strict=False):
            fits = isinstance(value, allowed) and isinstance(value, bool) <= (bool in allowed)
            if not fits or (isinstance(value, float) and not math.isfinite(value)):
                raise ProtocolError("a value in a row has the wrong type")
            if allowed == _INT and not 0 <= value < 2**53:
                raise ProtocolError("a number in a row is no count")
        found.append(kind(*row[: len(types)]))
    return found


_NONE = type(None)
_NUM, _OPT, _TEXT, _OPT_TEXT, _INT = (int, float), (int, float, _NONE), (str,), (str, _NONE), (int,)
_CIRCUIT = (
    _TEXT, _OPT_TEXT, _TEXT, _TEXT, _NUM, _OPT, *([_INT] * 10), *([_OPT] * 5), _OPT_TEXT, _OPT, _INT,
    (list, _NONE),
)  # fmt: skip
_POLICY: tuple[tuple[type, ...], ...] = (
    _TEXT, _INT, *([_OPT] * 4), *([_INT] * 8), *([_OPT] * 7), _INT, _INT,
)  # fmt: skip
_BUCKETS = len(CLASSIC_BOUNDS) + 1
_LEVEL: tuple[tuple[type, ...], ...] = (_TEXT, _INT, _TEXT, (bool,), _NUM)


def read_circuits(rows: object) -> list[CircuitReport]:
    """Return the circuits of a report; raises ProtocolError."""
    found: list[CircuitReport] = read_rows(rows, CircuitReport, _CIRCUIT, 24)
    if any(circuit.key is not None and len(circuit.key) > MAX_NAME_LENGTH for circuit in found):
        raise ProtocolError("a key is too long")
    if any(circuit.retry_after is not None and abs(circuit.retry_after) > LONGEST_WAIT for circuit in found):
        raise ProtocolError("a wait is too long")
    if any(circuit.state not in STATES for circuit in found):
        raise ProtocolError("a circuit is in no known state")
    for place, circuit in enumerate(found):
        if circuit.buckets is not None:
            if not all(type(count) is int and 0 <= count < 2**53 for count in circuit.buckets):
                raise ProtocolError("response times are no counts")
            if len(circuit.buckets) != _BUCKETS:  # of a version with other bounds, so that nothing is known of them
                found[place] = circuit._replace(buckets=None)
    return found


def read_policies(rows: object) -> list[PolicyReport]:
    """Return the policies of a report; raises ProtocolError."""
    return read_rows(rows, PolicyReport, _POLICY, 10)


def read_levels(rows: object) -> list[LevelReport]:
    """Return the levels of a report; raises ProtocolError."""
    return read_rows(rows, LevelReport, _LEVEL, 5)


_PART: tuple[tuple[type, ...], ...] = (_TEXT, _TEXT, _OPT_TEXT, _OPT_TEXT, _TEXT, (dict,))
_STATE = re.compile(r"[a-z][a-z_]{0,39}")


def read_parts(rows: object) -> list[PartReport]:
    """Return the parts of a report, without kinds and figures that are not known here; raises ProtocolError."""
    found: list[PartReport] = []
    for part in read_rows(rows, PartReport, _PART, len(_PART)):
        if part.member is not None and not 0 < len(part.member) <= MAX_NAME_LENGTH:
            raise ProtocolError("a member of a part has no name or too long a one")
        if part.state is not None and _STATE.fullmatch(part.state) is None:
            raise ProtocolError("a state of a part is no word")
        kind = PART_KINDS.get(part.kind)
        if kind is not None:
            counts = kind.counts
            figures = {name: part.figures[name] for name in kind.figures if name in part.figures}
            if not all(_is_figure(value, whole=name in counts) for name, value in figures.items()):
                raise ProtocolError("a figure of a part is no number")
            found.append(part._replace(figures=figures))
    return found


def _is_figure(value: object, *, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return False
    return (0 if whole else -(2**53)) <= value < 2**53


# ------------------------------------------------------------------ values


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ProtocolError("an object is missing")
    return value


def _object(data: Mapping[str, Any], field_name: str, *, optional: bool = False) -> Mapping[str, Any]:
    value = data.get(field_name)
    return {} if value is None and optional else _mapping(value)


def _text(data: Mapping[str, Any], field_name: str) -> str:
    value = data.get(field_name)
    if not isinstance(value, str) or not value:
        raise ProtocolError(f"{field_name} is no text")
    return value


def _named(value: object) -> str:
    if not isinstance(value, str) or name_problem(value):
        raise ProtocolError("a name is missing or malformed")
    return value


def _key(data: Mapping[str, Any]) -> str | None:
    value = data.get("key")
    if value is not None and (not isinstance(value, str) or len(value) > MAX_TEXT):
        raise ProtocolError("key is no text")
    return value


def _reason(data: Mapping[str, Any]) -> str:
    value = data.get("reason")
    text = value[:MAX_TEXT] if isinstance(value, str) else ""
    return text if text.strip() else "ordered by the control plane"


def _whole(data: Mapping[str, Any], field_name: str, default: int | None = None) -> int:
    value = data.get(field_name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ProtocolError(f"{field_name} is no whole number")
    return value


def _number(data: Mapping[str, Any], field_name: str, default: float) -> float:
    value = data.get(field_name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ProtocolError(f"{field_name} is no number")
    return float(value)


def _policy(name: str, item: object) -> PolicyOrder:
    data = _mapping(item)
    return PolicyOrder(_named(name), _whole(data, "revision"), _object(data, "policy"))


def _level(service: str, item: object) -> LevelOrder:
    data = _mapping(item)
    level = _whole(data, "level")
    if level > 4:
        raise ProtocolError("level is none of 0 to 4")
    seconds = None if data.get("expires_in") is None else _number(data, "expires_in", 0.0)
    return LevelOrder(_named(service), level, _reason(data), seconds, _whole(data, "sequence", 0))


def _endpoint(name: str, item: object) -> EndpointOrder:
    data = _mapping(item)
    try:
        address = check_address(data.get("address"))
    except ConfigError:
        raise ProtocolError("address is no address") from None
    return EndpointOrder(_named(name), address, _reason(data), _whole(data, "sequence", 0))
