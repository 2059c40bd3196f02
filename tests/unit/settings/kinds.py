"""Kinds of checks and strategies that the tests of the settings register."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from scrollintel.actions import kinds as actions
from scrollintel.core.config.base import Config, integer, name
from scrollintel.recovery.strategy import Traits
from scrollintel.recovery.symptom import Depth
from scrollintel.watch import kinds as watch


@dataclass(frozen=True, slots=True, kw_only=True)
class PortOptions(Config):
    """Where to look."""

    host: str = field(metadata=name())
    port: int = field(metadata=integer(minimum=1, maximum=65535))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions(Config):
    """Nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookOptions(Config):
    """Which runbook."""

    runbook: str = field(metadata=name())


def _unused(*_: object) -> None:
    raise AssertionError("settings build nothing")


CHECKS = (
    watch.CheckKind("t-port", PortOptions, Depth.READY, "A port answers.", _unused),  # type: ignore[arg-type]  # unused
    watch.CheckKind("t-life", NoOptions, Depth.ALIVE, "It lives.", _unused),  # type: ignore[arg-type]  # unused
)
STRATEGIES = (
    actions.StrategyKind("t-restart", NoOptions, Traits(restarts=True), "Restart it.", _unused),  # type: ignore[arg-type]  # unused
    actions.StrategyKind("t-book", BookOptions, Traits(destructive=True), "Run a book.", _unused),  # type: ignore[arg-type]  # unused
)


@contextmanager
def registered() -> Iterator[None]:
    """Have the kinds of this module for a while."""
    for check in CHECKS:
        watch.register(check)
    for strategy in STRATEGIES:
        actions.ship(strategy)
    try:
        yield
    finally:
        for check in CHECKS:
            watch._KINDS.pop(check.name)
        for strategy in STRATEGIES:
            actions._KINDS.pop(strategy.name)
