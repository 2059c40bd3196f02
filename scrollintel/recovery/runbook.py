"""Programs that a recovery may run, as the operator's file allows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..core.config.base import Config, boolean, integer, number
from ..core.config.lists import line, text_map, texts
from ..core.errors import Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook(Config):
    """One program that recoveries may run; nothing that is not listed runs.

    Arguments:
        command: Program, by its full path, and arguments; no shell.
        timeout: Seconds that it may take, above 0 and at most 86,400; default 60.
        memory_bytes: Memory that it may use, at least 16 MiB; default 512 MiB.
        output_bytes: Output that is kept, 1 to 16 MiB; default 64 KiB.
        environment: Its variables; nothing else is passed on besides PATH, HOME, LANG and TZ. `{env:NAME}` and
            `{file:PATH}` stand for secrets.
        directory: Working folder, or None for an empty one of its own.
        user: System user that it runs as, or None for that of the control plane.
        repeatable: Whether it may run again after it was cut off in the middle; default False.

    Raises:
        ConfigError: with every violation.
    """

    command: tuple[str, ...] = field(
        metadata=texts(words="a list of 1 to 1000 texts, none of them blank: program, by its full path, and arguments")
    )
    timeout: float = field(default=60.0, metadata=number(above=True, maximum=86_400.0, unit="seconds"))
    memory_bytes: int = field(default=512 * 2**20, metadata=integer(minimum=16 * 2**20, maximum=2**46, unit="bytes"))
    output_bytes: int = field(default=64 * 2**10, metadata=integer(minimum=1, maximum=16 * 2**20, unit="bytes"))
    environment: Mapping[str, str] = field(
        default_factory=dict,
        metadata=text_map(pattern="[A-Za-z_][A-Za-z0-9_]*", words="at most 200 names of variables, each with a text"),
    )
    directory: str | None = field(default=None, metadata=line(optional=True))
    user: str | None = field(
        default=None,
        metadata=line(pattern="[a-z_][a-z0-9_-]*", maximum=32, words="the name of a system user", optional=True),
    )
    repeatable: bool = field(default=False, metadata=boolean())

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check that the program cannot be another one of the same name."""
        if "command" not in broken and not self.command[0].startswith("/"):
            yield Violation("command", list(self.command), "a program by its full path, and arguments")
