"""On which line of a TOML text each key stands; the parser of the standard library does not tell."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence

KeyPath = tuple[str | int, ...]


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, of every table and key of a valid TOML text.

    Items of arrays of tables have their number, from 0, in the path. What stands inside an inline value has no line of
    its own; `line_of` falls back to the key that holds it.
    """
    return _Scanner(text).run()


def line_of(lines: Mapping[KeyPath, int], path: Sequence[str | int]) -> int:
    """Return the line of the longest known beginning of `path`, or 1."""
    for length in range(len(path), 0, -1):
        line = lines.get(tuple(path[:length]))
        if line is not None:
            return line
    return 1


def _keys(source: str) -> list[str]:
    """Return the keys of a dotted key, with quotes resolved by the parser itself."""
    found: list[str] = []
    level: object = tomllib.loads(source)
    while isinstance(level, dict) and level:
        key, level = next(iter(level.items()))
        found.append(key)
    return found


class _Scanner:
    """Goes through the statements of a text that the parser has accepted, so it need not look for mistakes."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[KeyPath, int] = {}
        self._items: dict[KeyPath, int] = {}  # items so far of each array of tables

    def run(self) -> dict[KeyPath, int]:
        """Return the lines of all keys."""
        table: KeyPath = ()
        while self._skip_blank():
            line = self._text.count("\n", 0, self._at) + 1
            if self._text[self._at] == "[":
                start = self._at
                self._to_line_end()
                header = self._text[start : self._at]
                table = self._table(_keys(header), header, line)
            else:
                start = self._at
                self._to("=")
                keys = _keys(self._text[start : self._at] + "=0")
                self._at += 1
                for length in range(1, len(keys) + 1):
                    self._lines.setdefault((*table, *keys[:length]), line)
                self._to_line_end()
        return self._lines

    def _table(self, keys: list[str], header: str, line: int) -> KeyPath:
        path: KeyPath = ()
        for position, key in enumerate(keys):
            path = (*path, key)
            last = position == len(keys) - 1
            if last and header.startswith("[["):
                self._lines.setdefault(path, line)
                self._items[path] = self._items.get(path, -1) + 1
            if path in self._items:
                path = (*path, self._items[path])
            self._lines.setdefault(path, line)
        return path

    def _skip_blank(self) -> bool:
        """Move to the next statement; False at the end."""
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "#":
                self._to_line_end()
            elif character.isspace():
                self._at += 1
            else:
                return True
        return False

    def _to(self, wanted: str) -> None:
        while self._text[self._at] != wanted:
            self._step()

    def _to_line_end(self) -> None:
        """Move behind a value or header: to the first line end outside of brackets and strings."""
        depth = 0
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "\n" and depth == 0:
                return
            depth += (character in "[{") - (character in "]}")
            if character == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            else:
                self._step()

    def _step(self) -> None:
        """Move over one character, or over one whole string."""
        quote = self._text[self._at]
        if quote not in "\"'":
            self._at += 1
            return
        closing = quote * 3 if self._text.startswith(quote * 3, self._at) else quote
        self._at += len(closing)
        while not self._text.startswith(closing, self._at):
            self._at += 2 if quote == '"' and self._text[self._at] == "\\" else 1
        self._at += len(closing)
        while len(closing) == 3 and self._text.startswith(quote, self._at):  # a string may end with quotes of its own
            self._at += 1
