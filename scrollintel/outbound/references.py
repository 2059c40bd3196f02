"""Secrets by reference: a configuration says where a secret lies, and it is read at the moment of its use."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NoReturn

from ..core.config.base import Rule
from ..core.errors import ConfigError, ScrollIntelError, Violation

HIDDEN = "(hidden)"
ALLOWED = "a reference to a secret: {env:NAME} or {file:/absolute/path}"
MAX_SECRET = 16_384
"""Characters of a secret at most."""
_REFERENCE = re.compile(r"\{(env|file):([^{}\x00-\x1f]{1,500})\}")
_CONTROL = re.compile("[\x00-\x1f\x7f]")


class SecretUnavailableError(ScrollIntelError):
    """A secret cannot be read from where its reference says; the text names the reference, never the value."""

    code = "secret_unavailable"


def has_reference(text: str) -> bool:
    """Tell whether a text holds a reference to a secret."""
    return _REFERENCE.search(text) is not None


def references(text: str) -> list[tuple[str, str]]:
    """Return the references in a text: `env` or `file`, and the name or path."""
    return _REFERENCE.findall(text)


def resolve(text: str) -> str:
    """Return a text with every `{env:NAME}` and `{file:PATH}` in it replaced by what is there now.

    Raises:
        SecretUnavailableError: when a variable is not set, a file cannot be read, or the value is empty, longer than
            16,384 characters, or has control characters.
    """
    return _REFERENCE.sub(lambda found: _read(found.group(1), found.group(2)), text)


def _read(kind: str, place: str) -> str:
    try:
        value = os.environ.get(place, "") if kind == "env" else Path(place).read_text("utf-8")[: MAX_SECRET + 2].strip()
    except (OSError, ValueError):
        value = ""
    if not value or len(value) > MAX_SECRET or _CONTROL.search(value):
        raise SecretUnavailableError(f"{{{kind}:{place}}} holds no usable secret")
    return value


def secret(*, optional: bool = False) -> dict[str, Rule]:
    """Accept one reference to a secret and nothing else; what was given instead is never shown."""

    def convert(value: object) -> str:
        if not isinstance(value, str) or not is_reference(value):
            _refuse()
        return value

    schema = {"type": "string", "pattern": r"^\{(env:[A-Za-z_][A-Za-z0-9_]*|file:/[^{}]+)\}$"}
    return {"rule": Rule(convert, ALLOWED, optional=optional, schema=schema)}


def is_reference(text: str) -> bool:
    """Tell whether a text is one reference to a secret, as a whole."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        return False
    kind, place = found.groups()
    return place.startswith("/") if kind == "file" else re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", place) is not None


def _refuse() -> NoReturn:
    raise ConfigError("secret", [Violation("reference", HIDDEN, ALLOWED)])
