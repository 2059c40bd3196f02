"""Rules for fields that hold several things: texts, mappings, and configurations in a row."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ConfigError, Violation
from .base import Config, InvalidValue, Rule

MAX_TEXT = 4096
"""Characters of one text in a list or mapping at most."""
MAX_JSON = 65_536
"""Characters of a mapping of JSON values at most, written out."""
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def is_line(value: object, maximum: int = MAX_TEXT) -> bool:
    """Tell whether a value is one line of text that is not blank."""
    return isinstance(value, str) and 0 < len(value) <= maximum and bool(value.strip()) and not _CONTROL.search(value)


def line(
    *, maximum: int = MAX_TEXT, pattern: str | None = None, words: str | None = None, optional: bool = False
) -> dict[str, Rule]:
    """Accept one line of text that is not blank and fits `pattern` as a whole when one is given."""

    def convert(value: object) -> object:
        if not is_line(value, maximum) or (pattern is not None and not re.fullmatch(pattern, str(value))):
            raise InvalidValue
        return value

    allowed = words or f"one line of text of 1 to {maximum} characters, not blank"
    schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": maximum}  # Any: JSON values
    if pattern is not None:
        schema["pattern"] = f"^(?:{pattern})$"
    return {"rule": Rule(convert, allowed, optional=optional, schema=schema)}


def texts(
    *, words: str, minimum: int = 1, maximum: int = 1000, choices: tuple[str, ...] = (), different: bool = False
) -> dict[str, Rule]:
    """Accept a list of lines of text, out of `choices` when they are given, each once when they must be different."""

    def convert(value: object) -> tuple[object, ...]:
        if not isinstance(value, list | tuple) or not minimum <= len(value) <= maximum:
            raise InvalidValue
        if not all(is_line(item) and (not choices or item in choices) for item in value):
            raise InvalidValue
        if different and len(set(value)) < len(value):
            raise InvalidValue
        return tuple(value)

    items: dict[str, Any] = {"enum": list(choices)} if choices else {"type": "string"}  # Any: JSON values
    schema = {"type": "array", "items": items, "minItems": minimum, "maxItems": maximum, "uniqueItems": different}
    return {"rule": Rule(convert, words, dump=list, schema=schema)}


def text_map(*, pattern: str, words: str, maximum: int = 200) -> dict[str, Rule]:
    """Accept a mapping of keys that fit `pattern` to texts, which may be empty; what they say is not shown."""

    def convert(value: object) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise InvalidValue
        wrong = [Violation(str(key), "(hidden)", words) for key, text in value.items() if not fits(key, text)]
        if wrong or len(value) > maximum:
            raise ConfigError("mapping", wrong or [Violation("(number)", len(value), f"at most {maximum}")])
        return dict(value)

    def fits(key: object, text: object) -> bool:
        known = isinstance(key, str) and re.fullmatch(pattern, key) is not None
        return known and isinstance(text, str) and len(text) <= MAX_TEXT and "\x00" not in text

    schema = {"type": "object", "additionalProperties": {"type": "string", "maxLength": MAX_TEXT}}
    return {"rule": Rule(convert, words, dump=dict, schema=schema)}


def json_map() -> dict[str, Rule]:
    """Accept a mapping of names to JSON values; a copy is kept."""

    def convert(value: object) -> dict[str, Any]:  # Any: JSON values of mixed types
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise InvalidValue
        try:
            written = json.dumps(dict(value), allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise InvalidValue from None
        if len(written) > MAX_JSON:
            raise InvalidValue
        copy: dict[str, Any] = json.loads(written)  # Any: JSON values of mixed types
        return copy

    words = f"a mapping of names to JSON values, at most {MAX_JSON} characters long"
    return {"rule": Rule(convert, words, dump=dict, schema={"type": "object"})}


def row(kind: type[Config], *, maximum: int, shorthand: Callable[[str], Mapping[str, Any]] | None = None) -> Rule:
    """Return the rule of a list of configurations of one kind.

    Arguments:
        kind: The class of the items; a mapping of its fields will do as well.
        maximum: Items at most.
        shorthand: Turns a text into the mapping that it stands for, or None when a text is not accepted.
    """

    def one(index: int, item: object) -> Config:
        if isinstance(item, kind):
            return item
        if isinstance(item, str) and shorthand is not None:
            item = shorthand(item)
        if not isinstance(item, Mapping):
            raise ConfigError(kind.__name__, [Violation(f"[{index}]", item, f"a {kind.__name__}")])
        try:
            return kind.from_dict(item)
        except ConfigError as error:
            found = [Violation(f"[{index}].{v.field}", v.value, v.allowed) for v in error.violations]
            raise ConfigError(kind.__name__, found) from None

    def convert(value: object) -> tuple[Config, ...]:
        if not isinstance(value, list | tuple) or len(value) > maximum:
            raise InvalidValue
        found: list[Config] = []
        wrong: list[Violation] = []
        for index, item in enumerate(value):
            try:
                found.append(one(index, item))
            except ConfigError as error:
                wrong.extend(error.violations)
        if wrong:
            raise ConfigError(kind.__name__, wrong)
        return tuple(found)

    items = kind.json_schema() if shorthand is None else {"anyOf": [kind.json_schema(), {"type": "string"}]}
    schema = {"type": "array", "items": items, "maxItems": maximum}
    words = f"a list of at most {maximum} {kind.__name__} items"
    return Rule(convert, words, dump=lambda listed: [item.to_dict() for item in listed], schema=schema)


def rows(kind: type[Config], *, maximum: int) -> dict[str, Rule]:
    """Accept a list of configurations of one kind, or of mappings of their fields."""
    return {"rule": row(kind, maximum=maximum)}


def required(kind: type[Config], words: str | None = None) -> dict[str, Rule]:
    """Accept another configuration or a mapping of its fields, described by `words`, and not None."""

    def convert(value: object) -> Config:
        if isinstance(value, kind):
            return value
        if isinstance(value, Mapping):
            return kind.from_dict(value)
        raise InvalidValue

    words = words or f"a {kind.__name__}"
    return {"rule": Rule(convert, words, dump=lambda config: config.to_dict(), schema=kind.json_schema())}
