"""What a replica tells of itself in one message, read without trust in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.config.base import name_problem
from ..core.machines.sketch import SIZE
from ..core.states import CircuitState
from ..replica.parts import PartReport
from ..replica.protocol import CircuitReport, LevelReport, PolicyReport, ProtocolError
from ..replica.reading import read_circuits, read_levels, read_parts, read_policies

MAX_COUNT = 2**40
"""Calls of one bucket of durations in one report at most."""
MAX_FACTS = 10_000
"""Facts of one report at most."""
_EVENT_NAME = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40}){1,3}")
_STATES = frozenset(state.value for state in CircuitState)


@dataclass(frozen=True, slots=True)
class Report:
    """What a replica tells of itself.

    Arguments:
        full: Whether it holds everything; otherwise what has changed since the report before.
        facts: Events as `Event.to_dict` gives them, oldest first.
        dropped: Facts that were lost on the replica since it started.
        durations: How long calls took since the report before: buckets of `LatencySketch`, and how many fell into each.
    """

    circuits: list[CircuitReport] = field(default_factory=list)
    policies: list[PolicyReport] = field(default_factory=list)
    levels: list[LevelReport] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)  # Any: JSON values
    full: bool = False
    dropped: int = 0
    durations: list[tuple[int, int]] = field(default_factory=list)
    parts: list[PartReport] = field(default_factory=list)


def read_report(data: Mapping[str, Any]) -> Report:  # Any: JSON values
    """Return the report in a message.

    Raises:
        ProtocolError: when it is none.
    """
    facts = data.get("facts", [])
    if not isinstance(facts, list) or len(facts) > MAX_FACTS or not all(_is_fact(fact) for fact in facts):
        raise ProtocolError("a fact is malformed")
    durations = data.get("durations", [])
    if not isinstance(durations, list) or len(durations) > SIZE or not all(map(_is_count, durations)):
        raise ProtocolError("a count of durations is malformed")
    dropped = data.get("dropped", 0)
    return Report(
        circuits=read_circuits(data.get("circuits", [])),
        policies=read_policies(data.get("policies", [])),
        levels=read_levels(data.get("levels", [])),
        parts=read_parts(data.get("parts", [])),
        facts=facts,
        full=data.get("full") is True,
        durations=[(bucket, number) for bucket, number in durations],
        dropped=dropped if type(dropped) is int and 0 <= dropped < 2**53 else 0,
    )


def _is_count(item: object) -> bool:
    """Tell whether an item is a bucket and a number."""
    if not isinstance(item, list) or len(item) != 2:
        return False
    bucket, number = item
    return type(bucket) is int and type(number) is int and 0 <= bucket < SIZE and 0 < number < MAX_COUNT


def _is_fact(fact: object) -> bool:
    """Tell whether a fact can be shown and kept: flat, small, with a name, a subject and a time."""
    if not isinstance(fact, dict) or len(fact) > 40:
        return False
    name, at, policy = fact.get("event"), fact.get("at"), fact.get("policy")
    if not isinstance(name, str) or _EVENT_NAME.fullmatch(name) is None or name_problem(policy):
        return False
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < 2**33:
        return False
    if not all(isinstance(value, str | int | float | bool | None | dict | list) for value in fact.values()):
        return False
    if any(isinstance(value, str) and (len(value) > 1000 or "\x00" in value) for value in fact.values()):
        return False
    if name != "circuit.state_changed":
        return True
    key = fact.get("key")
    return (
        fact.get("old") in _STATES
        and fact.get("new") in _STATES
        and isinstance(fact.get("reason"), str)
        and (key is None or not name_problem(key))
    )
