"""Rules for the options of checks and strategies."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..core.config.base import InvalidValue, Rule

MAX_TEXT = 4096
MAX_ITEMS = 100


def text(*, maximum: int = MAX_TEXT) -> dict[str, Rule]:
    """Accept a text that is not empty and has no control characters but tab and newline."""

    def convert(value: object) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > maximum or "\x00" in value:
            raise InvalidValue
        return value

    return {"rule": Rule(convert, f"text of 1 to {maximum} characters")}


def optional_text(*, pattern: bool = False) -> dict[str, Rule]:
    """Accept a text or None; `pattern` wants a regular expression."""

    def convert(value: object) -> str:
        if not isinstance(value, str) or len(value) > MAX_TEXT or "\x00" in value:
            raise InvalidValue
        if pattern:
            try:
                re.compile(value)
            except re.error:
                raise InvalidValue from None
        return value

    return {
        "rule": Rule(
            convert, "a regular expression" if pattern else f"text of up to {MAX_TEXT} characters", optional=True
        )
    }


def matching(pattern: re.Pattern[str], words: str) -> dict[str, Rule]:
    """Accept a text that a pattern matches as a whole."""

    def convert(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise InvalidValue
        return value

    return {"rule": Rule(convert, words)}


def text_list(*, least: int = 0, words: str = "a list of texts") -> dict[str, Rule]:
    """Accept a list of texts without NUL."""

    def convert(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not least <= len(value) <= MAX_ITEMS:
            raise InvalidValue
        if not all(isinstance(item, str) and item and "\x00" not in item for item in value):
            raise InvalidValue
        return tuple(value)

    return {"rule": Rule(convert, f"{words}, {least} to {MAX_ITEMS} of them", dump=list)}


def text_map() -> dict[str, Rule]:
    """Accept a table of texts."""

    def convert(value: object) -> dict[str, str]:
        if not isinstance(value, Mapping) or len(value) > MAX_ITEMS:
            raise InvalidValue
        if not all(isinstance(name, str) and isinstance(item, str) and name for name, item in value.items()):
            raise InvalidValue
        return dict(value)

    return {"rule": Rule(convert, f"a table of up to {MAX_ITEMS} texts", dump=dict)}


def whole_numbers(*, words: str) -> dict[str, Rule]:
    """Accept a list of whole numbers of one byte."""

    def convert(value: object) -> tuple[int, ...]:
        given = [value] if isinstance(value, int) else value
        if not isinstance(given, list | tuple) or not given:
            raise InvalidValue
        if not all(isinstance(item, int) and not isinstance(item, bool) and 0 <= item <= 255 for item in given):
            raise InvalidValue
        return tuple(given)

    return {"rule": Rule(convert, words, dump=list)}
