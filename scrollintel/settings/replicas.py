"""Replicas of a declared service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.config.base import Config
from ..core.config.lists import json_map, line
from ..core.errors import ConfigError, Violation
from ..recovery.selectors import is_everything
from .kind_options import Report
from .placeholders import VARIABLE

MAX_REPLICAS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica(Config):
    """One of several that stand in for each other.

    Arguments:
        name: Unique within the service, without '/'; what is watched is called `service/replica`.
        region: Where it runs; None (default) takes that of the service.
        variables: What `{variable}` stands for in checks, process, unit and strategies; `{replica}` is its name.

    Raises:
        ConfigError: with every violation.
    """

    name: str = field(metadata=line(maximum=100, pattern=r"[^/*{}]+", words="1 to 100 characters without / * { }"))
    region: str | None = field(default=None, metadata=line(maximum=200, optional=True))
    variables: Mapping[str, Any] = field(default_factory=dict, metadata=json_map())  # Any: texts, numbers, switches

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check the names and values of the variables."""
        if "name" not in broken and is_everything(self.name):
            yield Violation("name", self.name, "a name that cannot be taken for all of them")
        for key, value in self.variables.items() if "variables" not in broken else ():
            if not VARIABLE.fullmatch(key) or key == "replica":
                yield Violation(f"variables.{key}", key, "a name in lower case with '_', not replica")
            if not isinstance(value, str | int | float):
                yield Violation(f"variables.{key}", value, "a text, a number, true or false")


def read_replicas(listed: object, report: Report) -> list[Replica]:
    """Return the replicas of a service; every mistake is reported."""
    if not isinstance(listed, list) or len(listed) > MAX_REPLICAS:
        report(("replicas",), listed, f"at most {MAX_REPLICAS} tables headed [[services.replicas]]")
        return []
    found: dict[str, Replica] = {}
    for index, row in enumerate(listed):
        try:
            replica = Replica.from_dict(row)
        except ConfigError as error:
            for violation in error.violations:
                report(("replicas", index, *violation.field.split(".")), violation.value, violation.allowed)
            continue
        if replica.name in found:
            report(("replicas", index, "name"), replica.name, "a name that no other replica of the service has")
        found[replica.name] = replica
    return list(found.values())
