"""Loads the kinds of checks: those that ship, and those of installed packages."""

from __future__ import annotations

import logging
from importlib.metadata import entry_points

from . import kinds

GROUP = "scrollintel.checks"
"""Entry points under this name give a `CheckKind`, or a function without arguments that registers some."""
_loaded: list[bool] = []

logger = logging.getLogger("scrollintel.watch")


def load() -> None:
    """Register them, once; a package that cannot be loaded is named in the log and left out."""
    if _loaded:
        return
    _loaded.append(True)
    from .checks import command, disk, grpc, http, memory, postgresql, process, redis, systemd, tcp

    for module in (http, tcp, process, command, postgresql, redis, grpc, systemd, disk, memory):
        kinds.ship(module.KIND)
    for entry in entry_points(group=GROUP):
        try:
            found = entry.load()
            if isinstance(found, kinds.CheckKind):
                kinds.register(found)
            else:
                found()
        except Exception as error:  # a broken package must not keep the others from working
            logger.warning("the checks of %s cannot be loaded: %s", entry.name, type(error).__name__)
