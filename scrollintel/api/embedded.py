"""How a process that mounts the router gets its control plane, with itself as the replica."""

from __future__ import annotations

import os
from pathlib import Path

from ..composition import wire
from ..core.manager import ft_manager
from ..service.local import LocalSession
from ..service.use_cases import UseCases


def data_directory() -> Path:
    """Return the folder for what is kept: SCROLLINTEL_DATA_DIRECTORY, or the user's data folder."""
    chosen = os.environ.get("SCROLLINTEL_DATA_DIRECTORY")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "scrollintel"


async def start_embedded() -> UseCases:
    """Make and start a control plane that serves this process alone."""
    directory = data_directory()
    use_cases = wire(
        directory=directory,
        database_url=os.environ.get("SCROLLINTEL_DATABASE_URL"),
        enforced=os.environ.get("SCROLLINTEL_ACCESS_ENABLED", "").lower() in ("1", "true", "yes", "on"),
    )
    await use_cases.start()
    LocalSession(use_cases, ft_manager).attach()
    return use_cases
