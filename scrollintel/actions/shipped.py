"""Loads the kinds of strategies: those that ship, and those of installed packages."""

from __future__ import annotations

import logging
from importlib.metadata import entry_points

from .kinds import StrategyKind, register, ship

GROUP = "scrollintel.strategies"
"""Entry points under this name give a `StrategyKind`, or a function without arguments that registers some."""
_loaded: list[bool] = []

logger = logging.getLogger("scrollintel.recovery")


def load() -> None:
    """Register them, once; a package that cannot be loaded is named in the log and left out."""
    if _loaded:
        return
    _loaded.append(True)
    from . import (
        cache,
        docker,
        failover,
        kubernetes,
        orders,
        patroni,
        people,
        process,
        runbook,
        systemd,
        webhook,
    )

    remote = (webhook.KIND, cache.KIND, *kubernetes.KINDS, docker.KIND, failover.KIND, patroni.KIND)
    local = (*process.KINDS, systemd.KIND, runbook.KIND)
    for kind in (*local, *remote, *orders.KINDS, *people.KINDS):
        ship(kind)
    for entry in entry_points(group=GROUP):
        try:
            found = entry.load()
            if isinstance(found, StrategyKind):
                register(found)
            else:
                found()
        except Exception as error:  # a broken package must not keep the others from working
            logger.warning("the strategies of %s cannot be loaded: %s", entry.name, type(error).__name__)
