"""The mistakes found so far, each with the place where it was made."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..core.errors import ConfigError, Violation
from .secrecy import HIDDEN

SUBJECT = "settings"


class Findings:
    """Collects mistakes over all sources, so that one error names them all."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def add(self, where: str, value: object, allowed: str, *, secret: bool = False) -> None:
        """Note one mistake; the value of a secret is not kept."""
        self.violations.append(Violation(where, HIDDEN if secret and value is not None else value, allowed))

    def take(self, error: ConfigError, where: Callable[[str], str], *, secret: Iterable[str] = ()) -> None:
        """Note what a configuration found; `where` turns a field into its place."""
        for violation in error.violations:
            field = violation.field.partition(".")[0]
            self.add(where(violation.field), violation.value, violation.allowed, secret=field in set(secret))

    def check(self) -> None:
        """Raise one ConfigError that names every mistake, or return when there is none."""
        if self.violations:
            raise ConfigError(SUBJECT, self.violations)
