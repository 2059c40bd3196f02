"""`{variable}` in what a service declares for all of its replicas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

VARIABLE = re.compile(r"[a-z][a-z0-9_]*")
# Doubled braces belong to somebody else's templates, and {env:NAME} is a reference to a secret.
_PLACEHOLDER = re.compile(r"(?<!\{)\{([a-z][a-z0-9_]*)\}(?!\})")


class UnknownPlaceholder(Exception):
    """A text asks for a variable that the replica does not have."""


def filled(value: Any, variables: Mapping[str, Any]) -> Any:  # Any: TOML values of mixed types
    """Return a value with every placeholder in its texts replaced; one that is a whole text takes the variable's type.

    Raises:
        UnknownPlaceholder: with the name of a variable that is missing.
    """
    if isinstance(value, str):
        whole = _PLACEHOLDER.fullmatch(value)
        if whole is not None:
            return _variable(whole[1], variables)
        return _PLACEHOLDER.sub(lambda found: str(_variable(found[1], variables)), value)
    if isinstance(value, Mapping):
        return {key: filled(item, variables) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [filled(item, variables) for item in value]
    return value


def _variable(name: str, variables: Mapping[str, Any]) -> Any:  # Any: TOML values of mixed types
    if name not in variables:
        raise UnknownPlaceholder(name)
    return variables[name]
