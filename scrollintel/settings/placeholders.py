"""`{variable}` in what a service declares for all of its replicas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

VARIABLE = re.compile(r"[a-z][a-z0-9_]*")
# Doubled braces belong to somebody else's templates, and {env:NAME} is a reference to a secret.
_PLACEHOLDER = re.compile(r"(?<!\{)\{([a-z][a-z0-9_]*)\}(?!\})")


def placeholders(text: str) -> list[str]:
    """Return the names of the variables that a text asks for."""
    return _PLACEHOLDER.findall(text)


class UnknownPlaceholder(Exception):
    """A text asks for a variable that the replica does not have."""


def filled(value: Any, variables: Mapping[str, Any], *, strict: bool = True) -> Any:  # Any: TOML values of mixed types
    """Return a value with every placeholder in its texts replaced; one that is a whole text takes the variable's type.

    Arguments:
        value: A TOML value, however deep.
        variables: What the placeholders stand for.
        strict: Whether a placeholder that is not among them is a mistake; otherwise it stays.

    Raises:
        UnknownPlaceholder: with the name of a variable that is missing.
    """
    if isinstance(value, str):
        whole = _PLACEHOLDER.fullmatch(value)
        if whole is not None:
            return _variable(whole, variables, strict)
        return _PLACEHOLDER.sub(lambda found: as_text(_variable(found, variables, strict)), value)
    if isinstance(value, Mapping):
        return {key: filled(item, variables, strict=strict) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [filled(item, variables, strict=strict) for item in value]
    return value


def as_text(value: object) -> str:
    """Return a variable written out; switches as in TOML."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _variable(found: re.Match[str], variables: Mapping[str, Any], strict: bool) -> Any:  # Any: TOML values
    if found[1] in variables:
        return variables[found[1]]
    if strict:
        raise UnknownPlaceholder(found[1])
    return found[0]
