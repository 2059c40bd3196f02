"""A settings file: where it is found, what it says, and on which line."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .findings import Findings
from .toml_lines import KeyPath, key_lines, line_of

FILE_NAME = "scrollintel.toml"
FILE_VARIABLE = "SCROLLINTEL_CONFIG"
_MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a settings file; without a file it is empty."""

    path: Path | None = None
    content: Mapping[str, Any] = field(default_factory=dict)  # Any: TOML values
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def location(self, path: Sequence[str | int]) -> str:
        """Return file name and line of a key; the name alone, because answers of the API leak no folders."""
        assert self.path is not None
        return f"{self.path.name}:{line_of(self.lines, path)}"

    def where(self, path: Sequence[str | int]) -> str:
        """Return file, line and key as an error shows them, such as `scrollintel.toml:3 server.port`."""
        return f"{self.path}:{line_of(self.lines, path)} {dotted(path)}"


def dotted(path: Sequence[str | int]) -> str:
    """Return a path as one text, such as `policies[2].breaker`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")


def find_file(explicit: Path | None, environment: Mapping[str, str], directory: Path) -> tuple[Path | None, str]:
    """Return the settings file in force and what named it.

    Tried in this order: `--config`, SCROLLINTEL_CONFIG, `scrollintel.toml` in the working folder, and
    `scrollintel/scrollintel.toml` in the user's configuration folder. The first two must exist, the others may.
    """
    if explicit is not None:
        return explicit, "--config"
    if environment.get(FILE_VARIABLE):
        return Path(environment[FILE_VARIABLE]).expanduser(), FILE_VARIABLE
    base = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME") or Path.home()) / ".config")
    for candidate in (directory / FILE_NAME, Path(base) / "scrollintel" / FILE_NAME):
        if candidate.is_file():
            return candidate, str(candidate)
    return None, ""


def read_document(path: Path | None, named_by: str, findings: Findings) -> Document:
    """Return the file's content; whatever is wrong with the file as a whole is noted in `findings`."""
    if path is None:
        return Document()
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        findings.add(named_by, str(path), f"a settings file that can be read ({reason})")
        return Document()
    if len(data) > _MAX_BYTES:
        findings.add(named_by, str(path), f"a settings file of at most {_MAX_BYTES} bytes")
        return Document()
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__
        findings.add(named_by, str(path), f"valid TOML in UTF-8 ({reason})")
        return Document()
    return Document(path, content, key_lines(text))
