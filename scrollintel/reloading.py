"""Reads the settings file anew while the control plane runs: when it changes, on SIGHUP, or on request."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from .composition import automation, declarations
from .core.errors import ConfigError
from .service.errors import RequestError
from .service.use_cases import UseCases
from .settings import Settings, needs_restart
from .settings import reload as read_anew
from .storage.errors import StoreUnavailableError

LOOK_INTERVAL = 1.0
"""Seconds between looks whether the file has changed."""

logger = logging.getLogger("scrollintel")


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What has come of it.

    Arguments:
        targets: What is watched now.
        needs_restart: Tables and keys that differ and are read at the start only.
    """

    targets: int
    needs_restart: tuple[str, ...]


class Reloading:
    """Takes a settings file over as a whole, or not at all. On the event loop.

    Arguments:
        settings: What the control plane was started with.
        use_cases: Takes what has changed.
    """

    def __init__(self, settings: Settings, use_cases: UseCases) -> None:
        self.settings = settings
        self._use_cases = use_cases
        self._seen = _mark(settings.file)
        self._lock = asyncio.Lock()
        self._refused: str | None = None

    def attach(self) -> None:
        """Look at the file again and again, and offer `reload` to whoever asks."""
        self._use_cases.reload = self.reload
        if self.settings.file is not None:
            self._use_cases.loops.add("read settings anew", LOOK_INTERVAL, self.look)

    async def look(self) -> None:
        """Take the file over when it has changed; what is wrong with it is logged once, and nothing changes then."""
        seen = await asyncio.to_thread(_mark, self.settings.file)
        if seen == self._seen or seen is None:
            return
        self._seen = seen
        try:
            await self.reload()
        except (ConfigError, RequestError, StoreUnavailableError) as error:
            if str(error) != self._refused:
                logger.error("the settings file is not taken over, everything stays as it is: %s", error)
            self._refused = str(error)

    async def reload(self) -> Reloaded:
        """Take the file over now.

        Raises:
            ConfigError: with every mistake; nothing has changed then.
            RequestError: when services cannot be declared like that, for example in a circle.
            StoreUnavailableError: while the database is away.
        """
        async with self._lock:
            new = await asyncio.to_thread(read_anew, self.settings)
            await self._use_cases.declarations.replace(declarations(new.declared))
            await self._use_cases.automation.apply(automation(new))
            self._use_cases.alerting.rules = new.alerts.rules
            waits = needs_restart(self.settings, new)
            self.settings, self._refused = new, None
            logger.info("the settings file has been taken over: %d targets are watched", len(new.targets))
            for name in waits:
                logger.warning("%s has changed and is read at the next start", name)
            return Reloaded(len(new.targets), waits)


def _mark(path: Path | None) -> tuple[int, int, int] | None:
    """Return what changes with a file; None when it is not there."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
