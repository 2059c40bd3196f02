"""Slips of the pen in valid settings: names that nothing has, and what this machine does not have."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core.config.known_names import hint
from ..outbound.references import references
from ..recovery.symptom import FailureType
from ..recovery.target import DEFAULT_CHAIN, Target
from ..watch.kinds import check_kinds
from .placeholders import placeholders

_SHIPPED = "scrollintel.watch.checks."


def slips(target: Target) -> Iterator[tuple[str, str]]:
    """Yield code and sentence of everything about a target that looks like a slip."""
    yield from _failure_types(target)
    yield from _unnoticed(target)
    yield from _programs(target)
    for check in target.checks:
        for text in texts(check.options):
            for name in placeholders(text):
                yield "unknown_placeholder", f"The check {check.name} says {{{name}}}, which nothing fills in."
    for text in texts(target.to_dict()):
        yield from _references(text)


def texts(value: Any) -> Iterator[str]:  # Any: values of settings, however deep
    """Yield every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)


def _failure_types(target: Target) -> Iterator[tuple[str, str]]:
    if any(not _ships(check.kind) for check in target.checks):
        return  # checks of one's own may tell of failures of their own
    own = {str(check.options.get("failure_type")) for check in target.checks}
    known = {*FailureType, DEFAULT_CHAIN, *own}
    for name in target.strategies:
        if name not in known:
            said = f"No check tells of {name}, so that its strategies are never tried"
            yield "unknown_failure_type", f"{said}{hint(sorted(known), name) or '.'}"


def _ships(kind: str) -> bool:
    found = check_kinds().get(kind)
    return found is not None and getattr(found.build, "__module__", "").startswith(_SHIPPED)


def _unnoticed(target: Target) -> Iterator[tuple[str, str]]:
    kinds = {check.kind for check in target.checks}
    if (
        target.strategies.get(FailureType.EXITED)
        and target.process is not None
        and kinds <= _BLIND
        and target.heartbeat
    ):
        yield (
            "exit_unnoticed",
            "A process that has gone is only silent: nothing tells of an exit, as a check of the kind process does.",
        )


_BLIND = frozenset({"http", "tcp", "command", "postgresql", "redis", "grpc", "disk", "memory"})
"""Checks that ship and cannot tell an exit from another failure."""


def _programs(target: Target) -> Iterator[tuple[str, str]]:
    if target.process is None:
        return
    program, folder = target.process.command[0], target.process.directory
    if folder is not None and not Path(folder).is_dir():
        yield "missing_program", f"The folder {folder} is not there."
    elif shutil.which(str(Path(folder or ".") / program) if "/" in program else program) is None:
        yield "missing_program", f"The program {program} is not there, or may not be run."


def _references(text: str) -> Iterator[tuple[str, str]]:
    for kind, place in references(text):
        missing = not os.environ.get(place) if kind == "env" else not os.access(place, os.R_OK)
        if missing:
            said = f"The variable {place} is not set" if kind == "env" else f"The file {place} cannot be read"
            yield "missing_secret", f"{said} here, and {{{kind}:{place}}} stands for it."
