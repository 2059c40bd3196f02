"""What the kinds of checks and strategies say of their options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..actions.kinds import strategy_kinds
from ..core.config.base import Config
from ..core.config.known_names import one_of
from ..core.errors import ConfigError
from ..recovery.symptom import Depth
from ..recovery.target import Check, Remedy
from ..watch.kinds import check_kinds
from .secrecy import without_password

_UNKNOWN = "one of the known fields: "
_MAY_BE_SECRET = frozenset({"headers", "environment", "body", "token", "password"})


class Report(Protocol):
    """Takes a mistake: its path within the table, the value, what is allowed."""

    def __call__(self, path: tuple[str | int, ...], value: object, allowed: str, *, secret: bool = False) -> None:
        """Note it."""


def check_kind(index: int, check: dict[str, Any], report: Report) -> None:  # Any: TOML values of mixed types
    """Give a check without depth that of its kind; one of an unknown kind is reported."""
    name = check.get("kind")
    kind = check_kinds().get(name) if isinstance(name, str) else None
    if kind is None and isinstance(name, str):
        report(("checks", index, "kind"), name, one_of(sorted(check_kinds()), name, "kinds"))
    check.setdefault("depth", Depth.ALIVE if kind is None else kind.depth)


def check_options(index: int, check: Check, common: tuple[str, ...], report: Report) -> bool:
    """Tell whether a check's options fit its kind; every mistake is reported."""
    kind = check_kinds().get(check.kind)
    return kind is not None and _fit(kind.options, check.options, ("checks", index), common, report)


def remedy_options(place: tuple[str, int], remedy: Remedy, common: tuple[str, ...], report: Report) -> bool:
    """Tell whether a strategy is known and its options fit its kind; every mistake is reported."""
    kind = strategy_kinds().get(remedy.kind)
    path = ("strategies", *place)
    if kind is None:
        report((*path, "kind"), remedy.kind, one_of(sorted(strategy_kinds()), remedy.kind, "kinds"))
        return False
    return _fit(kind.options, remedy.options, path, common, report)


def _fit(
    options: type[Config],
    given: Mapping[str, Any],  # Any: TOML values of mixed types
    path: tuple[str | int, ...],
    common: tuple[str, ...],
    report: Report,
) -> bool:
    try:
        options.from_dict(given)
    except ConfigError as error:
        for violation in error.violations:
            unknown = violation.allowed.startswith(_UNKNOWN)
            known = (*options.__dataclass_fields__, *common)
            allowed = one_of(known, violation.field, "fields") if unknown else violation.allowed
            secret = unknown or violation.field.partition(".")[0] in _MAY_BE_SECRET
            value = without_password(violation.value) if isinstance(violation.value, str) else violation.value
            report((*path, *violation.field.split(".")), value, allowed, secret=secret)
        return False
    return True
