"""Names of targets and groups: never empty, and never one that could be taken for all of them."""

from __future__ import annotations

from ..core.config.base import MAX_NAME_LENGTH, NAME_PATTERN, InvalidValue, Rule, name_problem

EVERYTHING = frozenset({"all", "any", "every", "everything"})
SELECTOR_ALLOWED = f"text of 1 to {MAX_NAME_LENGTH} characters that names one thing: not blank, not 'all', without '*'"


def is_everything(value: str) -> bool:
    """Tell whether a text could be taken for all targets: blank, `all` and the like, or with a wildcard."""
    return not value.strip() or value.strip().casefold() in EVERYTHING or "*" in value


def target_name() -> dict[str, Rule]:
    """Accept the name of one target or service."""
    return {"rule": _rule(optional=False)}


def group_name() -> dict[str, Rule]:
    """Accept the name of a group, or None."""
    return {"rule": _rule(optional=True)}


def _rule(*, optional: bool) -> Rule:
    def convert(value: object) -> str:
        if name_problem(value):
            raise InvalidValue
        assert isinstance(value, str)
        if is_everything(value):
            raise InvalidValue
        return value

    schema = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH, "pattern": NAME_PATTERN}
    return Rule(convert, SELECTOR_ALLOWED, optional=optional, schema=schema)
