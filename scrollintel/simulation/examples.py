"""The scenarios that ship, and scenario files of a user's own."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path

from ..core.config.known_names import one_of
from ..core.errors import ConfigError, Violation
from .scenario import Scenario, scenario_of

EXAMPLES = ("overload", "cold-start", "one-bad-shard", "slow-dependency", "brief-failures")
MAX_BYTES = 1024 * 1024


def example_text(name: str) -> str:
    """Return the file of a scenario that ships, with its comments.

    Raises:
        ConfigError: when there is none of that name.
    """
    if name not in EXAMPLES:
        raise ConfigError("scenario", [Violation("example", name, one_of(EXAMPLES, name, "examples"))])
    return files(__package__).joinpath("scenarios", f"{name}.toml").read_text(encoding="utf-8")


def example(name: str) -> Scenario:
    """Return a scenario that ships: `overload`, `cold-start`, `one-bad-shard`, `slow-dependency`, `brief-failures`.

    Raises:
        ConfigError: when there is none of that name.
    """
    return scenario_of(tomllib.loads(example_text(name)))


def load_scenario(path: str | Path) -> Scenario:
    """Return the scenario in a TOML file.

    Raises:
        ConfigError: with every violation, or why the file cannot be read.
    """
    return scenario_of(read_toml(path, "scenario"))


def read_toml(path: str | Path, subject: str) -> dict[str, object]:
    """Return the content of a TOML file.

    Raises:
        ConfigError: when it cannot be read, is too long, or no TOML.
    """
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise ConfigError(subject, [Violation("file", str(path), f"a file that can be read ({reason})")]) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(subject, [Violation("file", str(path), f"a file of at most {MAX_BYTES} bytes")])
    try:
        return tomllib.loads(data.decode("utf-8").replace("\r\n", "\n"))
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__
        raise ConfigError(subject, [Violation("file", str(path), f"valid TOML in UTF-8 ({reason})")]) from None
