"""A target as it is declared, for people who may read about it: whatever may be a secret is hidden."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from .target import Target

HIDDEN = "(hidden)"
_SECRET = re.compile(r"pass|secret|token|key|auth|credential|cookie|signature|^body$|^send$", re.IGNORECASE)
"""Names of options whose texts are hidden."""
_MAPPINGS = frozenset({"environment", "headers"})
"""Mappings of names to texts, any of which may be a secret."""
_REFERENCE = re.compile(r"\{(env|file):[^{}]+\}")
_ARGUMENT = re.compile(rf"(?P<name>--?[^=\s]*({_SECRET.pattern})[^=\s]*)(=(?P<value>.*))?", re.IGNORECASE | re.DOTALL)


def declaration(target: Target) -> dict[str, Any]:  # Any: JSON values
    """Return a target as JSON values, without what may be a secret.

    References to secrets are shown, since they say only where one lies. Hidden are other values of environments and
    headers, texts whose names sound like a secret, user, password and query of addresses, and values of arguments such
    as `--password`.
    """
    shown = _shown(target.to_dict(), "")
    shown["checks"] = [{**check, "options": without_secrets(check["options"])} for check in shown["checks"]]
    return dict(shown)


def without_secrets(options: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON values
    """Return options of a check or strategy, or anything that holds some, without what may be a secret."""
    return dict(_shown(options, ""))


def _shown(value: Any, name: str) -> Any:  # Any: JSON values
    if isinstance(value, Mapping):
        return {
            key: _text(item, hidden=True) if name in _MAPPINGS and isinstance(item, str) else _shown(item, str(key))
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return _arguments(value) if name == "command" else [_shown(item, name) for item in value]
    if isinstance(value, str):
        return _text(value, hidden=_SECRET.search(name) is not None)
    return value


def _text(text: str, *, hidden: bool) -> str:
    if hidden:
        return text if _REFERENCE.fullmatch(text) else HIDDEN
    return _address(text) if "://" in text else text


def _address(text: str) -> str:
    """Return an address without user, password and query, whichever of them are no references."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return HIDDEN
    login, at, place = parts.netloc.rpartition("@")
    shown = login if not at or _REFERENCE.search(login) else HIDDEN
    query = parts.query if not parts.query or _REFERENCE.search(parts.query) else HIDDEN
    return urlunsplit((parts.scheme, f"{shown}{at}{place}", parts.path, query, ""))


def _arguments(vector: list[Any] | tuple[Any, ...]) -> list[Any]:  # Any: JSON values
    found: list[Any] = []
    follows = False
    for argument in vector:
        if not isinstance(argument, str):
            found.append(argument)
            continue
        named = _ARGUMENT.fullmatch(argument)
        if follows and not argument.startswith("-"):
            found.append(_text(argument, hidden=True))
        elif named is not None and named["value"] is not None:
            found.append(f"{named['name']}={_text(named['value'], hidden=True)}")
        else:
            found.append(_text(argument, hidden=False))
        follows = named is not None and named["value"] is None
    return found
