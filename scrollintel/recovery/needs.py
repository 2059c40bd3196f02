"""What a service needs: how a list of dependencies is given."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.config.base import InvalidValue, Rule, name_problem

DEPENDENCY_KINDS = ("hard", "soft", "fallback")
"""`hard`: does not work without it; `soft`: works worse; `fallback`: only used when another fails."""
MAX_DEPENDENCIES = 100

Needs = tuple[tuple[str, str], ...]
"""Pairs of a service and the kind of the dependency."""


def needs() -> dict[str, Rule]:
    """Accept a list of names, of pairs, or of mappings of `name` and `kind`; each name once."""

    def convert(value: object) -> Needs:
        if not isinstance(value, list | tuple) or len(value) > MAX_DEPENDENCIES:
            raise InvalidValue
        found = tuple(_one(item) for item in value)
        if len({dependency for dependency, _ in found}) < len(found):
            raise InvalidValue
        return found

    def dump(value: Needs) -> list[dict[str, str]]:
        return [{"name": dependency, "kind": kind} for dependency, kind in value]

    allowed = f"a list of at most {MAX_DEPENDENCIES} names or {{name, kind}}, each name once; kind is hard, soft or "
    pair = {"type": "object", "properties": {"name": {"type": "string"}, "kind": {"enum": list(DEPENDENCY_KINDS)}}}
    items = {"anyOf": [{"type": "string"}, {**pair, "required": ["name"], "additionalProperties": False}]}
    schema = {"type": "array", "items": items, "maxItems": MAX_DEPENDENCIES}
    return {"rule": Rule(convert, allowed + "fallback", dump=dump, schema=schema)}


def _one(item: object) -> tuple[str, str]:
    if isinstance(item, str):
        item = {"name": item}
    elif isinstance(item, tuple) and len(item) == 2:  # as this rule itself gives it
        item = {"name": item[0], "kind": item[1]}
    if not isinstance(item, Mapping) or not {"name"} <= set(item) <= {"name", "kind"}:
        raise InvalidValue
    kind = item.get("kind", "hard")
    if name_problem(item["name"]) or kind not in DEPENDENCY_KINDS:
        raise InvalidValue
    return item["name"], kind
